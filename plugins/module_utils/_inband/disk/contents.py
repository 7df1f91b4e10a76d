"""What a disk holds, for whoever is about to lose it: partition table, identifiers, file systems and their labels."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
import uuid

from ..._errors import StepError
from .partition_table import Reader, read_gpt, read_table

_SUPERBLOCKS = 72 * 1024  # Btrfs's is the farthest: at 64 KiB

Found = dict[str, t.Any]


class _Kind(t.NamedTuple):
    """Where a superblock has its magic number, label and identifier; 0: none. ``uuid_length``: 16 bytes, or text."""

    name: str
    magic_at: int
    magic: bytes
    label_at: int = 0
    label_length: int = 0
    uuid_at: int = 0
    uuid_length: int = 16


_KINDS = (
    _Kind("crypto_LUKS", 0, b"LUKS\xba\xbe", 24, 48, 168, 40),
    _Kind("LVM2_member", 536, b"LVM2 001"),
    _Kind("linux_raid_member", 4096, b"\xfc\x4e\x2b\xa9", 4128, 32, 4112),
    _Kind("ext", 1080, b"\x53\xef", 1144, 16, 1128),
    _Kind("xfs", 0, b"XFSB", 108, 12, 32),
    _Kind("btrfs", 65600, b"_BHRfS_M", 65835, 256, 65568),
    _Kind("swap", 4086, b"SWAPSPACE2", 1052, 16, 1036),
    _Kind("iso9660", 32769, b"CD001", 32808, 32),
    _Kind("ntfs", 3, b"NTFS    "),
    _Kind("vfat", 82, b"FAT32", 71, 11),
    _Kind("vfat", 54, b"FAT1", 43, 11),
)


def describe_contents(read: Reader, size: int, sector_size: int = 512) -> Found:
    """Return what a disk of ``size`` bytes holds. Reads some KiB of each partition; what can't be read is left out.

    Keys: ``table`` (gpt, mbr or None), ``guid`` (of the table), ``filesystem``, ``label``, ``uuid`` (where there is no
    table), ``partitions`` with ``number``, ``start``, ``size`` (bytes), ``type``, ``name``, ``guid``, ``filesystem``,
    ``label``, ``uuid``.
    """
    read = _leniently(read)
    table = read_table(read) or read_gpt(read, sector_size, size - size % sector_size - sector_size)
    if table is None:
        return {"table": None, "guid": None, "size": size, **_describe_filesystem(read, 0, size), "partitions": []}
    partitions = [
        {
            "number": partition.number,
            "start": partition.start,
            "size": partition.end - partition.start,
            "type": partition.type,
            "name": partition.name or None,
            "guid": partition.guid or None,
            **_describe_filesystem(read, partition.start, min(partition.end, size)),
        }
        for partition in table.partitions
    ]
    return {"table": table.kind, "guid": table.guid or None, "size": size, "partitions": partitions}


def _leniently(read: Reader) -> Reader:
    """Return a reader that has nothing where a disk has bad sectors: they must not keep it from being written."""

    def read_or_nothing(offset: int, length: int) -> bytes:
        try:
            return read(offset, length)
        except (OSError, StepError):
            return b""

    return read_or_nothing


def _describe_filesystem(read: Reader, start: int, end: int) -> Found:
    data = read(start, min(_SUPERBLOCKS, end - start)) if start < end else b""
    for kind in _KINDS:
        if data[kind.magic_at : kind.magic_at + len(kind.magic)] == kind.magic:
            label = _text(data[kind.label_at : kind.label_at + kind.label_length])
            return {"filesystem": kind.name, "label": label, "uuid": _read_uuid(data, kind)}
    return {"filesystem": None, "label": None, "uuid": None}


def _read_uuid(data: bytes, kind: _Kind) -> str | None:
    raw = data[kind.uuid_at : kind.uuid_at + kind.uuid_length] if kind.uuid_at else b""
    if kind.uuid_length != 16:
        return _text(raw)
    return str(uuid.UUID(bytes=bytes(raw))) if len(raw) == 16 and any(raw) else None


def _text(raw: bytes) -> str | None:
    text = raw.partition(b"\0")[0].decode("utf-8", "replace").strip()
    return "".join(character for character in text if character.isprintable()) or None
