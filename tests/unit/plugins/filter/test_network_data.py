"""The filter network_data; what cloud-init makes of it is seen on a deployed machine (tests/e2e/test_mixed.py)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.baremetal.lifecycle.plugins.filter import network_data as module
from tests.network import INTERFACES

network_data = module.FilterModule().filters()["network_data"]
PORT = {"name": "a", "mac": "52:54:00:00:00:01"}


def test_a_bond_a_vlan_and_both_versions_of_ip() -> None:
    made = network_data(INTERFACES, dns=["192.0.2.53"])
    assert [(link["id"], link["type"]) for link in made["links"]] == [
        ("port1", "phy"),
        ("port2", "phy"),
        ("bond0", "bond"),
        ("storage", "vlan"),
    ]
    assert made["links"][2] == {
        "id": "bond0",
        "type": "bond",
        "ethernet_mac_address": "52:54:00:00:00:01",
        "bond_links": ["port1", "port2"],
        "bond_mode": "802.3ad",
        "bond_xmit_hash_policy": "layer3+4",
        "bond_miimon": 100,
        "mtu": 9000,
    }
    four, six, storage = made["networks"]
    assert four["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"},
        {"network": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "192.0.2.2"},
    ]
    assert (six["type"], six["ip_address"], six["routes"][0]["gateway"]) == ("ipv6", "2001:db8::11/64", "2001:db8::1")
    assert (storage["link"], storage["ip_address"], storage["routes"]) == ("storage", "203.0.113.11", [])
    assert made["services"] == [{"type": "dns", "address": "192.0.2.53"}]


def test_addresses_that_others_give() -> None:
    made = network_data([{**PORT, "addresses": ["dhcp4", "slaac"]}])
    assert [network["type"] for network in made["networks"]] == ["ipv4_dhcp", "ipv6_slaac"]


@pytest.mark.parametrize(
    ("interfaces", "said"),
    [
        ([{"mac": PORT["mac"]}], "an interface: has no name"),
        ([PORT, PORT], "a: is described twice"),
        ([{"name": "a"}], "a: needs one of mac, bond and vlan"),
        ([{**PORT, "vlan": {"id": 1, "link": "b"}}], "a: needs one of mac, bond and vlan"),
        ([{**PORT, "adresses": []}], "a: adresses is no key; known are addresses, bond"),
        ([{"name": "a", "mac": "52:54"}], "a: mac is 52:54, which is no MAC address"),
        ([PORT, {"name": "b", "bond": {"interfaces": ["a", "c"], "mode": "802.3ad"}}], "c is not"),
        ([PORT, {"name": "b", "bond": {"interfaces": ["a"], "mode": "lacp"}}], "mode: balance-rr"),
        ([PORT, {"name": "b", "vlan": {"id": 5000, "link": "a"}}], "b: vlan has an id from 1 to 4094"),
        ([{"name": "b", "vlan": {"id": 5, "link": "a"}}], "a is not"),
        ([{**PORT, "addresses": ["192.0.2.1"]}], "address 192.0.2.1 is no address with prefix length"),
        ([{**PORT, "addresses": ["192.0.2.1/40"]}], "address 192.0.2.1/40 is no address"),
        ([{**PORT, "addresses": ["192.0.2.1/24"], "gateway": "2001:db8::1"}], "has no address of that kind"),
        ([{**PORT, "routes": [{"to": "0.0.0.0/0"}]}], "a route has a network (to) and an address (via)"),
        ([{"name": "b", "bond": "a"}], "b: bond is a mapping"),
        ([{**PORT, "addresses": "192.0.2.1"}], "a: address 192.0.2.1 is no address with prefix length"),
        ({"a": 1}, "wants a list of interfaces"),
        (["eth0"], "wants a list of interfaces"),
    ],
)
def test_a_mistake_is_told(interfaces: t.Any, said: str) -> None:
    with pytest.raises(AnsibleFilterError) as told:
        network_data(interfaces)
    assert said in str(told.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(AnsibleFilterError) as told:
        network_data([{"name": "a", "mac": "x"}, {"name": "b"}], dns=["resolver"])
    assert all(part in str(told.value) for part in ("a: mac", "b: needs", "dns: resolver"))


def test_its_example_is_right() -> None:
    (example,) = yaml.safe_load_all(module.EXAMPLES)
    values = {"{{ bm_boot_mac }}": "52:54:00:00:00:01", "{{ second_mac }}": "52:54:00:00:00:02"}
    text = yaml.safe_dump(example["interfaces"]).replace("{{ ansible_host }}", "192.0.2.11")
    for template, value in values.items():
        text = text.replace(template, value)
    assert network_data(yaml.safe_load(text))["links"][-1]["vlan_link"] == "bond0"
