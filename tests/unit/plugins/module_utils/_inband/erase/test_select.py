"""Which disks an erase means, and what is refused before anything is touched."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.select import choose_disks


def disk(name: str, serial: str | None = None, wwn: str | None = None) -> dict[str, t.Any]:
    return {"name": name, "by_path": None, "serial": serial, "wwn": wwn, "wwn_with_extension": None}


DISKS = [
    disk("/dev/sda", "S1", "0x5000A"),
    disk("/dev/sdb", "S2", "0x5000b"),
    disk("/dev/sdc", "TWIN"),
    disk("/dev/sdd", "TWIN"),
    disk("/dev/md127"),
]
PLAIN = ["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"]


@pytest.mark.parametrize(
    ("named", "allow", "skip", "erased"),
    [
        (None, None, [], PLAIN),
        (["/dev/sda"], None, [], ["/dev/sda"]),
        (["S1", "/dev/sda", "0x5000a"], None, [], ["/dev/sda"]),
        (None, ["S1", "0x5000B"], [], ["/dev/sda", "/dev/sdb"]),
        (None, None, ["s1"], PLAIN[1:]),
        (None, ["S1", "S2"], ["S2"], ["/dev/sda"]),
        (["S1"], ["S1", "S2"], ["/dev/sdc"], ["/dev/sda"]),
    ],
)
def test_what_is_erased(named: list[str] | None, allow: list[str] | None, skip: list[str], erased: list[str]) -> None:
    choices = choose_disks(DISKS, named, allow, skip)
    assert [choice.disk["name"] for choice in choices] == [entry["name"] for entry in DISKS]
    assert [choice.disk["name"] for choice in choices if choice.reason is None] == erased


def test_reasons() -> None:
    reasons = [choice.reason for choice in choose_disks(DISKS, ["S1"], ["S1", "S2", "/dev/sdd"], ["/dev/sdd"])]
    assert reasons[:4] == [None, "not named in disks", "it is not in allow", "it is in skip"]
    assert "RAID array" in str(choose_disks(DISKS, None, None, [])[4].reason)


@pytest.mark.parametrize("option", ["disks", "allow", "skip"])
@pytest.mark.parametrize(
    ("entry", "match"),
    [("S9", "'S9' in {} matches no disk"), ("", "'' in {} matches no disk"), ("TWIN", "'TWIN' in {} matches 2 disks")],
)
def test_entries_that_are_not_one_disk(option: str, entry: str, match: str) -> None:
    lists: dict[str, t.Any] = {"disks": None, "allow": None, "skip": [], option: ["S1", entry]}
    with pytest.raises(InvalidRequestError, match=match.format(option)) as caught:
        choose_disks(DISKS, lists["disks"], lists["allow"], lists["skip"])
    assert "/dev/sda serial S1 wwn 0x5000A; /dev/sdb" in caught.value.hint


@pytest.mark.parametrize(
    ("named", "allow", "skip", "match"),
    [
        ("S1", ["S2"], [], "/dev/sda is named in disks, but it is not in allow"),
        ("S1", None, ["/dev/sda"], "/dev/sda is named in disks, but it is in skip"),
        ("/dev/md127", None, [], "it is a RAID array"),
    ],
)
def test_named_disks_that_are_ruled_out(named: str, allow: list[str] | None, skip: list[str], match: str) -> None:
    with pytest.raises(InvalidRequestError, match=match):
        choose_disks(DISKS, [named], allow, skip)


STACKED = [
    disk("/dev/mapper/isw_volume"),
    {**disk("/dev/mapper/mpatha", "LONG", "0x60051234"), "paths": [disk("/dev/sdx", "SHORT", "0x6005")]},
    {**disk("/dev/sda", "S1"), "member_of": ["/dev/mapper/isw_volume"]},
]


@pytest.mark.parametrize("entry", ["/dev/mapper/mpatha", "/dev/sdx", "long", "SHORT", "0x6005", "0x60051234"])
def test_a_multipath_device_is_meant_by_its_paths_too(entry: str) -> None:
    choices = choose_disks(STACKED, None, [entry], [])
    assert [choice.disk["name"] for choice in choices if choice.reason is None] == ["/dev/mapper/mpatha"]


def test_what_other_disks_are_a_part_of_is_an_array() -> None:
    array, dummy, part = choose_disks(STACKED, None, None, [])
    assert ("RAID array" in str(array.reason), part.reason) == (True, None)
