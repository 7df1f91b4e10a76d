"""Who uses a block device now: mounts, swap, and devices stacked on top of it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


class Mount(t.NamedTuple):
    """One line of /proc/self/mountinfo (proc(5))."""

    device: str
    mount_point: str
    fstype: str
    source: str


def read_mounts() -> list[Mount]:
    """Return what is mounted in this mount namespace."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields, dummy, rest = line.partition(" - ")
        before, after = fields.split(), rest.split()
        mounts.append(Mount(before[2], _unescape(before[4]), after[0], _unescape(after[1])))
    return mounts


def get_filesystem_type(path: str) -> str:
    """Return the type of the file system that holds ``path``, such as ``tmpfs``."""
    real = os.path.realpath(path)
    holding = [mount for mount in read_mounts() if os.path.commonpath([real, mount.mount_point]) == mount.mount_point]
    # The last of several mounts on one point is the one in use.
    return max(enumerate(holding), key=lambda pair: (len(pair[1].mount_point), pair[0]))[1].fstype


def find_users(number: str) -> list[str]:
    """Return what uses the whole disk ``number`` (``major:minor``) or one of its partitions, in words."""
    disk = Path("/sys/dev/block") / number
    parts = {number: disk.resolve().name} if disk.exists() else {number: number}
    for entry in disk.glob("*/partition"):
        parts[(entry.parent / "dev").read_text(encoding="ascii").strip()] = entry.parent.name
    users = []
    for mount in read_mounts():
        name = parts.get(mount.device) or parts.get(_get_number(mount.source))
        if name:
            users.append(f"{name} is mounted on {mount.mount_point}")
    for line in Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]:
        name = parts.get(_get_number(_unescape(line.split()[0])))
        if name:
            users.append(f"{name} is swap space")
    for part, name in parts.items():
        users += [f"{holder.name} is stacked on {name}" for holder in Path("/sys/dev/block", part).glob("holders/*")]
    return users


def _unescape(text: str) -> str:
    for code, character in _ESCAPES:
        text = text.replace(code, character)
    return text


def _get_number(source: str) -> str:
    """Return ``major:minor`` of a device node; empty for what is none."""
    # Btrfs shows an anonymous number in mountinfo: only the source tells the disk.
    if not source.startswith("/") or not os.path.exists(source):
        return ""
    status = os.stat(source)
    if not stat.S_ISBLK(status.st_mode):
        return ""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
