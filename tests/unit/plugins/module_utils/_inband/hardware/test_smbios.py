"""Installed memory: from tables made by hand after DMTF DSP0134."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware import hardware
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware.smbios import read_installed_mb

BIOS = b"\x00\x18\x00\x00" + bytes(20) + b"SeaBIOS\x001.16\x00\x00"
END = b"\x7f\x04\x00\x7f\x00\x00"


def array(use: int = 3, handle: int = 0x1000) -> bytes:
    return struct.pack("<BBHBB", 16, 0x17, handle, 1, use).ljust(0x17, b"\0") + b"\0\0"


def module(size: int, *, length: int = 0x28, extended: int = 0, of: int = 0x1000, **persistent: int) -> bytes:
    entry = bytearray(length)
    struct.pack_into("<BBHH", entry, 0, 17, length, 0x1100, of)
    struct.pack_into("<H", entry, 0x0C, size)
    if length >= 0x20:
        struct.pack_into("<I", entry, 0x1C, extended)
    if persistent:
        entry[0x28] = persistent["technology"]
        struct.pack_into("<QQ", entry, 0x34, persistent["kept"], persistent["volatile"])
    return bytes(entry) + b"DIMM 0\0QEMU\0\0"


TOLD = [
    ("as QEMU has it", BIOS + array() + module(1536) + END, 1536),
    ("two modules, an empty slot", array() + module(16384) + module(0) + module(16384) + END, 32768),
    ("more than 32 GiB each", array() + 2 * module(0x7FFF, extended=0x80000000 | 65536) + END, 131072),
    ("in KiB", array() + 4 * module(0x8000 | 512) + END, 2),
    ("version 2.1, no end", array() + module(512, length=0x15), 512),
    ("no arrays", module(2048) + END, 2048),
    ("firmware's flash", array() + array(5, 0x1001) + module(4096) + module(16, of=0x1001) + END, 4096),
    ("NVDIMM", module(8192) + module(16384, length=0x54, technology=4, kept=2**34, volatile=2**64 - 1) + END, 8192),
    ("Optane as memory", module(0x7FFF, length=0x54, technology=7, kept=0, volatile=2**37) + END, 131072),
    ("behind the end", module(1024) + END + b"\x11\x00garbage", 1024),
]
NOT_TOLD = [
    ("empty", b""),
    ("no memory device", BIOS + END),
    ("all slots empty", module(0) + END),
    ("a size is unknown", module(1024) + module(0xFFFF) + END),
    ("cut in a header", module(1024) + module(1024)[:1]),
    ("cut in a structure", module(1024) + module(1024)[:0x10]),
    ("cut in the strings", module(1024) + module(1024)[:-1]),
    ("a length below the header's", module(1024) + b"\x11\x03" + bytes(8) + END),
    ("too short for a size", module(1024) + b"\x11\x0c" + bytes(12) + END),
    ("too short for an extended size", module(0x7FFF, length=0x15) + END),
]


@pytest.mark.parametrize(
    ("tables", "expected"),
    [pytest.param(tables, expected, id=name) for name, tables, expected in TOLD]
    + [pytest.param(tables, None, id=name) for name, tables in NOT_TOLD],
)
def test_installed_memory(tmp_path: Path, tables: bytes, expected: int | None) -> None:
    (tmp_path / "DMI").write_bytes(tables)
    assert read_installed_mb(tmp_path / "DMI") == expected


@given(junk=st.binary(max_size=80), cut=st.integers(0, 200))
def test_nothing_in_the_tables_raises(tmp_path_factory: pytest.TempPathFactory, junk: bytes, cut: int) -> None:
    path = tmp_path_factory.getbasetemp() / "DMI"
    for tables in (junk, (BIOS + array() + module(1024) + junk + END)[:cut], b"\x11\x28" + junk):
        path.write_bytes(tables)
        read_installed_mb(path)


SOURCES = [
    (module(1536) + END, "8000000", 13, "1500000", 1536),
    (b"broken", "8000000", 13, "1500000", 1664),
    (None, "8000000", 13, "1500000", 1664),
    (None, None, 13, "1572864", 1536),
    (None, "8000000", 0, "1572864", 1536),
    (None, None, 0, None, 0),
]


@pytest.mark.parametrize(("tables", "block", "online", "total", "expected"), SOURCES)
def test_the_first_that_tells_counts(
    tmp_path: Path, tables: bytes | None, block: str | None, online: int, total: str | None, expected: int
) -> None:
    if tables is not None:
        (tmp_path / "DMI").write_bytes(tables)
    if block:
        (tmp_path / "block_size_bytes").write_text(f"{block}\n")
    for number in range(online):
        (tmp_path / f"memory{number}").mkdir()
        (tmp_path / f"memory{number}" / "state").write_text("online\n")
    if total:
        (tmp_path / "meminfo").write_text(f"MemTotal:       {total} kB\n")
    assert hardware.get_memory_mb(tmp_path / "DMI", tmp_path, tmp_path / "meminfo") == expected
