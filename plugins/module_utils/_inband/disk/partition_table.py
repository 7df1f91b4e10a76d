"""Reads GPT and MBR partition tables, from a disk or from the first bytes of an image."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import typing as t
import uuid
import zlib
from dataclasses import dataclass

#: Returns up to ``length`` bytes at ``offset``.
Reader = t.Callable[[int, int], bytes]

EFI_SYSTEM = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

MBR_SIZE = 512
#: Bytes of the first sector that hold the program which BIOS firmware starts.
BOOT_CODE_SIZE = 440
_SECTOR_SIZES = (512, 4096)
_MBR_SIGNATURE = b"\x55\xaa"
_MBR_TYPE_GPT = 0xEE
GPT_SIGNATURE = b"EFI PART"
GPT_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")  # UEFI specification 2.10, table 5.5
GPT_ENTRY = struct.Struct("<16s16sQQQ72s")  # the same, table 5.6
_MAX_ENTRIES = 1024


@dataclass(frozen=True)
class Partition:
    """One entry; ``start`` and ``end`` in bytes, ``end`` is the first byte behind it."""

    number: int
    start: int
    end: int
    type: str
    guid: str = ""
    name: str = ""
    attributes: int = 0


@dataclass(frozen=True)
class PartitionTable:
    """What a disk or image says about itself; offsets in bytes, ``last_usable`` is the first byte behind.

    ``guid``: of the disk, for an MBR its signature in hexadecimal digits.
    """

    kind: str
    sector_size: int
    partitions: tuple[Partition, ...]
    first_usable: int = 0
    last_usable: int = 0
    backup_header: int = 0
    guid: str = ""

    @property
    def content_end(self) -> int:
        """Where the last partition ends, in bytes."""
        return max((partition.end for partition in self.partitions), default=0)

    def find_flaw(self) -> str:
        """Return in words why no partitioning tool would take the table; empty where nothing is wrong with it.

        Of an MBR nothing is said: a hybrid one may overlap.
        """
        behind = None
        for partition in sorted(self.partitions if self.kind == "gpt" else (), key=lambda entry: entry.start):
            if partition.end <= partition.start:
                return f"partition {partition.number} ends before it begins"
            if partition.start < self.first_usable:
                return f"partition {partition.number} begins in the partition table itself"
            if behind and partition.start < behind.end:
                return f"partitions {behind.number} and {partition.number} overlap"
            behind = partition
        return ""

    @property
    def extent(self) -> int:
        """The smallest disk that can hold it, in bytes."""
        return max(self.content_end, self.backup_header + self.sector_size if self.backup_header else 0)


def read_table(read: Reader) -> PartitionTable | None:
    """Return the partition table; None where there is no valid one."""
    for sector_size in _SECTOR_SIZES:
        table = read_gpt(read, sector_size, sector_size)
        if table:
            return table
    return _read_mbr(read)


def read_gpt(read: Reader, sector_size: int, offset: int) -> PartitionTable | None:
    """Return the GPT whose header is at ``offset``; None unless both of its checksums are right."""
    raw = read(offset, sector_size)
    if len(raw) < GPT_HEADER.size or not raw.startswith(GPT_SIGNATURE):
        return None
    header = GPT_HEADER.unpack_from(raw)
    size, crc, own, other, first, last = header[2], header[3], header[5], header[6], header[7], header[8]
    entries_at, count, entry_size, entries_crc = header[10:14]
    if not GPT_HEADER.size <= size <= sector_size or own * sector_size != offset:
        return None
    if zlib.crc32(raw[:16] + bytes(4) + raw[20:size]) != crc:
        return None
    if entry_size < 128 or entry_size > sector_size or count > _MAX_ENTRIES:
        return None
    entries = read(entries_at * sector_size, count * entry_size)
    if zlib.crc32(entries) != entries_crc:
        return None
    partitions = tuple(_read_gpt_entries(entries, entry_size, sector_size))
    return PartitionTable(
        "gpt",
        sector_size,
        partitions,
        first * sector_size,
        (last + 1) * sector_size,
        other * sector_size,
        str(uuid.UUID(bytes_le=header[9])),
    )


def has_gpt_remains(read: Reader, size: int) -> bool:
    """Whether a disk of ``size`` bytes looks as if it has a GPT, whatever its checksums say."""
    sector = read(0, MBR_SIZE)
    kinds = [sector[450 + 16 * number] for number in range(4)] if sector[510:] == _MBR_SIGNATURE else []
    places = [place for unit in _SECTOR_SIZES for place in (unit, size - size % unit - unit)]
    return _MBR_TYPE_GPT in kinds or any(read(place, len(GPT_SIGNATURE)) == GPT_SIGNATURE for place in places)


def _read_gpt_entries(entries: bytes, entry_size: int, sector_size: int) -> t.Iterator[Partition]:
    for index in range(len(entries) // entry_size):
        entry = entries[index * entry_size : (index + 1) * entry_size]
        if not any(entry[:16]):
            continue
        kind, guid, first, last, attributes, name = GPT_ENTRY.unpack_from(entry)
        yield Partition(
            number=index + 1,
            start=first * sector_size,
            end=(last + 1) * sector_size,
            type=str(uuid.UUID(bytes_le=kind)),
            guid=str(uuid.UUID(bytes_le=guid)),
            name=name.decode("utf-16-le", "replace").partition("\0")[0],
            attributes=attributes,
        )


def _read_mbr(read: Reader) -> PartitionTable | None:
    """Return the four primary entries; None for what only looks like a boot sector, such as that of FAT."""
    sector = read(0, MBR_SIZE)
    if len(sector) < MBR_SIZE or sector[510:512] != _MBR_SIGNATURE:
        return None
    partitions = []
    for number in range(1, 5):
        status, kind, start, count = struct.unpack_from("<B3xB3xII", sector, 430 + 16 * number)
        if status not in (0x00, 0x80) or kind == _MBR_TYPE_GPT:
            return None
        if kind and start and count:
            partitions.append(Partition(number, start * MBR_SIZE, (start + count) * MBR_SIZE, f"0x{kind:02x}"))
    signature = sector[440:444][::-1].hex()
    guid = signature if any(sector[440:444]) else ""
    return PartitionTable("mbr", MBR_SIZE, tuple(partitions), guid=guid) if partitions else None
