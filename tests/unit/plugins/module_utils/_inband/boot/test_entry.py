"""Boot entries: what efibootmgr prints, what is planned, and a firmware that is a script."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError, StepError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.boot.efibootmgr import Plan, parse, plan
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.boot.entry import ensure_boot_entry
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.boot.esp import choose_from_csv, decode_csv

NEW = "11111111-2222-3333-4444-555555555555"
OLD = "99999999-2222-3333-4444-555555555555"
LOADER = "\\EFI\\BOOT\\BOOTX64.EFI"

VERSION_17 = f"""\
BootCurrent: 0001
Timeout: 0 seconds
BootOrder: 0001,0000,0003,0004
Boot0000* UiApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331)
Boot0001* UEFI QEMU DVD-ROM QM00001 \tPciRoot(0x0)/Pci(0x1f,0x2)/Sata(0,65535,0)N.....YM....R,Y.
Boot0003* baremetal\tHD(1,GPT,{OLD},0x800,0x100000)/File(\\EFI\\BOOT\\BOOTX64.EFI)
Boot0004  debian\tHD(15,GPT,{NEW.upper()},0x800,0x3e000)/File(\\EFI\\debian\\shimx64.efi)
MirroredPercentageAbove4G: 0.00
"""
VERSION_18 = f"""\
BootCurrent: 0000
Timeout: 3 seconds
BootOrder: 0000,000A
Boot0000* baremetal\tHD(1,GPT,{NEW},0x800,0x100000)/\\EFI\\BOOT\\BOOTX64.EFI
      dp: 04 01 2a 00 01 00 00 00 / 7f ff 04 00
Boot000A* Fedora Linux\tHD(1,GPT,{OLD},0x800,0x12c000)/\\EFI\\fedora\\shimx64.efi 5c 00
    data: 5c 00
