"""Who holds a reservation: the run, in words that another run can check."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import getpass
import os
import socket
import typing as t
from pathlib import Path


class Owner(t.NamedTuple):
    """One run: a process on a controller.

    ``boot`` and ``namespace`` tell apart controllers that share a host name (reboots, containers);
    ``started`` is the process's start time in clock ticks since boot, so a reused pid is not taken
    for the run.
    """

    user: str
    host: str
    pid: int
    started: str
    boot: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host} pid={self.pid} started={self.started} boot={self.boot} ns={self.namespace}"

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Return the owner that ``str()`` has written, or None where the text is something else."""
        words = text.split()
        if len(words) != 5 or "@" not in words[0]:
            return None
        user, dummy, host = words[0].partition("@")
        fields = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        try:
            return cls(user, host, int(fields["pid"]), fields["started"], fields["boot"], fields["ns"])
        except (KeyError, ValueError):
            return None


def _user() -> str:
    """Return who runs this; in a container the user id may have no name."""
    try:
        return getpass.getuser().replace(" ", "_")
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def _start_time(pid: int) -> str | None:
    """Return the start time of a living process (field 22 of proc(5)'s stat), None if there is none."""
    stat = _read(f"/proc/{pid}/stat")
    if stat:
        after_name = stat.rpartition(")")[2].split()
        return None if after_name[0] in "ZX" else after_name[19]
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "none"


@functools.cache
def _here() -> dict[str, str]:
    """Return what stays the same as long as this process and its forks live.

    To ask for the user's name is dear: each process loads the name service for it.
    """
    return {
        "user": _user(),
        "host": socket.gethostname(),
        "boot": _read("/proc/sys/kernel/random/boot_id")[:8] or "none",
        "namespace": _namespace(),
    }


def current_owner(pid: int) -> Owner:
    """Return the owner that stands for process ``pid`` of this controller."""
    return Owner(pid=pid, started=_start_time(pid) or "unknown", **_here())


def is_alive(text: str, here: Owner) -> bool | None:
    """Say whether the run named by ``text`` goes on; None where that can't be seen from here.

    Only a run of the same controller, since the same boot and in the same pid namespace, can be seen.

    :param here: any owner of this controller.
    """
    owner = Owner.parse(text)
    if owner is None or (owner.host, owner.boot, owner.namespace) != (here.host, here.boot, here.namespace):
        return None
    return _start_time(owner.pid) == owner.started
