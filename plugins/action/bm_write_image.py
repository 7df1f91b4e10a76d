"""Runs bm_write_image as a job in the ramdisk, shows its progress, and survives a broken connection."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shlex

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.progress import (
    get_file_name,
    get_shell_paths,
)
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._job import JobAction, Result, View


class ActionModule(JobAction):
    """See the module's documentation."""

    ACT = "write_image"
    TIME_LIMIT = 3600
    SHOW_SECONDS = 15.0
    LIMIT_HINT = "the network or the disk is"
    DIED_HINT = "The disk is not bootable."

    def get_progress_paths(self) -> list[str]:
        if self._task.args.get("progress_path"):
            return [shlex.quote(str(self._task.args["progress_path"]))]
        return get_shell_paths(get_file_name(str(self._task.args.get("device", ""))))

    def describe(self, progress: Result) -> View:
        done, total, rate = (int(progress.get(key) or 0) >> 20 for key in ("bytes_done", "bytes_total", "rate"))
        phase = str(progress.get("phase"))
        percent = 100 * done // total if total else 0
        amount = f"{percent} %, {done} of {total} MiB" if total else f"{done} MiB"
        return View(phase, percent, f"{amount}, {rate} MiB/s ({phase})")