"""

MISSING = VERSION_18.replace("BootOrder: 0000,000A", "BootOrder: 000A,2004,0000")
"""Its order names an entry that is gone: firmware leaves such, and efibootmgr refuses to write one."""


def test_parse_version_17() -> None:
    found = parse(VERSION_17)
    assert found.order == ("0001", "0000", "0003", "0004")
    assert [(entry.number, entry.label, entry.active) for entry in found.entries] == [
        ("0000", "UiApp", True),
        ("0001", "UEFI QEMU DVD-ROM QM00001", True),
        ("0003", "baremetal", True),
        ("0004", "debian", False),
    ]
    assert [entry.partition_guid for entry in found.entries] == ["", "", OLD, NEW]
    assert [entry.loader for entry in found.entries] == ["", "", LOADER, "\\EFI\\debian\\shimx64.efi"]


def test_parse_version_18() -> None:
    found = parse(VERSION_18)
    assert found.order == ("0000", "000A")
    assert [(entry.partition_guid, entry.loader) for entry in found.entries] == [
        (NEW, LOADER),
        (OLD, "\\EFI\\fedora\\shimx64.efi"),
    ]


@pytest.mark.parametrize(
    ("shown", "guid", "loader", "expected"),
    [
        (VERSION_17, NEW, LOADER, Plan("", ("0003",), False, None)),
        (VERSION_17, OLD, LOADER, Plan("0003", (), False, ("0003", "0001", "0000", "0004"))),
        (VERSION_17, NEW, "\\efi\\debian\\SHIMX64.EFI", Plan("0004", ("0003",), True, ("0004", "0001", "0000"))),
        (VERSION_18, NEW, LOADER, Plan("0000", (), False, None)),
        ("BootCurrent: 0000\n", NEW, LOADER, Plan("", (), False, None)),
        (MISSING, NEW, LOADER, Plan("0000", (), False, ("0000", "000A"))),
        (MISSING, OLD, "\\EFI\\fedora\\shimx64.efi", Plan("000A", ("0000",), False, None)),
    ],
    ids=["new-disk", "not-first", "made-by-the-system", "nothing-to-do", "empty-firmware", "missing", "missing, first"],
)
def test_plan(shown: str, guid: str, loader: str, expected: Plan) -> None:
    assert plan(parse(shown), "baremetal", guid, loader) == expected
    assert expected.changed == (expected != Plan("0000", (), False, None))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-8"])
def test_csv(encoding: str) -> None:
    text = decode_csv(
        "absent.efi,x,,y\r\nshimx64.efi,debian,--a b,This is the boot entry for debian\r\n".encode(encoding)
    )
    loader = choose_from_csv(text, "/EFI/debian", ["/EFI/debian/SHIMX64.EFI", "/EFI/BOOT/BOOTX64.EFI"])
    assert loader
    assert (loader.path, loader.options) == ("\\EFI\\debian\\SHIMX64.EFI", "--a b")


FIRMWARE = f'''#!{sys.executable}
"""Stands for efibootmgr: its entries are lines in a file."""
import pathlib, sys
state, log = (pathlib.Path(__file__).with_name(name) for name in ("entries", "log"))
lines = state.read_text().splitlines()
order, entries = lines[0].split(","), dict(line.split(" ", 1) for line in lines[1:])
argv = [arg for arg in sys.argv[1:] if arg != "-q"]
with log.open("a") as file:
    print(*argv, file=file)
if argv == ["-v"]:
    print("BootOrder: " + ",".join(order))
    for number, rest in entries.items():
        print(f"Boot{{number}}* " + rest.replace("|", chr(9)))
elif argv[0] == "-c":
    options = dict(zip(argv[1::2], argv[2::2]))
    guid = pathlib.Path(__file__).with_name("guid").read_text()
    entries["0009"] = options["-L"] + f"|HD({{options['-p']}},GPT,{{guid}},0x800,0x1000)/File(" + options["-l"] + ")"
    order.insert(0, "0009")
elif argv[0] == "-o":
    order = argv[1].split(",")
elif argv[2] == "-B":
    del entries[argv[1]]
    order = [number for number in order if number != argv[1]]
state.write_text("\\n".join([",".join(order)] + [f"{{n}} {{e}}" for n, e in entries.items()]))
'''


class Firmware:
    """The script, and what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "efibootmgr").write_text(FIRMWARE)
        (folder / "efibootmgr").chmod(0o755)
        (folder / "entries").write_text(
            f"0001,0003\n0001 DVD|Sata(0)\n0003 baremetal|HD(1,GPT,{OLD},1,1)/File({LOADER})"
        )
        self.efivars = folder / "efivars"
        self.efivars.mkdir()
        (self.efivars / "Boot0001").touch()
        self.marker = folder / "marker"
        self.marker.touch()

    def ensure(self, disk: Path, **options: t.Any) -> dict[str, t.Any]:
        return ensure_boot_entry(str(disk), "uefi", marker=self.marker, efivars=self.efivars, **options)

    def take_writes(self) -> list[str]:
        lines = (self.folder / "log").read_text().splitlines()
        (self.folder / "log").unlink()
        return [line for line in lines if line != "-v"]


@pytest.fixture
def firmware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Firmware:
    made = Firmware(tmp_path / "firmware")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    return made


@pytest.fixture
def esp_disk(tmp_path: Path, image: bytes) -> Path:
    """The image with a FAT file system in its ESP, holding the removable loader."""
    if shutil.which("mformat") is None:
        pytest.fail("needs mtools: run lab/setup.sh test")
    path = tmp_path / "esp-disk"
    path.write_bytes(image)
    esp = f"{path}@@1048576"
    subprocess.run(["mformat", "-i", esp, "-T", str(4 * 2048), "-h", "16", "-s", "32", "::"], check=True)
    add_file(path, "/EFI/BOOT/BOOTX64.EFI", b"loader")
    return path


