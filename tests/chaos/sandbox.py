"""Where a cell is played: folders for temporary files, a network and a host name of its own, which end with it.

All that a cell makes lies in them, so nothing is left of it however it ends; and what it leaves in /tmp is its own.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import time
import typing as t
from pathlib import Path

from tests.site import ROOT

MARK = "BAREMETAL_LIFECYCLE_CHAOS"
"""The variable that each process of a run has in its environment: the pid of the run's first process."""

TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
OF_THE_RAMDISK = "/run"
"""Where jobs in the ramdisk, which is this machine here, have their locks: by disk, and all cells' have one name."""

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: the chaos matrix needs root, and namespaces of its own")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """Mount (mount(2))."""
    words = (word.encode() if word else None for word in (source, target, kind))
    _check(_libc.mount(*words, flags, data.encode() if data else None))


def unmount(target: str, *, at_once: bool = False) -> None:
    """Unmount (umount(2)); ``at_once``: also where files are open there, which go on to be."""
    _check(_libc.umount2(target.encode(), _MNT_DETACH if at_once else 0))


def enter() -> None:
    """Let this process, and all that it starts, have what the module says; it adopts what loses its parent."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1))
    _check(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWNET))
    mount("none", "/", flags=_MS_REC | _MS_PRIVATE)
    prefix = Path(sys.prefix)
    wanted = (ROOT,) if prefix.is_relative_to(ROOT) else (ROOT, prefix)
    needed = {path: os.open(path, os.O_PATH) for path in wanted if _is_temporary(path)}
    for place in (*TEMPORARY, OF_THE_RAMDISK):
        mount("baremetal-lifecycle-chaos", place, "tmpfs", data="mode=1777")
    for path, number in needed.items():
        path.mkdir(parents=True)
        mount(f"/proc/self/fd/{number}", str(path), flags=_MS_BIND)
        os.close(number)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loopback:
        fcntl.ioctl(loopback, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


def _is_temporary(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in TEMPORARY)


def found_in_temporary(*known: Path) -> list[str]:
    """Return what lies in the folders for temporary files, but for what is known."""
    spared = {path for path in (ROOT, Path(sys.prefix), *known) if _is_temporary(path)}
    found = (path for place in TEMPORARY for path in Path(place).iterdir())
    return sorted(str(path) for path in found if not any(one.is_relative_to(path) for one in spared))


def status_of(pid: str) -> tuple[int, str]:
    """Return a process's parent and state."""
    fields = Path("/proc", pid, "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return int(fields[1]), fields[0]


def _family() -> dict[int, tuple[int, str]]:
    """Return parent and state of all processes."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry)] = status_of(entry)
    return found


def _below(of: int, family: t.Mapping[int, tuple[int, str]]) -> set[int]:
    found, more = set[int](), {of}
    while more:
        more = {pid for pid, (parent, dummy) in family.items() if parent in more}
        found |= more
    return found


def descendants(of: int, *, children_only: bool = False) -> list[int]:
    """Return the living processes below one."""
    family = _family()
    found = {pid for pid in family if family[pid][0] == of} if children_only else _below(of, family)
    return sorted(pid for pid in found if family[pid][1] not in "ZX")


def standing(called: int) -> list[int]:
    """Return the processes of this one's that are stopped and have a pid, where they are: in a container maybe."""
    found = []
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            words = Path("/proc", str(pid), "status").read_text().partition("NSpid:")[2].splitlines()[0].split()
            found += [pid] if words[-1] == str(called) and status_of(str(pid))[1] in "Tt" else []
    return found


def zombies(of: int) -> list[int]:
    """Return those below a process that nobody has waited for; its own children are its own business."""
    family = _family()
    return sorted(pid for pid in _below(of, family) if family[pid][1] == "Z" and family[pid][0] != of)


def kill_all(pids: t.Callable[[], list[int]], *, seconds: float = 20) -> None:
    """Kill processes until there are none."""
    deadline = time.monotonic() + seconds
    while found := pids():
        assert time.monotonic() < deadline, f"{found} can't be killed"
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def stale() -> list[int]:
    """Return the processes that runs have left whose first process is gone."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            variables = Path("/proc", entry, "environ").read_bytes().split(b"\0")
            marks = [one.partition(b"=")[2].decode() for one in variables if one.startswith(f"{MARK}=".encode())]
            if marks and not Path("/proc", marks[0]).exists():
                found.append(int(entry))
    return found
