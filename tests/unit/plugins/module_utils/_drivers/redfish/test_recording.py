"""A recording of a BMC can be given away: whose it is, can't be told from it, and it can be played."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.recording import anonymous
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations.bmc_doctor import table_of
from tests.bmcs import haste, library

PLANTED = {
    "serial": ("SerialNumber", "CZ20480G7X"),
    "service tag": ("SKU", "4ABCDE3"),
    "asset": ("AssetTag", "rack 12, Springfield"),
    "host name": ("HostName", "db01.example.org"),
    "UUID": ("UUID", "4C4C4544-0043-4A10-8056-B7C04F4A4E33"),
    "MAC": ("MACAddress", "E4:43:4B:11:22:33"),
    "MAC with dashes": ("PermanentMACAddress", "E4-43-4B-11-22-34"),
    "address": ("Address", "10.20.30.40"),
    "address in a text": ("Message", "lease of 10.20.30.41 has ended"),
    "IPv6 address": ("Address", "2a01:4f8:c0c:1234::1"),
    "user": ("UserName", "operator-jane"),
    "image": ("Image", "http://10.20.30.42/secret.iso?sig=abcdef"),
    "vendor's own": ("Oem", {"Acme": {"Owner": "planted-owner"}}),
}


@pytest.mark.parametrize(("name", "value"), PLANTED.values(), ids=PLANTED)
def test_nothing_tells_whose_it_is(fake_node: t.Any, name: str, value: t.Any) -> None:
    bmc = Node.from_params(
        fake_node.params(NODE_SPEC, bmc={"address": "https://10.9.8.7", "username": "root", "password": "calvin-1"})
    ).bmc
    nested = {"Id": "1", "Links": [{name: value}], "Note": "login as root with calvin-1"}
    path = f"/redfish/v1/Systems/{value}" if name == "SerialNumber" else "/redfish/v1/Systems/1"
    tree = anonymous({path: {"@odata.id": path, name: value, **nested}}, bmc)
    text = json.dumps(tree).lower()
    words = ["planted-owner"] if isinstance(value, dict) else [value.lower(), *value.lower().split("?sig=")[1:]]
    for word in (*words, "calvin-1", "as root", "10.20.30.4"):
        assert word not in text
    place, document = next(iter(tree.items()))
    assert document["@odata.id"] == place  # links lead somewhere still
    assert isinstance(value, dict) or document[name] == document["Links"][0][name]


def test_versions_and_schemas_stay(fake_node: t.Any) -> None:
    bmc = Node.from_params(fake_node.params(NODE_SPEC)).bmc
    document = {"@odata.type": "#Manager.v1_5_1.Manager", "FirmwareVersion": "7.10.30.00", "Model": "16G Monolithic"}
    assert anonymous({"/redfish/v1/Managers/1": document}, bmc) == {"/redfish/v1/Managers/1": document}


def test_what_stands_for_one_value_is_not_taken_for_another(fake_node: t.Any) -> None:
    bmc = Node.from_params(fake_node.params(NODE_SPEC)).bmc
    tree = anonymous({"/redfish/v1": {"First": "198.51.100.7", "Second": "192.0.2.1", "Third": "198.51.100.7"}}, bmc)
    document = tree["/redfish/v1"]
    assert document["First"] == document["Third"] != document["Second"]


def examined(fake_node: t.Any, known: library.Known, *, write: bool = False) -> tuple[list[str], dict[str, t.Any]]:
    """Return the table of a BMC that is played, without its address, and the recording of it."""
    with known.play() as bmc:
        told = {"verify": True, "timeout": 5.0, "power_timeout": 10.0, **bmc.bmc(system_id=known.system_id)}
        with RedfishDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc=told, boot_mode="uefi"))) as driver:
            found = driver.examine.examine(write=write, media_url="http://192.0.2.1/system.iso")
            return [line.replace(bmc.url, "BMC") for line in table_of(*found)], driver.examine.record()


def test_a_recording_that_is_played_tells_the_same_table(
    fake_node: t.Any, known_bmc: library.Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    haste.without_pauses(monkeypatch.setattr)
    table, tree = examined(fake_node, known_bmc)
    tried, dummy = examined(fake_node, known_bmc, write=True)
    (tmp_path / "recording.json").write_text(json.dumps(tree))
    [recorded] = library.recorded(tmp_path)
    again = dataclasses.replace(known_bmc, tree=recorded.tree)
    assert examined(fake_node, again) == (table, tree)
    assert examined(fake_node, again, write=True)[0] == tried