def add_file(disk: Path, name: str, content: bytes) -> None:
    esp = f"{disk}@@1048576"
    for folder in Path(name).parents[-2::-1]:
        subprocess.run(["mmd", "-D", "s", "-i", esp, f"::{folder}"], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", esp, "-", f"::{name}"], input=content, check=True)


@pytest.fixture(autouse=True)
def x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_entry_is_made_once(esp_disk: Path, firmware: Firmware) -> None:
    found = ensure_boot_entry(str(esp_disk), "uefi", marker=firmware.folder / "absent")
    assert (found["loader"], found["partition"], found["nvram"], found["changed"]) == (LOADER, 1, False, False)
    (firmware.folder / "guid").write_text(found["partition_guid"])

    assert firmware.ensure(esp_disk, check_mode=True)["changed"]
    assert firmware.take_writes() == []

    result = firmware.ensure(esp_disk)
    assert result["changed"]
    assert result["nvram"]
    assert result["deleted"] == ["0003"]
    assert result["boot_order"] == ["0009", "0001"]
    assert firmware.take_writes() == ["-b 0003 -B", f"-c -d {esp_disk} -p 1 -L baremetal -l {LOADER}"]

    assert not firmware.ensure(esp_disk)["changed"]
    assert firmware.take_writes() == []


def test_distribution_tells_its_loader(esp_disk: Path, firmware: Firmware) -> None:
    add_file(esp_disk, "/EFI/debian/shimx64.efi", b"shim")
    add_file(esp_disk, "/EFI/debian/BOOTX64.CSV", "shimx64.efi,debian,,Debian\n".encode("utf-16-le"))
    found = ensure_boot_entry(str(esp_disk), "uefi", marker=firmware.folder / "absent")
    assert found["loader"].lower() == "\\efi\\debian\\shimx64.efi"


def test_bios_needs_boot_code(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1024))
    with pytest.raises(StepError, match="no boot code in its first sector"):
        ensure_boot_entry(str(disk), "bios")
    with disk.open("r+b") as file:
        file.write(b"\x33\xc0")
    assert ensure_boot_entry(str(disk), "bios")["changed"] is False
    with pytest.raises(InvalidRequestError, match="can't be used"):
        ensure_boot_entry(f"{disk}.absent", "bios")


def program(*, signed: bool) -> bytes:
    """Return the header of an EFI program (PE32+), as far as signatures go."""
    optional = bytearray(240)
    struct.pack_into("<H", optional, 0, 0x20B)
    struct.pack_into("<H", optional, 68, 10)
    struct.pack_into("<II", optional, 144, *((4096, 1500) if signed else (0, 0)))
    return b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(20) + bytes(optional)


@pytest.mark.parametrize(
    ("files", "unsigned"),
    [
        ({"/EFI/BOOT/BOOTX64.EFI": True}, None),
        ({"/EFI/BOOT/BOOTX64.EFI": False}, "BOOTX64.EFI"),
        ({"/EFI/BOOT/BOOTX64.EFI": True, "/EFI/BOOT/grubx64.efi": True}, None),
        ({"/EFI/BOOT/BOOTX64.EFI": True, "/EFI/BOOT/grubx64.efi": False}, "grubx64.efi"),
    ],
)
@pytest.mark.parametrize("secure_boot", [True, False])
def test_secure_boot_refuses_what_is_not_signed(
    esp_disk: Path, firmware: Firmware, files: dict[str, bool], unsigned: str | None, secure_boot: bool
) -> None:
    variable = firmware.efivars / "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    variable.write_bytes(b"\x06\0\0\0" + bytes([secure_boot]))
    for name, signed in files.items():
        subprocess.run(["mdel", "-i", f"{esp_disk}@@1048576", f"::{name}"], check=False, stderr=subprocess.DEVNULL)
        add_file(esp_disk, name, program(signed=signed))
    (firmware.folder / "guid").write_text(NEW)
    if unsigned and secure_boot:
        with pytest.raises(StepError, match=rf"(?i){unsigned} is not signed"):
            firmware.ensure(esp_disk)
        assert not (firmware.folder / "log").exists(), "the firmware was not even asked"
    else:
        assert firmware.ensure(esp_disk, check_mode=True)["loader"].upper() == LOADER


def test_ramdisk_in_bios_mode(esp_disk: Path, firmware: Firmware, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="booted in BIOS mode"):
        ensure_boot_entry(str(esp_disk), "uefi", marker=firmware.marker, efivars=tmp_path / "absent")


def test_no_boot_loader(disk: Path, image: bytes) -> None:
    with pytest.raises(StepError, match="no EFI system partition"):
        ensure_boot_entry(str(disk), "uefi")
    disk.write_bytes(image)
    with pytest.raises(StepError, match="mdir failed"):
        ensure_boot_entry(str(disk), "uefi")
    with pytest.raises(InvalidRequestError, match="No such file"):
        ensure_boot_entry("/nonexistent", "uefi")
