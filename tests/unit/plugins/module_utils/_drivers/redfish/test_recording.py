"""A recording of a BMC can be given away: whose it is, can't be told from it, and it can be played."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.recording import anonymous

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
