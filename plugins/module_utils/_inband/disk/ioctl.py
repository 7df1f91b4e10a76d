"""The few Linux calls on block devices and files that the standard library lacks."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct

# include/uapi/linux/fs.h; the same numbers on x86, arm64, riscv and s390.
_BLKROGET = 0x125E
_BLKRRPART = 0x125F
_BLKFLSBUF = 0x1261
_BLKSSZGET = 0x1268
_BLKDISCARD = 0x1277
_BLKZEROOUT = 0x127F

# include/uapi/linux/falloc.h
_FALLOC_FL_KEEP_SIZE = 0x01
_FALLOC_FL_PUNCH_HOLE = 0x02

_LIBC = ctypes.CDLL(None, use_errno=True)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS)


def _get_int(fd: int, request: int) -> int:
    answer = bytearray(struct.calcsize("i"))
    fcntl.ioctl(fd, request, answer)
    return int(struct.unpack("i", answer)[0])


def get_logical_block_size(fd: int) -> int:
    """Return the smallest unit that the block device can address, in bytes (BLKSSZGET)."""
    return _get_int(fd, _BLKSSZGET)


def is_read_only(fd: int) -> bool:
    """Whether the kernel refuses writes to the block device (BLKROGET)."""
    return bool(_get_int(fd, _BLKROGET))


def flush_buffers(fd: int) -> None:
    """Write out and forget what the page cache holds of the block device (BLKFLSBUF)."""
    fcntl.ioctl(fd, _BLKFLSBUF, 0)


def reread_partition_table(fd: int) -> None:
    """Make the kernel read the partition table again (BLKRRPART); OSError EBUSY while a partition is open."""
    fcntl.ioctl(fd, _BLKRRPART, 0)


def zero_out(fd: int, offset: int, length: int) -> bool:
    """Have the kernel zero a range of a block device; False where it can't.

    BLKZEROOUT promises zeroes on every device (it writes them where the device has no command for it);
    BLKDISCARD promises nothing and is not used for this.
    """
    try:
        fcntl.ioctl(fd, _BLKZEROOUT, struct.pack("QQ", offset, length))
    except OSError as exc:
        if exc.errno in _UNSUPPORTED:
            return False
        raise
    return True


def discard(fd: int, offset: int, length: int) -> None:
    """Tell a block device that a range is not needed any more (BLKDISCARD); what it reads as then is open.

    The descriptor must hold the device exclusively.
    """
    fcntl.ioctl(fd, _BLKDISCARD, struct.pack("QQ", offset, length))


def punch_hole(fd: int, offset: int, length: int) -> bool:
    """Deallocate a range of a regular file, which then reads as zeroes; False where the file system can't."""
    mode = _FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE
    if _LIBC.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code))
