"""The details of the hardware, from files that are what the kernel shows."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware import hardware as _hardware
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware.numa import read_numa
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware.pci import read_pci

BASICS = {
    "architecture", "boot_mode", "cpus", "deployment", "memory_mb", "nics", "ramdisk", "secure_boot", "system",
}  # fmt: skip
DETAILS = {"bios", "cpu", "numa", "pci"}


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder, and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_pci_functions(tmp_path: Path) -> None:
    first, second = "0000:00:1f.0", "0000:19:00.0"
    write(
        tmp_path,
        {
            f"{second}/vendor": "0x8086\n",
            f"{second}/device": "0x158B\n",
            f"{second}/class": "0x020000\n",
            f"{second}/revision": "0x02\n",
            f"{second}/numa_node": "1\n",
            f"{first}/vendor": "0x8086\n",
            f"{first}/numa_node": "-1\n",
        },
    )
    (tmp_path / second / "driver").symlink_to("../../../bus/pci/drivers/i40e")
    empty = dict.fromkeys(("device_id", "class", "revision", "numa_node", "driver"))
    assert read_pci(tmp_path) == [
        {"address": first, "vendor_id": "8086", **empty},
        {
            "address": second,
            "vendor_id": "8086",
            "device_id": "158b",
            "class": "020000",
            "revision": "02",
            "numa_node": 1,
            "driver": "i40e",
        },
    ]
    assert read_pci(tmp_path / "absent") == []


def test_numa_nodes(tmp_path: Path) -> None:
    files = {"possible": "0-10\n"}
    for number, cpus in ((10, ""), (2, "8-15"), (0, "0-7,16-23")):
        files[f"node{number}/cpulist"] = f"{cpus}\n"
        files[f"node{number}/meminfo"] = f"Node {number} MemTotal:       {1024 * 1024 * (number + 1)} kB\nNode 0 x: 1\n"
    del files["node10/meminfo"]
    assert read_numa(write(tmp_path, files)) == [
        {"node": 0, "cpus": "0-7,16-23", "memory_mb": 1024},
        {"node": 2, "cpus": "8-15", "memory_mb": 3072},
        {"node": 10, "cpus": "", "memory_mb": 0},
    ]
    assert read_numa(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("cpuinfo", "packages", "expected"),
    [
        (
            "processor : 0\nmodel name\t: Xeon  Gold 6230\nprocessor : 1\n",
            "0101",
            {"model": "Xeon Gold 6230", "sockets": 2},
        ),
        ("processor : 0\nmodel name\t: \nflags\t: fpu\n", "00", {"model": None, "sockets": 1}),
        ("processor : 0\nBogoMIPS : 50.00\n", ["-1", "-1"], {"model": None, "sockets": None}),
        ("", "", {"model": None, "sockets": None}),
    ],
)
def test_processors(tmp_path: Path, cpuinfo: str, packages: t.Sequence[str], expected: dict[str, t.Any]) -> None:
    files = {f"cpu/cpu{number}/topology/physical_package_id": f"{item}\n" for number, item in enumerate(packages)}
    write(tmp_path, {**files, "cpuinfo": cpuinfo})
    assert _hardware.read_cpu(tmp_path / "cpuinfo", tmp_path / "cpu") == expected


def test_firmware(tmp_path: Path) -> None:
    dmi = write(tmp_path, {"bios_vendor": "Dell Inc.\n", "bios_version": "2.21.2\n", "bios_date": "\n"})
    assert _hardware.read_bios(dmi) == {"vendor": "Dell Inc.", "version": "2.21.2", "date": None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *((text, True) for text in ("7XK0Z33", "System x3650 M5", "None-1", "0001")),
        *((text, False) for text in ("To be filled by O.E.M.", "System Serial Number", "Not Specified", "0000-00", "")),
        *((text, False) for text in ("Default string", "0123456789", "none", "........")),
    ],
)
def test_what_nobody_has_filled_in_is_not_told(tmp_path: Path, text: str, told: bool) -> None:
    dmi = write(tmp_path, {"sys_vendor": "Supermicro\n", "product_serial": f"{text}\n"})
    found = {"vendor": "Supermicro", "product": None, "serial": text if told else None, "uuid": None}
    assert _hardware.read_system(dmi) == found


def test_details_are_there_when_they_are_asked_for() -> None:
    assert set(_hardware.read_hardware()) == BASICS
    found = _hardware.read_hardware(details=True)
    assert set(found) == BASICS | DETAILS
    assert set(found["cpu"]) == {"model", "sockets"}


def test_only_physical_ports_are_listened_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"eno1/address": "52:54:00:AB:00:01\n", "eno1/device/uevent": "", "lo/address": "0\n"})
    calls: list[t.Any] = []
    monkeypatch.setattr(_hardware, "_NET", tmp_path)
    monkeypatch.setattr(_hardware, "listen", lambda *args, **options: calls.append((args, options)) or ["heard"])
    found = _hardware.read_hardware(lldp_timeout=35)
    assert set(found) == BASICS | {"lldp"}
    assert found["lldp"] == ["heard"]
    assert calls == [((["eno1"], 35), {"raise_links": False})]  # this machine is no ramdisk
