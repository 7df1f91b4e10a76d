"""Runs bm_write_image as a job in the ramdisk, shows its progress, and survives a broken connection."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.baremetal.lifecycle.plugins.module_utils._watch import jobs
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._job import JobAction


class ActionModule(JobAction):
    """See the module's documentation."""

    KIND = jobs.WRITE_IMAGE
