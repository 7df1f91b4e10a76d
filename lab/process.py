# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the lab: run one, keep one in the background, and end only what is ours.

A background program is known by its pid file, which also holds when the process started. After
a crash or a reboot the pid may belong to somebody else: then the start time differs, and the
process is left alone.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from settings import NAMESPACE, STATE


class LabError(Exception):
    """The lab can't be started or used; the message says why and what to do."""


def run(*argv: str, check: bool = True, stdin: str | None = None) -> str:
    """Run a program and return what it printed.

    :raises LabError: with the program's own words if it fails and ``check`` is set.
    """
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv)}: exit code {done.returncode}\n{said}")
    return done.stdout


def started_at(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot, or None if there is none."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _pid_file(name: str) -> pathlib.Path:
    return STATE / "run" / f"{name}.pid"


def pid_of(name: str) -> int | None:
    """Return the pid of a background program, or None if it does not run (any more)."""
    try:
        pid, start, boot = _pid_file(name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if boot == boot_id() and started_at(int(pid)) == start else None


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def spawn(name: str, argv: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Start a program in the background; its output goes to log/<name>.log."""
    _pid_file(name).parent.mkdir(parents=True, exist_ok=True)
    with open(STATE / "log" / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=STATE,
            start_new_session=True,
        )
    _pid_file(name).write_text(f"{process.pid} {started_at(process.pid)} {boot_id()}\n")


def wait_for(name: str, ready: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until a background program is ready.

    :raises LabError: with the end of its log, if it ends or is not ready within the time.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if pid_of(name) is None or time.monotonic() > deadline:
            log = STATE / "log" / f"{name}.log"
            said = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise LabError(f"{name} did not start; the end of {log}:\n{said}")
        time.sleep(0.05)


def end(name: str) -> None:
    """End a background program, if it still runs."""
    pid = pid_of(name)
    if pid is not None:
        end_all([pid])
    _pid_file(name).unlink(missing_ok=True)


def end_all(pids: Sequence[int], grace: float = 5) -> None:
    """Ask processes to end, and kill what is left after the grace period (in seconds)."""
    left = {pid: started_at(pid) for pid in pids}
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + grace
        for pid, start in left.items():
            if start is not None and started_at(pid) == start:
                os.kill(pid, number)
        while left and time.monotonic() < deadline:
            left = {p: s for p, s in left.items() if s is not None and started_at(p) == s}
            time.sleep(0.02)


def pids_in_namespace() -> list[int]:
    """Return the processes in the lab's network namespace: all of them are the lab's."""
    return [int(pid) for pid in run("ip", "netns", "pids", NAMESPACE, check=False).split()]
