"""The firmware's SMBIOS tables (DMTF DSP0134, version 3.7): how much memory is plugged in; texts that say nothing."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from pathlib import Path

PLACEHOLDER = re.compile(
    r"to be filled by o\.?e\.?m\.?|default string|not (?:specified|available|applicable)|none|n/a|01234567\w*"
    r"|system (?:manufacturer|product name|serial number)|[.0x* -]+",
    re.IGNORECASE,
)
"""What is left in a text by who has not filled it in."""

_HEADER = 4  # type, length, handle (section 6.1.2)
_MEMORY_ARRAY, _MEMORY_DEVICE, _END_OF_TABLE = 16, 17, 127
_OTHER_USES = (4, 5, 6, 7)  # of a memory array (section 7.17.2): video, flash, non-volatile RAM, cache
_PERSISTENT = (4, 5, 6, 7)  # memory technologies (section 7.18.6): NVDIMM-N, -F and -P, Optane


class _UnreadableError(ValueError):
    """The tables do not say how much it is."""


def read_installed_mb(tables: Path) -> int | None:
    """Return the sizes of all memory modules (section 7.18) in MiB; None where the tables do not tell.

    What is damaged, cut off, or leaves out the size of a module, tells nothing: a part of the memory is no answer.
    """
    try:
        return _sum(tables.read_bytes()) // 1024 or None
    except (OSError, _UnreadableError):
        return None


def _sum(tables: bytes) -> int:
    """Return KiB."""
    structures = list(_split(tables))
    uses = {_read(entry, 2, 2): _read(entry, 5, 1) for entry in structures if entry[0] == _MEMORY_ARRAY}
    modules = [entry for entry in structures if entry[0] == _MEMORY_DEVICE]
    return sum(_get_size(entry) for entry in modules if uses.get(_read(entry, 4, 2)) not in _OTHER_USES)


def _split(tables: bytes) -> t.Iterator[bytes]:
    """Yield the formatted area of each structure; strings follow it, and end with two zero bytes (section 6.1.3)."""
    start = 0
    while start < len(tables):
        length = tables[start + 1] if start + 1 < len(tables) else 0
        entry = tables[start : start + length]
        if length < _HEADER or len(entry) < length:
            raise _UnreadableError
        if entry[0] == _END_OF_TABLE:
            return
        yield entry
        end = tables.find(b"\0\0", start + length)
        if end < 0:
            raise _UnreadableError
        start = end + 2


def _get_size(module: bytes) -> int:
    """Return KiB; of a module that keeps its content only what serves as memory."""
    if len(module) >= 0x44 and module[0x28] in _PERSISTENT:
        volatile = _read(module, 0x3C, 8)
        return 0 if volatile == 2**64 - 1 else volatile // 1024
    size = _read(module, 0x0C, 2)
    if size == 0xFFFF:  # there, and of unknown size
        raise _UnreadableError
    if size == 0x7FFF:
        return (_read(module, 0x1C, 4) & 0x7FFFFFFF) * 1024
    return size & 0x7FFF if size & 0x8000 else size * 1024


def _read(entry: bytes, offset: int, length: int) -> int:
    if len(entry) < offset + length:
        raise _UnreadableError
    return int.from_bytes(entry[offset : offset + length], "little")
