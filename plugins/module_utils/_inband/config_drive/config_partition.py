"""Finds or makes the partition of the config drive, in a GPT or an MBR."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import typing as t

from ..._errors import StepError
from ..disk.disk import Disk
from ..disk.partition_table import MBR_SIZE, Partition, PartitionTable
from ..write.finish import can_edit_gpt, edit_gpt
from .config_content import LABEL, read_label

_MIB = 1024 * 1024
_MBR_ENTRIES = 446
_MBR_TYPE_LINUX = 0x83
_MBR_CHS_UNUSED = b"\xfe\xff\xff"
_MBR_MAX_SECTORS = 2**32


class Place(t.NamedTuple):
    """Where the config drive is or will be, in bytes; ``replaces``: a partition that is too small."""

    number: int
    start: int
    size: int
    is_new: bool
    replaces: int = 0


def find_place(disk: Disk, table: PartitionTable, size: int) -> Place:
    """Return the config drive's partition, or the end of the last free place of the disk; changes nothing.

    :raises StepError: not enough room behind or between the partitions.
    """
    existing = _find_existing(disk, table)
    if existing and existing.end - existing.start >= size:
        return Place(existing.number, existing.start, existing.end - existing.start, is_new=False)
    others = [partition for partition in table.partitions if partition is not existing]
    limit = _get_limit(disk, table)
    ends = sorted([table.first_usable or _MIB, *(partition.end for partition in others)], reverse=True)
    for used in ends:
        start = (limit - size) // _MIB * _MIB
        if start >= used:
            return Place(0, start, size, is_new=True, replaces=existing.number if existing else 0)
        limit = min([limit, *(partition.start for partition in others if partition.end == used)])
    raise StepError(
        f"{disk.target.device} has {max(0, _get_limit(disk, table) - ends[0])} bytes free behind its last partition, "
        f"and no place before it for the config drive: it needs {size} bytes, aligned to 1 MiB.",
        hint="Use an image whose last partition leaves room: it can grow when the instance boots.",
    )


def _get_limit(disk: Disk, table: PartitionTable) -> int:
    """Return the first byte behind what a partition may use."""
    if table.kind == "mbr":
        return min(disk.target.size, _MBR_MAX_SECTORS * MBR_SIZE)
    # A GPT that was not yet fitted to the disk: its backup needs the same room at the new end.
    backup = max(0, table.backup_header + table.sector_size - table.last_usable)
    return disk.target.size - disk.target.size % table.sector_size - backup


def _find_existing(disk: Disk, table: PartitionTable) -> Partition | None:
    if table.kind == "gpt":
        return next((partition for partition in table.partitions if partition.name == LABEL), None)
    # An MBR has no names: the label of the file system tells.
    for partition in table.partitions:
        if partition.end <= disk.target.size and _read_label(disk, partition).lower() == LABEL:
            return partition
    return None


def _read_label(disk: Disk, partition: Partition) -> str:
    return read_label(bytes(disk.read(partition.start, min(_MIB, partition.end - partition.start))))


def create_partition(disk: Disk, table: PartitionTable, place: Place) -> None:
    """Enter the place in the partition table.

    :raises StepError: no free entry, or the tool failed.
    """
    if table.kind == "mbr":
        _create_mbr_entry(disk, place)
        return
    if not can_edit_gpt(disk, table):
        raise StepError(
            f"The GPT on {disk.target.device} has sectors of {table.sector_size} bytes, the disk has "
            f"{disk.target.block_size}.",
            hint="Use an image that is made for this sector size.",
        )
    first = place.start // table.sector_size
    last = (place.start + place.size) // table.sector_size - 1
    delete = [f"--delete={place.replaces}"] if place.replaces else []
    edit_gpt(disk, *delete, f"--new=0:{first}:{last}", f"--change-name=0:{LABEL}", "--typecode=0:8300")


def _create_mbr_entry(disk: Disk, place: Place) -> None:
    if disk.target.block_size != MBR_SIZE:
        raise StepError(
            f"{disk.target.device} has an MBR and sectors of {disk.target.block_size} bytes.",
            hint="Use an image with a GPT.",
        )
    sector = bytearray(disk.read(0, MBR_SIZE))
    free = [number for number in range(1, 5) if not sector[_get_entry(number) + 4]]
    number = place.replaces or next(iter(free), 0)
    if not number:
        raise StepError(
            f"All four primary partitions of {disk.target.device} are used.", hint="Use an image with a GPT."
        )
    entry = struct.pack(
        "<B3sB3sII",
        0,
        _MBR_CHS_UNUSED,
        _MBR_TYPE_LINUX,
        _MBR_CHS_UNUSED,
        place.start // MBR_SIZE,
        place.size // MBR_SIZE,
    )
    sector[_get_entry(number) : _get_entry(number) + 16] = entry
    disk.write(0, bytes(sector))


def _get_entry(number: int) -> int:
    return _MBR_ENTRIES + 16 * (number - 1)
