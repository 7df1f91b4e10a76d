"""Runs bm_erase_devices as a job in the ramdisk, shows its progress, and survives a broken connection."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.progress import get_file_name
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.progress import get_shell_paths
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._job import JobAction, Result, View

_NOT_IN_NAME = ("job", "time_limit")


class ActionModule(JobAction):
    """See the module's documentation."""

    ACT = "erase_devices"
    TIME_LIMIT = 7 * 24 * 3600
    SHOW_SECONDS = 300.0
    LIMIT_HINT = "the disks are"
    DIED_HINT = "See evidence for the disks that were done."

    silence_seconds = 900.0  # hours of work are not given up because a switch restarts

    def get_progress_paths(self) -> list[str]:
        job = self._task.args.setdefault("job", self._get_job_name())
        return get_shell_paths(get_file_name(str(job)))

    def _get_job_name(self) -> str:
        """Return a name that the same task has in the next run, and no task of another node."""
        what = {key: value for key, value in self._task.args.items() if key not in _NOT_IN_NAME}
        text = json.dumps([self._host, what], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def describe(self, progress: Result) -> View:
        done, working = len(progress["evidence"]), progress["working"]
        phase = ", ".join([str(done), *(f"{device} {state['method']}" for device, state in working.items())])
        percents = [state["percent"] or 0 for state in working.values()]
        disks = [
            f"{device} {state['method']}" + ("" if state["percent"] is None else f" {state['percent']} %")
            for device, state in working.items()
        ]
        text = f"{done} of {progress['disks']} disks done"
        percent = (100 * done + sum(percents)) // max(progress["disks"], 1)
        return View(phase, percent, f"{text}: {', '.join(disks)}" if disks else text)

    def salvage(self, progress: Result) -> Result:
        evidence = progress.get("evidence", [])
        return {
            "changed": bool(progress.get("working") or any(item["attempts"] for item in evidence)),
            "evidence": evidence,
        }
