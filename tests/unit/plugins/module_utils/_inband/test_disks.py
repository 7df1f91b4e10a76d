"""Disks from what lsblk prints, and files that stand for disks."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband._disks import (
    describe,
    list_disks,
    parse_lsblk,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband._hardware import read_hardware
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband._tear_down import tear_down_agent


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
