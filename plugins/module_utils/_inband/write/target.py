"""The one gate before a disk is written: which paths may be written, and by whom."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ..._errors import InvalidRequestError
from ..disk.ioctl import get_logical_block_size, is_read_only
from ..disk.mounts import find_users

#: Exists only in the deploy ramdisk. Without it real disks are out of reach, whatever a playbook asks for.
MARKER = Path("/etc/baremetal-lifecycle-ramdisk")

_LOOP_MAJOR = 7  # Documentation/admin-guide/devices.txt
_FILE_BLOCK_SIZE = 512


@dataclass(frozen=True)
class Target:
    """A disk, or a regular file that stands for one, that may be written."""

    device: str
    path: str
    is_block: bool
    size: int
    block_size: int


def is_ramdisk(marker: Path = MARKER) -> bool:
    """Whether this system is the deploy ramdisk."""
    return marker.exists()


def inspect_target(device: str, *, marker: Path = MARKER) -> Target:
    """Return the disk behind ``device`` if it may be written; touches nothing.

    Symbolic links are resolved first, so that a link can't stand for what is refused.
    :raises InvalidRequestError: no disk, a real disk outside of the ramdisk, a partition, read-only, or in use.
    """
    path = os.path.realpath(device)
    try:
        status = os.stat(path)
    except OSError as exc:
        raise InvalidRequestError(
            f"The device {device} can't be used: {exc.strerror}.",
            hint="Give the path of a disk of this node; bm_hardware_info lists them.",
        ) from exc
    if stat.S_ISBLK(status.st_mode):
        return _inspect_block_device(device, path, status.st_rdev, marker)
    if not stat.S_ISREG(status.st_mode):
        raise InvalidRequestError(f"{device} is neither a disk nor a regular file.", hint="Give the path of a disk.")
    return _check_size(Target(device, path, False, status.st_size, _FILE_BLOCK_SIZE))


def _inspect_block_device(device: str, path: str, number: int, marker: Path) -> Target:
    if os.major(number) != _LOOP_MAJOR and not is_ramdisk(marker):
        raise InvalidRequestError(
            f"{device} is a real disk and this system is not the deploy ramdisk: {marker} does not exist.",
            hint="Run this task in the ramdisk; elsewhere only regular files and loop devices can be written.",
        )
    dotted = f"{os.major(number)}:{os.minor(number)}"
    if Path("/sys/dev/block", dotted, "partition").exists():
        raise InvalidRequestError(f"{device} is a partition.", hint="Give the path of the whole disk.")
    users = find_users(dotted)
    if users:
        raise InvalidRequestError(
            f"{device} is in use: {'; '.join(users)}.",
            hint="Unmount or stop what uses it (umount, swapoff, mdadm --stop, vgchange -an, kpartx -d); run again.",
        )
    with _open_for_reading(device, path) as handle:
        if is_read_only(handle.fileno()):
            raise InvalidRequestError(
                f"{device} is read-only.", hint="Choose another disk, or take away its write protection."
            )
        size = handle.seek(0, os.SEEK_END)
        return _check_size(Target(device, path, True, size, get_logical_block_size(handle.fileno())))


def _open_for_reading(device: str, path: str) -> io.FileIO:
    try:
        return io.FileIO(path, "r")
    except OSError as exc:
        raise InvalidRequestError(
            f"{device} can't be opened: {exc.strerror}.", hint="Run the task as root; is the medium there?"
        ) from exc


def _check_size(target: Target) -> Target:
    if target.size < target.block_size:
        raise InvalidRequestError(f"{target.device} has no space: {target.size} bytes.", hint="Choose another disk.")
    return target
