"""Makes both copies of a GPT for a disk (UEFI specification 2.10, section 5.3)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import typing as t
import uuid
import zlib

from ..._errors import InvalidRequestError
from .partition_table import GPT_ENTRY, GPT_HEADER, GPT_SIGNATURE, Partition

_REVISION = 0x00010000
_ENTRIES = 128
_FIRST_ENTRY_LBA = 2
_PROTECTIVE = struct.Struct("<446xB3sB3sII48xH")  # UEFI specification 2.10, table 5.4


class Ends(t.NamedTuple):
    """What both ends of a disk have to hold: ``tail`` goes to the byte ``tail_at``."""

    head: bytes
    tail: bytes
    tail_at: int


def make_empty_head(size: int, sector_size: int) -> bytes:
    """Return the head of a disk of ``size`` bytes: no boot code, a GPT without partitions."""
    sectors = size // sector_size
    mbr = _PROTECTIVE.pack(0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF), 0xAA55)
    entries = bytes(_ENTRIES * GPT_ENTRY.size)
    first_usable = _FIRST_ENTRY_LBA + _count_sectors(entries, sector_size)
    header = GPT_HEADER.pack(
        *(GPT_SIGNATURE, _REVISION, GPT_HEADER.size, 0, 0, 1, sectors - 1, first_usable, sectors - 1),
        *(uuid.uuid4().bytes_le, _FIRST_ENTRY_LBA, _ENTRIES, GPT_ENTRY.size, 0),
    )
    return mbr.ljust(sector_size, b"\0") + header.ljust(sector_size, b"\0") + entries


def add_partitions(head: bytes, partitions: t.Sequence[Partition], *, size: int, sector_size: int) -> Ends:
    """Add partitions to the GPT in ``head`` and fit it to a disk of ``size`` bytes.

    A partition keeps its number where the head's GPT does not use it.
    :raises InvalidRequestError: no free entry, or a partition reaches into the place of the backup GPT.
    """
    fields = list(GPT_HEADER.unpack_from(head, sector_size))
    rest = head[sector_size + GPT_HEADER.size : 2 * sector_size]
    entries_at, count, entry_size = fields[10:13]
    entries = bytearray(head[entries_at * sector_size :][: count * entry_size])
    last = size // sector_size - 1
    backup_at = last - _count_sectors(entries, sector_size)
    for partition in partitions:
        _check_end(partition, backup_at * sector_size)
        at = _find_slot(entries, entry_size, partition) * entry_size
        entries[at : at + GPT_ENTRY.size] = _pack(partition, sector_size)
    fields[8] = backup_at - 1

    def make_header(own: int, other: int, own_entries: int) -> bytes:
        fields[5], fields[6], fields[10] = own, other, own_entries
        return _add_checksums(fields, entries, rest)

    new = bytearray(head)
    new[sector_size : 2 * sector_size] = make_header(1, last, entries_at)
    new[entries_at * sector_size : entries_at * sector_size + len(entries)] = entries
    tail = bytes(entries) + bytes(-len(entries) % sector_size) + make_header(last, 1, backup_at)
    return Ends(bytes(new), tail, backup_at * sector_size)


def _check_end(partition: Partition, limit: int) -> None:
    if partition.end > limit:
        raise InvalidRequestError(
            f"The partition {partition.name} ends at byte {partition.end}, the backup GPT needs all from byte {limit}.",
            hint="Use an image whose GPT has 128 entries, as is usual, or move the end of the partition.",
        )


def _add_checksums(fields: list[t.Any], entries: bytes | bytearray, rest: bytes) -> bytes:
    fields[3], fields[13] = 0, zlib.crc32(entries)
    fields[3] = zlib.crc32((GPT_HEADER.pack(*fields) + rest)[: fields[2]])
    return GPT_HEADER.pack(*fields) + rest


def _find_slot(entries: bytearray, entry_size: int, partition: Partition) -> int:
    free = [index for index in range(len(entries) // entry_size) if not any(entries[index * entry_size :][:16])]
    if not free:
        raise InvalidRequestError(
            f"The image's GPT has no free entry for the partition {partition.name}.",
            hint="Use an image whose GPT has room for 128 partitions, as is usual.",
        )
    return partition.number - 1 if partition.number - 1 in free else free[0]


def _pack(partition: Partition, sector_size: int) -> bytes:
    return GPT_ENTRY.pack(
        uuid.UUID(partition.type).bytes_le,
        uuid.UUID(partition.guid).bytes_le,
        partition.start // sector_size,
        partition.end // sector_size - 1,
        partition.attributes,
        partition.name.encode("utf-16-le"),
    )


def _count_sectors(entries: bytes | bytearray, sector_size: int) -> int:
    return -(-len(entries) // sector_size)
