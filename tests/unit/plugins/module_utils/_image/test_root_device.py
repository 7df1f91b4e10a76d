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
