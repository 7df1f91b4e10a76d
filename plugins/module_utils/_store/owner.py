"""Who holds a reservation: the run, in words that another run can check."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import getpass
import hashlib
import os
import socket
import typing as t
from pathlib import Path

NONE = "none"
"""Stands for what a system does not tell."""

UNKNOWN = "unknown"
"""Stands for the start of a process that lives and does not show it."""

INITIAL_NAMESPACE = "4026531836"
"""The pid namespace of a machine itself, not of a container (Linux, include/linux/proc_ns.h: PROC_PID_INIT_INO)."""


class Owner(t.NamedTuple):
    """One run: a process on a controller.

    ``boot`` is the kernel that it runs on, ``namespace`` where its pid counts, ``machine`` what a reboot does not
    change; a host name tells nothing: containers may share one. ``started`` is the process's start time in clock ticks
    since boot, so a pid that is used again is not taken for the run.
    """

    user: str
    host: str
    pid: int
    started: str
    boot: str
    namespace: str
    machine: str = NONE

    def __str__(self) -> str:
        return (
            f"{self.user}@{self.host} pid={self.pid} started={self.started} boot={self.boot} ns={self.namespace}"
            f" machine={self.machine}"
        )

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Return the owner that ``str()`` has written, or None where the text is something else."""
        words = text.split() or [""]
        if "@" not in words[0]:
            return None
        user, dummy, host = words[0].partition("@")
        fields = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        try:
            pid, started, boot, namespace = int(fields["pid"]), fields["started"], fields["boot"], fields["ns"]
        except (KeyError, ValueError):
            return None
        return cls(user, host, pid, started, boot, namespace, fields.get("machine", NONE))


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
    """Return the start time of a living process (field 22 of proc(5)'s stat), None if there is none.

    A process of another user may be hidden (proc(5), hidepid), which a signal is not.
    """
    stat = _read(f"/proc/{pid}/stat")
    if stat:
        after_name = stat.rpartition(")")[2].split()
        return None if after_name[0] in "ZX" else after_name[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return UNKNOWN


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return NONE


def _machine() -> str:
    """Return what stands for this machine; its id itself is not for others to know (machine-id(5))."""
    found = _read("/etc/machine-id")
    return hashlib.sha256(found.encode()).hexdigest()[:8] if found else NONE


@functools.cache
def _here() -> dict[str, str]:
    """Return what stays the same as long as this process and its forks live.

    To ask for the user's name is dear: each process loads the name service for it.
    """
    return {
        "user": _user(),
        "host": socket.gethostname(),
        "boot": _read("/proc/sys/kernel/random/boot_id")[:8] or NONE,
        "namespace": _namespace(),
        "machine": _machine(),
    }


def current_owner(pid: int) -> Owner:
    """Return the owner that stands for process ``pid`` of this controller."""
    return Owner(pid=pid, started=_start_time(pid) or UNKNOWN, **_here())


def is_alive(text: str, here: Owner) -> bool | None:
    """Say whether the run named by ``text`` goes on; None where that can't be seen from here.

    Seen is a run on the same kernel: its process, where pids count as here, or that its pid namespace is gone, from
    outside of all containers. A run of an earlier boot of this machine is dead, where the host name, too, is this
    one's: copies of a virtual machine may have one id. That of a container may have been anywhere.

    :param here: any owner of the machine and the container that this is asked in.
    """
    owner = Owner.parse(text)
    if owner is None:
        return None
    if owner.boot == here.boot and (owner.boot != NONE or owner.host == here.host):
        if owner.namespace == here.namespace:
            started = _start_time(owner.pid)
            return None if started == UNKNOWN != owner.started else started == owner.started
        return None if here.namespace != INITIAL_NAMESPACE or _is_in_use(owner.namespace) else False
    on_machines = owner.namespace == here.namespace == INITIAL_NAMESPACE
    is_same = owner.machine == here.machine != NONE and owner.host == here.host
    return False if on_machines and is_same else None


def _is_in_use(namespace: str) -> bool:
    """Say whether a pid namespace, not the one here, has a process: what can't be seen may have one."""
    if not _read("/proc/1/stat"):  # processes of others are hidden
        return True
    others = (process for process in Path("/proc").glob("[0-9]*") if process.name != "1")  # that one is here
    for process in others:
        try:
            if os.readlink(process / "ns/pid").strip("pid:[]") == namespace and _start_time(int(process.name)):
                return True
        except PermissionError:
            return True
        except OSError:  # it has ended meanwhile
            continue
    return False
