"""An examination by what every driver can do: what it tries, what it leaves alone, and what it tells of it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.interfaces import NO, OK, UNKNOWN
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.registry import connect

URL = "http://192.0.2.1/system.iso"
OVERRIDE, MEDIA = "boot override, set and taken back", "virtual media, in and out"
BACK = ["set_boot_device pxe", "clear_boot_device"]
IN_AND_OUT = ["insert_media", "eject_media"]

SCENARIOS: dict[str, tuple[dict[str, t.Any], dict[str, t.Any], dict[str, tuple[str, str]], list[str]]] = {
    # the machine, what is asked for, verdict and words of a finding, what was changed
    "nothing is to be written": ({}, {"write": False, "media_url": URL}, {"power": (OK, "power off")}, []),
    "the override alone": ({}, {"media_url": None}, {OVERRIDE: (OK, "pxe once")}, BACK),
    "media, too": ({}, {"media_url": URL}, {OVERRIDE: (OK, "pxe once"), MEDIA: (OK, "came out")}, BACK + IN_AND_OUT),
    "an override is set": (
        {"boot_device": {"device": "disk", "persistent": True, "mode": "uefi"}},
        {"media_url": None},
        {OVERRIDE: (UNKNOWN, "not tried: disk persistently in uefi mode is set")},
        [],
    ),
    "something is in the drive": (
        {"media": "http://192.0.2.1/other.iso"},
        {"media_url": URL},
        {MEDIA: (UNKNOWN, "not tried: something is in the drive")},
        BACK,
    ),
    "the override is forgotten": (
        {"forgets_boot_device": True},
        {"media_url": None},
        {OVERRIDE: (NO, "told to boot from pxe once in uefi mode, accepted it, and reports no boot device")},
        ["set_boot_device pxe"],
    ),
    "media are refused": (
        {"faults": [{"operation": "insert_media", "error": "BMCResponseError", "message": "no such file"}]},
        {"media_url": URL},
        {MEDIA: (NO, "no such file")},
        BACK,
    ),
    "it has no virtual media": (
        {"faults": [{"operation": "get_media", "error": "UnsupportedOperationError", "message": "It has none."}]},
        {"media_url": URL},
        {"virtual media": (NO, "It has none."), MEDIA: (NO, "It has none.")},
        BACK,
    ),
}


@pytest.mark.parametrize(("machine", "asked", "expected", "calls"), SCENARIOS.values(), ids=SCENARIOS)
def test_what_is_tried_is_taken_back(
    fake_node: t.Any,
    machine: dict[str, t.Any],
    asked: dict[str, t.Any],
    expected: dict[str, tuple[str, str]],
    calls: list[str],
) -> None:
    fake_node.script(**machine)
    with connect(Node.from_params(fake_node.params(NODE_SPEC))) as driver:
        assert driver.examine is not None
        found = {item.what: item for item in driver.examine.examine(**{"write": True, **asked})[0]}
    writes = asked.get("write", True)
    assert (OVERRIDE in found, MEDIA in found) == (writes, writes and asked["media_url"] is not None)
    for what, (verdict, words) in expected.items():
        assert found[what].verdict == verdict, found[what]
        assert words in found[what].seen
    assert fake_node.machine.get("calls", []) == calls
