"""Reads and writes a disk past the page cache, so that what is read back comes from the disk itself."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import threading
import time
import typing as t

from ..._errors import StepError
from ..write.target import Target
from .ioctl import flush_buffers, punch_hole, reread_partition_table, zero_out

BLOCK = 4 * 1024 * 1024
#: Head and tail of a disk that hold every partition table and boot sector.
SEAL = 1024 * 1024

_ALIGNMENT = 4096  # satisfies O_DIRECT on all disks and file systems in use
_ZEROES = bytes(BLOCK)
_REREAD_ATTEMPTS = 10  # udev may have a partition open for a moment
_REREAD_PAUSE = 0.3
_ZERO_SLICE = 256 * 1024 * 1024  # one BLKZEROOUT can't be interrupted: keep each short


class Disk:
    """An open disk. Writes come from one thread, reads may come from several."""

    def __init__(self, target: Target) -> None:
        self.target = target
        # O_EXCL on a block device: the kernel refuses what is mounted, and a second writer.
        exclusive = os.O_EXCL if target.is_block else 0
        self.direct = True
        self._direct = self._open(os.O_DIRECT | exclusive)
        self._plain = self._open(0)
        self._write_buffer = mmap.mmap(-1, BLOCK)
        self._local = threading.local()

    def _open(self, flags: int) -> int:
        try:
            return os.open(self.target.path, os.O_RDWR | os.O_CLOEXEC | flags)
        except OSError as exc:
            if exc.errno == errno.EINVAL and flags & os.O_DIRECT:  # a file system without O_DIRECT
                self.direct = False
                return self._open(flags & ~os.O_DIRECT)
            raise StepError(
                f"{self.target.device} can't be opened for writing: {exc.strerror}.",
                hint="Stop what uses the disk, then run again." if exc.errno == errno.EBUSY else "Run as root.",
            ) from exc

    def close(self) -> None:
        """Close the disk."""
        os.close(self._direct)
        os.close(self._plain)

    def write(self, offset: int, data: bytes) -> None:
        """Write ``data``; the aligned part goes past the page cache. Blocks until the disk took it.

        :raises StepError: the disk refused, naming the offset.
        """
        with self._naming("Writing", offset):
            for start in range(0, len(data), BLOCK):
                piece = memoryview(data)[start : start + BLOCK]
                aligned = len(piece) - len(piece) % _ALIGNMENT if offset % _ALIGNMENT == 0 else 0
                self._write_aligned(offset + start, piece[:aligned])
                _write_all(self._plain, offset + start + aligned, piece[aligned:])

    def _write_aligned(self, offset: int, data: memoryview) -> None:
        if not data:
            return
        self._write_buffer[: len(data)] = data
        with memoryview(self._write_buffer) as buffer:
            try:
                _write_all(self._direct, offset, buffer[: len(data)])
            except OSError as exc:
                if exc.errno != errno.EINVAL:  # EINVAL: this disk or file system wants another alignment
                    raise
                _write_all(self._plain, offset, data)

    def zero(self, offset: int, length: int) -> None:
        """Make a range read as zeroes, without sending them where the disk or file system can do it itself."""
        with self._naming("Zeroing", offset):
            end = offset + length
            while offset < end:
                size = min(_ZERO_SLICE, end - offset)
                if not self._zero_fast(offset, size):
                    self._zero_slowly(offset, size)
                offset += size

    def _zero_fast(self, offset: int, size: int) -> bool:
        if not self.target.is_block:
            return punch_hole(self._plain, offset, size)
        if offset % self.target.block_size or size % self.target.block_size:
            return False
        # On the descriptor that holds the device exclusively: another one is busy where pages are in the cache.
        return zero_out(self._direct, offset, size)

    def _zero_slowly(self, offset: int, size: int) -> None:
        for start in range(offset, offset + size, BLOCK):
            self.write(start, _ZEROES[: offset + size - start])

    def read(self, offset: int, length: int) -> memoryview:
        """Return what the disk holds; at most BLOCK bytes, valid until this thread's next read.

        :raises StepError: the disk refused, or is shorter.
        """
        buffer: mmap.mmap | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = mmap.mmap(-1, BLOCK)
        view = memoryview(buffer)
        with self._naming("Reading", offset):
            aligned = length + -length % _ALIGNMENT
            try:
                done = os.preadv(self._direct, [view[:aligned]], offset)
            except OSError as exc:
                if exc.errno != errno.EINVAL:
                    raise
                done = 0
            while done < length:
                count = os.preadv(self._plain, [view[done:length]], offset + done)
                if not count:
                    raise OSError(errno.ENODATA, "the disk ends here")
                done += count
        return view[:length]

    def flush(self) -> None:
        """Wait until the disk holds all that was written, and empty the page cache of it."""
        with self._naming("Flushing", 0):
            os.fsync(self._plain)
            os.fsync(self._direct)
            if self.target.is_block:
                flush_buffers(self._plain)
            else:
                os.posix_fadvise(self._plain, 0, 0, os.POSIX_FADV_DONTNEED)

    def seal(self) -> None:
        """Zero the head and the tail of the disk: no firmware boots from what is left. Idempotent."""
        head = min(SEAL, self.target.size)
        tail = min(SEAL, self.target.size - head)
        self.zero(0, head)
        if tail:
            self.zero(self.target.size - tail, tail)
        self.flush()

    def reread_partitions(self) -> bool:
        """Make the kernel see the new partition table; False where something keeps the old partitions open."""
        if not self.target.is_block:
            return True
        for dummy in range(_REREAD_ATTEMPTS):
            try:
                # Only this descriptor may: it holds the device exclusively.
                reread_partition_table(self._direct)
            except OSError as exc:
                if exc.errno == errno.EINVAL:  # a loop device without partitions
                    return True
                time.sleep(_REREAD_PAUSE)
            else:
                return True
        return False

    @contextlib.contextmanager
    def _naming(self, action: str, offset: int) -> t.Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise StepError(
                f"{action} {self.target.device} at byte {offset} failed: {exc.strerror}.",
                hint="The disk may be failing: look at dmesg and smartctl in the ramdisk, or choose another disk.",
            ) from exc


@contextlib.contextmanager
def open_disk(target: Target) -> t.Iterator[Disk]:
    """Open a disk for as long as the block runs."""
    disk = Disk(target)
    try:
        yield disk
    finally:
        disk.close()


def _write_all(fd: int, offset: int, data: memoryview) -> None:
    while data:
        count = os.pwrite(fd, data, offset)
        data = data[count:]
        offset += count
