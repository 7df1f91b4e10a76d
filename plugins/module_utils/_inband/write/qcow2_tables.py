"""Follows the tables of a qcow2 image: whatever it refers to must lie within the file.

qemu-img reads what is behind the end of a file as zeroes, also when it compares: an image of which the end is missing
would be written with zeroes where data belongs, and found the same. Source: QEMU, docs/interop/qcow2.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import struct
import typing as t
import zlib
from dataclasses import dataclass

from ..._errors import ImageError

_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_SNAPSHOT = struct.Struct(">QIHH4x4x8x4xI")
_SNAPSHOT_SIZE = struct.Struct(">8xQ")  # of its disk, in the extra data
_OFFSET = 0x00FFFFFFFFFFFE00
_COMPRESSED = 1 << 62
_READS_AS_ZERO = 1
_EXTENDED_L2 = 1 << 4
_COMPRESSION_TYPE = 1 << 3
_DIRTY = 1
_SECTOR = 512
_SUBCLUSTERS = 32
#: QEMU's own limits: more is an attack on memory.
_MAX_L1_BYTES = 32 * 1024 * 1024
_MAX_REFCOUNT_BYTES = 8 * 1024 * 1024
_MAX_SNAPSHOTS = 65536
_MAX_SNAPSHOT_BYTES = 1024 * 1024


@dataclass(frozen=True)
class _Level1:
    """One view of the disk: the active one, or a snapshot's; ``disk_size`` in bytes."""

    offset: int
    entries: int
    disk_size: int


def check_tables(fd: int, name: str) -> bool:
    """Check that each table, and each cluster that would be read, lies within the file.

    The header was judged before. Reads tables only, one at a time; each table once.
    :param fd: the whole image, as a file.
    :return: whether it was closed cleanly, so that its reference counts, which nothing here needs, are right.
    :raises ImageError: something is behind the end of the file, or no such table is possible.
    """
    tables = _Tables(fd, name)
    tables.check()
    return not tables.is_dirty


