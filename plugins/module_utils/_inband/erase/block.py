"""Erases what is addressable on a disk: discard with zeroes by the device itself, or zeroes that are written."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..._errors import StepError
from ..disk.disk import BLOCK, open_disk
from ..disk.ioctl import discard
from ..write.target import Target
from .progress import Tell, say_nothing

_ZEROES = bytes(BLOCK)
_SLICE = 1024 * 1024 * 1024  # one BLKDISCARD can't be interrupted: keep each short


def can_discard(target: Target) -> bool:
    """Whether the device can deallocate, and zero a range without being sent the zeroes."""
    if not target.is_block:
        return False
    number = os.stat(target.path).st_rdev
    queue = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/queue")
    limits = [queue / "discard_max_bytes", queue / "write_zeroes_max_bytes"]
    return all(path.exists() and int(path.read_text(encoding="ascii")) > 0 for path in limits)


def discard_and_zero(target: Target, tell: Tell = say_nothing) -> None:
    """Deallocate the whole disk, then have it zeroed.

    A discard is only a hint: the device may ignore parts of it, or return old data. So what counts is the
    second half, BLKZEROOUT (``blkdiscard --zeroout``), which promises zeroes at all addresses.
    :raises StepError: the device refused.
    """
    _discard(target)
    with open_disk(target) as disk:
        for offset in range(0, target.size, _SLICE):
            disk.zero(offset, min(_SLICE, target.size - offset))
            tell(100 * offset / target.size)
        disk.flush()


def _discard(target: Target) -> None:
    try:
        # The kernel wants a descriptor that holds the device exclusively.
        fd = os.open(target.path, os.O_RDWR | os.O_CLOEXEC | os.O_EXCL)
        try:
            for offset in range(0, target.size, _SLICE):
                discard(fd, offset, min(_SLICE, target.size - offset))
        finally:
            os.close(fd)
    except OSError as exc:
        raise StepError(
            f"Discarding {target.device} failed: {exc.strerror}.",
            hint="Stop what uses the disk." if exc.errno == errno.EBUSY else "Look at dmesg in the ramdisk.",
        ) from exc


def overwrite(target: Target, tell: Tell = say_nothing) -> None:
    """Write zeroes to all of the disk, past the page cache, in one pass.

    :raises StepError: the disk refused a write, naming the offset.
    """
    with open_disk(target) as disk:
        for offset in range(0, target.size, BLOCK):
            disk.write(offset, _ZEROES[: target.size - offset])
            tell(100 * offset / target.size)
        disk.flush()
