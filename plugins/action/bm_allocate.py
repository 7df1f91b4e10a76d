"""Runs bm_allocate in the worker process."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import allocate
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import StoreOperationAction


class ActionModule(StoreOperationAction):
    """See the module's documentation."""

    OPERATION = allocate

    def options(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the task's options; where it wants no resource class or traits, those of its host are not wanted."""
        asked = self._task.args.keys()
        found = super().options(variables)
        return {key: value for key, value in found.items() if key in asked or key not in ("resource_class", "traits")}