class _Tables:
    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self._name = name
        self._file_size = os.fstat(fd).st_size
        head = os.pread(fd, 104, 0).ljust(104, b"\0")
        fields = _HEADER.unpack_from(head)
        version, self._cluster_bits, size, entries, offset = fields[1], fields[4], fields[5], fields[7], fields[8]
        self._cluster = 1 << self._cluster_bits
        features = int.from_bytes(head[72:80], "big") if version >= 3 else 0
        self._entry_size = 16 if features & _EXTENDED_L2 else 8
        self._is_zstd = bool(features & _COMPRESSION_TYPE)
        self.is_dirty = bool(features & _DIRTY)
        self._active = _Level1(offset, entries, size)
        self._refcounts = fields[9], fields[10]
        self._snapshots = fields[11], fields[12]
        self._seen: set[int] = set()

    def check(self) -> None:
        offset, clusters = self._refcounts
        if not 0 < clusters * self._cluster <= max(_MAX_REFCOUNT_BYTES, self._cluster):
            raise self._damaged(f"a refcount table of {clusters} clusters")
        for block in self._read_table(offset, clusters * self._cluster // 8, "refcount table"):
            self._need(block & _OFFSET, self._cluster if block else 0, "refcount block")
        self._check_level1(self._active)
        for snapshot in self._read_snapshots():
            self._check_level1(snapshot)

    def _read_snapshots(self) -> t.Iterator[_Level1]:
        count, at = self._snapshots
        if count > _MAX_SNAPSHOTS:
            raise self._damaged(f"{count} snapshots")
        for dummy in range(count):
            offset, entries, id_size, name_size, extra = _SNAPSHOT.unpack(self._read(at, _SNAPSHOT.size, "snapshot"))
            if extra > _MAX_SNAPSHOT_BYTES:
                raise self._damaged(f"a snapshot with {extra} bytes of extra data")
            disk_size = self._active.disk_size
            if extra >= _SNAPSHOT_SIZE.size:
                (disk_size,) = _SNAPSHOT_SIZE.unpack(self._read(at + _SNAPSHOT.size, _SNAPSHOT_SIZE.size, "snapshot"))
            yield _Level1(offset, entries, disk_size)
            length = _SNAPSHOT.size + extra + id_size + name_size
            self._need(at, length, "snapshot", unit=8)
            at += length + -length % 8

    def _check_level1(self, level1: _Level1) -> None:
        covered = self._cluster * (self._cluster // self._entry_size)
        wanted = -(-level1.disk_size // covered)
        if level1.entries * 8 > _MAX_L1_BYTES or level1.entries < wanted:
            raise self._damaged(f"an L1 table of {level1.entries} entries for {level1.disk_size} bytes")
        own: set[int] = set()
        for index, entry in enumerate(self._read_table(level1.offset, level1.entries, "L1 table")[:wanted]):
            offset = entry & _OFFSET
            if offset in own:
                raise self._damaged(f"one L2 table twice, at byte {offset}")
            if offset:
                own.add(offset)
                self._check_level2(offset, index * covered, level1.disk_size)
        self._seen |= own

    def _check_level2(self, table: int, start: int, disk_size: int) -> None:
        """Check the clusters of one table; ``start``: where on the disk the first one is."""
        if table in self._seen:  # snapshots share what did not change
            return
        words = self._read_table(table, self._cluster // 8, "L2 table")
        step = self._entry_size // 8
        for index, entry in enumerate(words[::step]):
            if not entry:
                continue
            left = min(self._cluster, disk_size - start - index * self._cluster)
            if left > 0:
                self._check_cluster(entry, words[index * step + 1] if step == 2 else None, left)

    def _check_cluster(self, entry: int, bitmap: int | None, left: int) -> None:
        """Check one cluster; ``left``: how many of its bytes belong to the disk."""
        if entry & _COMPRESSED:
            bits = 62 - (self._cluster_bits - 8)
            offset, sectors = entry & ((1 << bits) - 1), ((entry & (_COMPRESSED - 1)) >> bits) + 1
            length = sectors * _SECTOR - offset % _SECTOR
            if not (0 < offset + length - self._file_size < _SECTOR and self._is_whole(offset)):
                self._need(offset, length, "compressed cluster", unit=1)
            return
        offset = entry & _OFFSET
        if bitmap is not None:
            subclusters = (bitmap & 0xFFFFFFFF).bit_length()
            left = min(left, subclusters * self._cluster // _SUBCLUSTERS)
        elif entry & _READS_AS_ZERO:
            left = 0
        if offset and left:
            self._need(offset, left, "cluster")

    def _is_whole(self, offset: int) -> bool:
        """Say whether a cluster at the end of the file is: its size is told in sectors, the last need not be full."""
        if self._is_zstd:
            return False  # Python can't unpack it here; qemu-img convert fills the sector
        present = os.pread(self._fd, self._file_size - offset, offset)
        try:
            return bool(len(zlib.decompressobj(-12).decompress(present, self._cluster)) == self._cluster)
        except zlib.error:
            return False

    def _read_table(self, offset: int, entries: int, what: str) -> tuple[int, ...]:
        self._need(offset, entries * 8, what)
        return struct.unpack(f">{entries}Q", self._read(offset, entries * 8, what))

    def _read(self, offset: int, length: int, what: str) -> bytes:
        self._need(offset, length, what, unit=8)
        return os.pread(self._fd, length, offset)

    def _need(self, offset: int, length: int, what: str, unit: int = 0) -> None:
        """Check that something of ``length`` bytes, aligned to ``unit`` (to a cluster by default), is in the file."""
        if not length:
            return
        if offset % (unit or self._cluster):
            raise self._damaged(f"a {what} at byte {offset}")
        if offset + length > self._file_size:
            raise ImageError(
                f"The image {self._name} is truncated: it has {self._file_size} bytes, and its {what} ends at byte "
                f"{offset + length}; nothing was written.",
                hint="Publish the image again, with the checksum of the whole file.",
            )

    def _damaged(self, what: str) -> ImageError:
        return ImageError(
            f"The image {self._name} is damaged qcow2: it has {what}; nothing was written.",
            hint="Don't trust this image; build it again: qemu-img convert -O qcow2.",
        )
