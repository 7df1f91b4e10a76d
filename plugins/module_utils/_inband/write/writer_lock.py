"""One writer a disk: a writer that a killed play left behind is ended before the next one begins."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
import typing as t
from pathlib import Path

from ..._errors import StepError

_GRACE = 10.0
_POLL = 0.1


@contextlib.contextmanager
def writer_lock(path: str, grace: float = _GRACE) -> t.Iterator[None]:
    """Hold the lock at ``path``; the process that holds it now is terminated, then killed.

    The kernel gives the lock up when its holder dies, so a lock that can't be had belongs to a live process;
    its number and start time in the file tell which one, and that the number was not given to another.
    :param grace: seconds to wait after SIGTERM, and again after SIGKILL.
    :raises StepError: the holder can't be told, or does not end.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not try_lock(fd):
            _evict(fd, path, grace)
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"pid": os.getpid(), "start_time": _get_start_time(os.getpid())}).encode(), 0)
        yield
    finally:
        os.close(fd)


def try_lock(fd: int) -> bool:
    """Lock an open file; return whether it could be had at once."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _evict(fd: int, path: str, grace: float) -> None:
    pid = _read_holder(fd)
    if not pid:
        raise StepError(
            f"Another writer holds {path}, and which one it is can't be told.",
            hint="End it by hand: fuser -v shows who has the file open.",
            retryable=True,
        )
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            if try_lock(fd):
                return
            time.sleep(_POLL)
    raise StepError(
        f"An earlier writer (process {pid}) does not end.",
        hint="It hangs in the kernel, so the disk does not answer: look at dmesg, or power the node off.",
    )


def _read_holder(fd: int) -> int:
    """Return the process that wrote the lock file, if it is still that process and not this one; else 0."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        holder = json.loads(os.pread(fd, 4096, 0))
        pid = int(holder["pid"])
        if pid != os.getpid() and _get_start_time(pid) == holder["start_time"]:
            return pid
    return 0


def _get_start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot (proc(5), field 22); 0 if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])
