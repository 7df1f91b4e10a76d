"""What an inspection has found, and how it differs from the inventory."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.inventory import complete
from ansible_collections.baremetal.lifecycle.plugins.module_utils._work import inspection

GIB = 1024**3
OUT_OF_BAND = complete(
    {
        "system": {"vendor": "Dell Inc.", "product": "PowerEdge R640", "serial": "7XK0Z33", "sku": "0716"},
        "cpus": {"count": 80, "architecture": "x86_64"},
        "memory_mb": 196608,
        "disks": [{"name": "Disk 0", "size_bytes": 960 * GIB}, {"name": "Disk 1"}],
        "nics": [{"name": "NIC.1", "mac": "52:54:00:ab:cd:01"}, {"name": "NIC.2"}],
        "boot_mode": "bios",
    }
)
IN_BAND: dict[str, t.Any] = {
    "changed": False,
    "hardware": {
        "system": {"vendor": "Dell", "product": "R640", "serial": None, "uuid": None},
        "cpus": 64,
        "architecture": "x86_64",
        "memory_mb": 191488,
        "boot_mode": "uefi",
        "nics": [{"name": "eno1", "mac": "52:54:00:ab:cd:02"}],
    },
    "disks": [
        {"name": "/dev/sda", "size_bytes": 480 * GIB + 5, "model": "SSD", "serial": "S1", "rotational": False},
        {"name": "/dev/sdb", "size_bytes": 240 * GIB, "model": "SSD", "serial": "S2", "rotational": False},
    ],
}
UNKNOWN = dict.fromkeys(("cpus", "memory_mb", "local_gb", "cpu_arch", "vendor", "product", "serial"))
OUTSIDE = {
    "cpus": 80,
    "memory_mb": 196608,
    "local_gb": 960,
    "cpu_arch": "x86_64",
    "vendor": "Dell Inc.",
    "product": "PowerEdge R640",
    "serial": "7XK0Z33",
}
INSIDE = {**OUTSIDE, "cpus": 64, "memory_mb": 191488, "local_gb": 480, "vendor": "Dell", "product": "R640"}


@pytest.mark.parametrize(
    ("out_of_band", "in_band", "expected"),
    [
        (None, None, UNKNOWN),
        (complete({}), None, UNKNOWN),
        (OUT_OF_BAND, None, OUTSIDE),
        (OUT_OF_BAND, IN_BAND, INSIDE),
        (None, IN_BAND, {**INSIDE, "serial": None}),
        (OUT_OF_BAND, {"hardware": {}}, OUTSIDE),
        (OUT_OF_BAND, {**IN_BAND, "disks": []}, {**INSIDE, "local_gb": 0}),
    ],
)
def test_what_the_node_says_itself_wins(out_of_band: t.Any, in_band: t.Any, expected: dict[str, t.Any]) -> None:
    before = copy.deepcopy((out_of_band, in_band))
    facts = inspection.merge(out_of_band, in_band)
    assert facts["properties"] == expected
    assert facts["out_of_band"] == out_of_band
    assert facts["in_band"] == (in_band and {key: in_band[key] for key in ("hardware", "disks") if key in in_band})
    assert (out_of_band, in_band) == before


BOTH, BMC_ONLY, NOTHING = (
    inspection.merge(OUT_OF_BAND, IN_BAND),
    inspection.merge(OUT_OF_BAND, None),
    inspection.merge(None, None),
)


@pytest.mark.parametrize(
    ("declared", "facts"),
    [
        ({}, BOTH),
        ({"bm_boot_mac": None, "bm_boot_mode": None, "bm_properties": None, "bm_root_device": None}, BOTH),
        ({"bm_boot_mac": "52:54:00:AB:CD:01", "bm_boot_mode": "uefi"}, BOTH),
        ({"bm_boot_mac": "52:54:00:ab:cd:02"}, BOTH),
        ({"bm_boot_mac": "52:54:00:ab:cd:01", "bm_boot_mode": "bios"}, BMC_ONLY),
        ({"bm_properties": {**INSIDE, "vendor": "dell ", "cpus": "64", "memory_mb": 191488.0}}, BOTH),
        ({"bm_properties": {"cpus": None, "rack": "B7"}}, BOTH),
        ({"bm_root_device": {}}, BOTH),
        ({"bm_root_device": {"serial": "s1"}}, BOTH),
        ({"bm_root_device": {"serial": "S9"}}, BMC_ONLY),
        (
            {
                "bm_boot_mac": "52:54:00:00:00:99",
                "bm_boot_mode": "uefi",
                "bm_properties": INSIDE,
                "bm_root_device": {"size": 1},
            },
            NOTHING,
        ),
    ],
)
def test_what_is_not_declared_or_not_known_contradicts_nothing(declared: dict[str, t.Any], facts: t.Any) -> None:
    assert inspection.differences(declared, facts) == []


@pytest.mark.parametrize(
    ("declared", "facts", "variable", "found", "message"),
    [
        (
            {"bm_boot_mac": "52:54:00:AB:CD:09"},
            BOTH,
            "bm_boot_mac",
            ["52:54:00:ab:cd:01", "52:54:00:ab:cd:02"],
            "52:54:00:AB:CD:09, and no port of the node has it. Ports: 52:54:00:ab:cd:01,",
        ),
        ({"bm_boot_mac": "52:54:00:ab:cd:02"}, BMC_ONLY, "bm_boot_mac", ["52:54:00:ab:cd:01"], "no port"),
        ({"bm_boot_mode": "bios"}, BOTH, "bm_boot_mode", "uefi", "bm_boot_mode is bios, and the node boots in uefi"),
        ({"bm_boot_mode": "uefi"}, BMC_ONLY, "bm_boot_mode", "bios", "boots in bios"),
        ({"bm_properties": {"memory_mb": 196608}}, BOTH, "bm_properties.memory_mb", 191488, "the node has 191488"),
        ({"bm_properties": {"cpus": "many"}}, BOTH, "bm_properties.cpus", 64, "is many"),
        ({"bm_properties": {"local_gb": 481}}, BOTH, "bm_properties.local_gb", 480, "has 480"),
        ({"bm_properties": {"cpu_arch": "aarch64"}}, BOTH, "bm_properties.cpu_arch", "x86_64", "is aarch64"),
        ({"bm_properties": {"serial": "OTHER"}}, BOTH, "bm_properties.serial", "7XK0Z33", "has 7XK0Z33"),
        (
            {"bm_root_device": {"serial": "S9"}},
            BOTH,
            "bm_root_device",
            ["/dev/sda, 480.0 GiB, model SSD, serial S1", "/dev/sdb, 240.0 GiB, model SSD, serial S2"],
            "No disk fits for the hints",
        ),
        ({"bm_root_device": {"model": "SSD"}}, BOTH, "bm_root_device", None, "2 disks fit the hints"),
        ({"bm_root_device": {"size": ">= much"}}, BOTH, "bm_root_device", None, "can't be read"),
        ({"bm_root_device": {"size": 1}}, inspection.merge(None, {"disks": []}), "bm_root_device", [], "Disks: none"),
    ],
)
def test_a_contradiction_is_told(
    declared: dict[str, t.Any], facts: t.Any, variable: str, found: t.Any, message: str
) -> None:
    (difference,) = inspection.differences(declared, facts)
    assert set(difference) == {"variable", "declared", "found", "message"}
    name, dummy, key = variable.partition(".")
    assert difference["variable"] == variable
    assert difference["declared"] == (declared[name][key] if key else declared[name])
    assert found is None or difference["found"] == found
    assert message in difference["message"]


def test_all_contradictions_are_told() -> None:
    declared = {
        "bm_boot_mac": "52:54:00:00:00:99",
        "bm_boot_mode": "bios",
        "bm_properties": {"cpus": 1, "serial": "x"},
        "bm_root_device": {"serial": "S9"},
    }
    assert [item["variable"] for item in inspection.differences(declared, BOTH)] == [
        "bm_boot_mac",
        "bm_boot_mode",
        "bm_properties.cpus",
        "bm_properties.serial",
        "bm_root_device",
    ]
