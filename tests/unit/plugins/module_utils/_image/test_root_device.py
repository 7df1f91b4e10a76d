"""The choice of the root disk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError, RootDeviceError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._image import root_device

GIB = root_device.GIB
SSD = {
    "name": "/dev/sda",
    "size_bytes": 480 * GIB,
    "model": "SAMSUNG MZ7LH480",
    "vendor": "ATA",
    "serial": "S45NNA0M",
    "wwn": "0x5002538e40a1b2c3",
    "rotational": False,
    "hctl": "0:0:0:0",
    "tran": "sata",
    "by_path": "/dev/disk/by-path/pci-0000:00:17.0-ata-1",
}
HDD = {
    "name": "/dev/sdb",
    "size_bytes": 4000 * GIB,
    "model": "ST4000NM",
    "serial": "ZC1",
    "rotational": True,
    "tran": "sata",
}
NVME = {"name": "/dev/nvme0n1", "size_bytes": 960 * GIB, "model": "Micron 7450", "serial": "222", "tran": "nvme"}
DISKS = [SSD, HDD, NVME]

FITS = [
    ({"serial": "s45nna0m"}, "/dev/sda"),
    ({"wwn": "0x5002538e40a1b2c3"}, "/dev/sda"),
    ({"model": "s== samsung mz7lh480"}, "/dev/sda"),
    ({"model": "SAMSUNG MZ7LH480"}, "/dev/sda"),
    ({"model": "<in> micron"}, "/dev/nvme0n1"),
    ({"name": "<or> /dev/vda <or> /dev/sdb"}, "/dev/sdb"),
    ({"size": 960}, "/dev/nvme0n1"),
    ({"size": "= 1000"}, "/dev/sdb"),
    ({"size": "< 500"}, "/dev/sda"),
    ({"size": "<range-in> [ 500 1000 ]"}, "/dev/nvme0n1"),
    ({"size": "!= 480", "tran": "sata"}, "/dev/sdb"),
    ({"rotational": True}, "/dev/sdb"),
    ({"rotational": "false", "tran": "sata"}, "/dev/sda"),
    ({"hctl": "0:0:0:0"}, "/dev/sda"),
    ({"by_path": "/dev/disk/by-path/pci-0000:00:17.0-ata-1"}, "/dev/sda"),
]


@pytest.mark.parametrize(("hints", "expected"), FITS)
def test_one_disk_fits(hints: dict[str, t.Any], expected: str) -> None:
    assert root_device.choose(DISKS, hints, "node01")["name"] == expected


@pytest.mark.parametrize(
    ("disks", "hints", "expected"),
    [
        (DISKS, {}, "3 disks are there and no hints are given"),
        (DISKS, {"tran": "sata"}, "2 disks fit the hints"),
        (DISKS, {"serial": "nope"}, "No disk fits"),
        ([{**SSD, "read_only": True}], {}, "No disk fits"),
        ([], {}, "Disks: none"),
    ],
)
def test_doubt_is_an_error_that_lists_the_disks(
    disks: list[dict[str, t.Any]], hints: dict[str, t.Any], expected: str
) -> None:
    with pytest.raises(RootDeviceError) as caught:
        root_device.choose(disks, hints, "node01")
    message = caught.value.to_result()["msg"]
    assert expected in message
    assert all(disk["name"] in message for disk in disks if not disk.get("read_only") and "tran" not in hints)


def test_the_only_disk_needs_no_hints() -> None:
    assert root_device.choose([NVME], {}, "node01") is NVME


def test_a_hint_that_makes_no_sense_is_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"bm_root_device\.size 'large'"):
        root_device.choose(DISKS, {"size": "large"}, "node01")


def member(name: str, *arrays: str, **keys: t.Any) -> dict[str, t.Any]:
    return {"name": name, "size_bytes": 480 * GIB, "serial": name[-1], "member_of": list(arrays), "paths": [], **keys}


SDA, SDB = member("/dev/sda", "/dev/md127"), member("/dev/sdb", "/dev/md127")
MD = member("/dev/md127", serial="c0de:1")
FIRMWARE = member("/dev/sda", "firmware RAID (isw_raid_member)")
SPARE = member("/dev/sdc")
PATHS = [
    {
        "name": f"/dev/sd{letter}",
        "serial": "SHORT",
        "wwn": "0x6005",
        "hctl": hctl,
        "by_path": f"/dev/disk/by-path/{hctl}",
    }
    for letter, hctl in (("x", "1:0:0:0"), ("y", "2:0:0:0"))
]
TWINS = [{**path, "size_bytes": 480 * GIB, "model": "VOL"} for path in PATHS]
MAP = {
    **member("/dev/mapper/mpatha"),
    "model": "VOL",
    "serial": "LONG",
    "wwn": "0x60051234",
    "hctl": None,
    "paths": TWINS,
}
MEMBERS, PATHS_OF_ONE, SEVERAL = (
    "Only parts of arrays",
    "paths of one disk: let multipathd run",
    "best by serial or wwn",
)

STACKED = [
    ("the array beside its members", [SDA, SDB, MD], {}, "/dev/md127"),
    ("by size", [SDA, SDB, MD], {"size": ">= 400"}, "/dev/md127"),
    ("by the array's UUID", [SDA, SDB, MD], {"serial": "c0de:1"}, "/dev/md127"),
    ("a disk beside the array", [SDA, SDB, MD, SPARE], {"name": "<or> /dev/sda <or> /dev/sdc"}, "/dev/sdc"),
    ("array or disk", [SDA, SDB, MD, SPARE], {}, "2 disks are there"),
    ("a member by serial", [SDA, SDB, MD], {"serial": "a"}, MEMBERS),
    ("a member by name", [SDA, SDB, MD], {"name": "/dev/sdb"}, "part of /dev/md127"),
    ("an array that does not run", [SDA], {}, "mdadm --stop"),
    ("firmware RAID that does not run", [FIRMWARE], {}, "part of firmware RAID (isw_raid_member)"),
    ("firmware RAID, by serial", [FIRMWARE, SPARE], {"serial": "a"}, "clean the node"),
    ("another than firmware RAID", [FIRMWARE, SPARE], {"size": 480}, "/dev/sdc"),
    ("a map needs no hints", [MAP], {}, "/dev/mapper/mpatha"),
    ("a map by its own serial", [MAP, SPARE], {"serial": "long"}, "/dev/mapper/mpatha"),
    ("a map by its own WWN", [MAP, SPARE], {"wwn": "0x60051234"}, "/dev/mapper/mpatha"),
    ("a map by its paths' serial", [MAP, SPARE], {"serial": "short", "model": "vol"}, "/dev/mapper/mpatha"),
    ("a map by a path's place", [MAP, SPARE], {"hctl": "2:0:0:0"}, "/dev/mapper/mpatha"),
    ("a map by a path's name", [MAP, SPARE], {"name": "/dev/sdx", "hctl": "1:0:0:0"}, "/dev/mapper/mpatha"),
    ("hints that two paths share out", [MAP, SPARE], {"name": "/dev/sdx", "hctl": "2:0:0:0"}, "No disk fits"),
    ("two paths without multipathd", TWINS, {}, PATHS_OF_ONE),
    ("two paths by WWN", [*TWINS, SPARE], {"wwn": "0x6005"}, PATHS_OF_ONE),
    ("one path by its place", TWINS, {"by_path": "/dev/disk/by-path/2:0:0:0"}, "/dev/sdy"),
    ("two disks", [SPARE, member("/dev/sdd")], {}, SEVERAL),
]


@pytest.mark.parametrize(("disks", "hints", "expected"), [pytest.param(*row[1:], id=row[0]) for row in STACKED])
def test_what_is_stacked_on_disks(disks: list[dict[str, t.Any]], hints: dict[str, t.Any], expected: str) -> None:
    try:
        found = root_device.choose(disks, hints, "node01")["name"]
    except RootDeviceError as exc:
        found = f"{exc.message} {exc.hint}"
    assert expected == found or (not expected.startswith("/dev") and expected in found)
