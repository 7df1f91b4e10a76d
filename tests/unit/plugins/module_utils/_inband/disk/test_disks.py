"""Disks from what lsblk prints, and files that stand for disks."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.tear_down import tear_down_agent
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.disk.disks import (
    describe,
    list_disks,
    parse_lsblk,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware.hardware import read_hardware


def entry(path: str, kind: str = "disk", size: int = 1000, children: list[dict] | None = None) -> dict:  # type: ignore[type-arg]
    found = {"path": path, "type": kind, "size": size, "model": "QEMU  HARDDISK ", "vendor": "ATA     ", "serial": "S1"}
    found.update(wwn="0x5000", rota=True, hctl="0:0:0:0", tran="sata", ro=False, rm="0")
    return {**found, "children": children} if children else found


def test_parse_lsblk() -> None:
    multipath = entry("/dev/mapper/mpatha", "mpath", children=[entry("/dev/mapper/mpatha1", "part")])
    array = entry("/dev/md127", "raid1")
    shown = [
        entry("/dev/sdb", children=[multipath]),
        entry("/dev/sda", children=[entry("/dev/sda1", "part", children=[array])]),
        entry("/dev/sdc", children=[multipath]),
        entry("/dev/sdd", children=[array]),
        entry("/dev/nvme0n1"),
        entry("/dev/sde", size=0),
        entry("/dev/sr0", "rom"),
        entry("/dev/loop0", "loop"),
        *(entry(f"/dev/{name}") for name in ("ram0", "zram0", "fd0", "mmcblk0boot0", "nbd0")),
    ]
    found = parse_lsblk(json.dumps({"blockdevices": shown}))
    assert [disk["path"] for disk in found] == [
        "/dev/mapper/mpatha",
        "/dev/md127",
        "/dev/nvme0n1",
        "/dev/sda",
        "/dev/sdd",
    ]


class SysFs:
    """A sysfs of another machine, which the real lsblk reads."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, path: str, number: str, **files: str) -> Path:
        device = self.root / "sys" / "devices" / path
        for name, content in {"dev": number, "size": "2048000", "ro": "0", "removable": "0", **files}.items():
            file = device / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")
        (device / "holders").mkdir()
        (device / "slaves").mkdir()
        self.link("sys/dev/block", number, device)
        if "partition" not in files:
            self.link("sys/block", device.name, device)
        return device

    def link(self, folder: str, name: str, device: Path) -> None:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / folder / name).symlink_to(os.path.relpath(device, self.root / folder))

    def stack(self, upper: Path, *lower: Path) -> None:
        for device in lower:
            (device / "holders" / upper.name).symlink_to(os.path.relpath(upper, device / "holders"))
            (upper / "slaves" / device.name).symlink_to(os.path.relpath(device, upper / "slaves"))


def test_what_lsblk_says_of_two_paths_and_an_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = SysFs(tmp_path / "machine")
    paths = [machine.add("block/sda", "8:0"), machine.add("block/sdb", "8:16")]
    multipath = machine.add("block/dm-0", "253:0", dm__name="mpatha", dm__uuid="mpath-3600508b1001c8a37")
    part = machine.add("block/dm-1", "253:1", dm__name="mpatha-part1", dm__uuid="part1-mpath-3600508b1001c8a37")
    machine.add("block/sdc", "8:32")
    member = machine.add("block/sdc/sdc1", "8:33", start="2048", partition="1")
    array = machine.add("block/md127", "9:127", md__level="raid1")
    machine.stack(multipath, *paths)
    machine.stack(part, multipath)
    machine.stack(array, member)
    script = tmp_path / "lsblk"
    script.write_text(f'#!/bin/sh\nexec {shutil.which("lsblk")} --sysroot {machine.root} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert [disk["name"] for disk in list_disks()] == ["/dev/mapper/mpatha", "/dev/md127", "/dev/sdc"]


def test_hint_keys() -> None:
    udev = {"ID_WWN": "0x50", "ID_WWN_WITH_EXTENSION": "0x5001", "ID_WWN_VENDOR_EXTENSION": "0x01"}
    assert describe(entry("/dev/sda"), udev, "/dev/disk/by-path/x") == {
        "name": "/dev/sda",
        "by_path": "/dev/disk/by-path/x",
        "size_bytes": 1000,
        "model": "QEMU HARDDISK",
        "vendor": "ATA",
        "serial": "S1",
        "wwn": "0x50",
        "wwn_with_extension": "0x5001",
        "wwn_vendor_extension": "0x01",
        "rotational": True,
        "hctl": "0:0:0:0",
        "tran": "sata",
        "read_only": False,
        "removable": False,
    }


def test_files_stand_for_disks(disk: Path, image: bytes) -> None:
    (found,) = list_disks([str(disk)])
    assert (found["name"], found["size_bytes"], found["read_only"]) == (str(disk), len(image), False)
    with pytest.raises(InvalidRequestError, match="No such file"):
        list_disks(["/nonexistent"])


def test_loop_device_stands_for_a_disk(loop_device: str) -> None:
    (found,) = list_disks([loop_device])
    assert (found["name"], found["size_bytes"]) == (loop_device, 30 * 1024**2)


def test_this_machine() -> None:
    assert all(disk["size_bytes"] for disk in list_disks())
    hardware = read_hardware()
    assert hardware["cpus"] > 0
    assert hardware["memory_mb"] > 0
    assert hardware["ramdisk"] is False


def test_nothing_is_powered_off_outside_of_the_ramdisk(disk: Path) -> None:
    assert tear_down_agent([str(disk)]) == {"changed": False, "powered_off": False, "flushed": [str(disk)]}
    with pytest.raises(InvalidRequestError, match="No such file"):
        tear_down_agent(["/nonexistent"])
