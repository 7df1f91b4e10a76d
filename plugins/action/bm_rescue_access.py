"""Runs bm_rescue_access in the ramdisk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._in_band import InBandAction


class ActionModule(InBandAction):
    """See the module's documentation."""
