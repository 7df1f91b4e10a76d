"""Runs bm_wait in the worker process, for all nodes of the batch."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import wait
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._batch import BatchAction


class ActionModule(BatchAction):
    """See the module's documentation."""

    OPERATION = wait
