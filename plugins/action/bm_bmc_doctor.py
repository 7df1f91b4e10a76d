"""Runs bm_bmc_doctor in the worker process."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import bmc_doctor
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import OperationAction


class ActionModule(OperationAction):
    """See the module's documentation."""

    OPERATION = bmc_doctor
