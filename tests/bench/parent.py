"""The small parent of a measured run: runs one command, and writes down what it and all its descendants cost.

``python parent.py FIGURES COMMAND ...`` writes JSON: ``code``, and in seconds ``wall``, ``user`` and ``system``.
Orphans come to this process and are waited for, so daemons (a job of Ansible's async_wrapper) count, too. Whatever
ends this process early, a signal or the end of its own parent, becomes one SIGINT for the command and for nobody else;
what is still there after a while is killed.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from process_tree import get_descendants

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""prctl(2)."""

STOP_SECONDS = 60
"""How long the command may take to end, once it was interrupted."""

ORPHAN_SECONDS = 15
"""How long its daemons may outlive it."""


def kill_descendants(*_signal: object) -> None:
    """Kill all that this process has started, by their ids."""
    for pid in get_descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def be_parent_of_orphans() -> None:
    """Become the parent of orphaned descendants, and be told when the own parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_PDEATHSIG, int(signal.SIGTERM))):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def run(command: list[str]) -> dict[str, float]:
    """Run the command to its end, and wait for its orphans."""
    began = time.monotonic()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it, and so their own
    child = subprocess.Popen(command)

    def stop(*_signal: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)
        signal.alarm(STOP_SECONDS)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGALRM, kill_descendants)
    wall = 0.0
    with contextlib.suppress(ChildProcessError):  # nobody is left
        while True:
            pid, status = os.wait4(-1, 0)[:2]
            if pid == child.pid:
                wall, child.returncode = time.monotonic() - began, os.waitstatus_to_exitcode(status)
                signal.signal(signal.SIGTERM, kill_descendants)
                signal.signal(signal.SIGINT, kill_descendants)
                signal.alarm(ORPHAN_SECONDS)
    signal.alarm(0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"code": child.returncode, "wall": wall, "user": used.ru_utime, "system": used.ru_stime}


def main() -> None:
    """Measure one command."""
    figures, *command = sys.argv[1:]
    be_parent_of_orphans()
    Path(figures).write_text(json.dumps(run(command)), encoding="utf-8")


if __name__ == "__main__":
    main()
