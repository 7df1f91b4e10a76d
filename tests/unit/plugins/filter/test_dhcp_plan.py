"""The plan of the boot server's DHCP: what it finds, and what it refuses with which words."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.filter.dhcp_plan import dhcp_plan

ADDRESSES = [
    {"local": "192.0.2.1", "prefixlen": 24, "scope": "global"},
    {"local": "2001:db8::1", "prefixlen": 64, "scope": "global"},
    {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
]
RANGE = {"first": "192.0.2.100", "last": "192.0.2.199"}


def node(number: int, **variables: t.Any) -> dict[str, t.Any]:
    return {"inventory_hostname": f"node{number:02}", "bm_boot_mac": f"52:54:00:00:00:{number:02}", **variables}


def static(address: str, **more: str) -> dict[str, t.Any]:
    return {"bm_ramdisk": {"network": {"address": address, **more}}}


def test_ranges_get_the_mask_of_their_subnet() -> None:
    six = {"first": "2001:db8::100", "last": "2001:db8::1ff", "lease_time": "1d", "prefix": 64}
    plan = dhcp_plan([], ADDRESSES, "server", [{**RANGE, "netmask": "255.255.255.0"}, six])
    assert plan["problems"] == []
    assert plan["ranges"] == [
        {"version": 4, "first": "192.0.2.100", "last": "192.0.2.199", "mask": "255.255.255.0", "lease_time": "1h"},
        {"version": 6, "first": "2001:db8::100", "last": "2001:db8::1ff", "mask": "64", "lease_time": "1d"},
    ]
    assert plan["subnets"] == [{"address": "192.0.2.1", "network": "192.0.2.0", "netmask": "255.255.255.0"}]
    assert plan["address6"] == "2001:db8::1"


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, None),
        ({"ansible_host": "192.0.2.11"}, "192.0.2.11"),
        ({"ansible_host": "2001:db8::11"}, "2001:db8::11"),
        ({"ansible_host": "198.51.100.11"}, None),
        ({"ansible_host": "node01.example.com"}, None),
        ({"ansible_host": "2001:db8::11%x\n52:54:00:00:00:99,192.0.2.9"}, None),
        ({"ansible_host": "192.0.2.11", **static("192.0.2.12/24")}, "192.0.2.12"),
        (static("192.0.2.12/24", mac="52:54:00:00:00:01"), "192.0.2.12"),
        (static("192.0.2.12/24", mac="52:54:00:99:99:99"), None),
        ({"bm_ramdisk": {"address": "192.0.2.12"}}, None),
    ],
)
def test_which_address_a_node_gets(variables: dict[str, t.Any], address: str | None) -> None:
    plan = dhcp_plan([node(1, **variables)], ADDRESSES, "server", [RANGE])
    assert plan["problems"] == []
    assert plan["nodes"] == [{"name": "node01", "mac": "52:54:00:00:00:01", "address": address}]
    for more in ({"mode": "server", "ranges": [RANGE], "reserve": False}, {"mode": "proxy"}, {"mode": "none"}):
        plan = dhcp_plan([node(1, **variables)], ADDRESSES, **more)
        assert plan["problems"] == []
        assert plan["nodes"][0]["address"] is None


def test_hosts_without_a_mac_are_left_out_and_hyphens_are_understood() -> None:
    hosts = [{"inventory_hostname": "switch"}, node(1, bm_boot_mac="52-54-00-AA-00-01")]
    assert [item["mac"] for item in dhcp_plan(hosts, [], "none")["nodes"]] == ["52:54:00:aa:00:01"]


@pytest.mark.parametrize(
    ("mode", "hosts", "options", "problem"),
    [
        (
            "none",
            [node(1), node(2, bm_boot_mac="52-54-00-00-00-01")],
            {},
            "52:54:00:00:00:01 belongs to node01 and node02",
        ),
        ("none", [node(1, bm_boot_mac="52:54:00")], {}, "node01: bm_boot_mac 52:54:00 is no MAC address"),
        (
            "server",
            [node(1, ansible_host="192.0.2.9"), node(2, ansible_host="192.0.2.9")],
            {},
            "Address 192.0.2.9 belongs to node01 and node02",
        ),
        ("server", [node(1, **static("2001:db8::11%x\n52:54:00:00:00:99/64"))], {}, "is no IP address"),
        ("server", [{**node(1), "inventory_hostname": "a\nb"}], {}, "can't stand in a file"),
        ("server", [node(1, ansible_host="192.0.2.1")], {}, "Address 192.0.2.1 belongs to this boot server and node01"),
        ("server", [node(1, **static("198.51.100.1/24"))], {}, "address 198.51.100.1 is outside the subnets of boot"),
        ("server", [node(1, **static("nonsense"))], {}, "node01: bm_ramdisk.network.address nonsense is no IP"),
        ("server", [], {"ranges": []}, "boot_server_dhcp_ranges is empty"),
        ("server", [], {"ranges": [{"first": "192.0.2.9", "last": "192.0.2.8"}]}, "first is above last"),
        ("server", [], {"ranges": [{"first": "192.0.2.9", "last": "2001:db8::1"}]}, "different IP versions"),
        ("server", [], {"ranges": [{"first": "192.0.2.9", "last": "192.0.3.9"}]}, "outside the subnets"),
        ("server", [], {"ranges": [{"first": "198.51.100.1", "last": "198.51.100.9"}]}, "192.0.2.0/24, 2001:db8::/64"),
        ("server", [], {"ranges": [{"first": "a", "last": "b"}]}, "a to b: first a is no IP address"),
        ("server", [], {"ranges": [{**RANGE, "prefix": 25}]}, "25 is not that of 192.0.2.0/24"),
        ("server", [], {"ranges": [{**RANGE, "lease_time": "soon"}]}, "lease_time soon is no time"),
        ("server", [], {"gateway": "198.51.100.1"}, "boot_server_gateway 198.51.100.1 is no IPv4 address in"),
        ("server", [], {"gateway": "router"}, "boot_server_gateway router is no IPv4 address in"),
        ("proxy", [], {"ranges": [RANGE]}, "proxy gives no addresses"),
        ("proxy", [], {"addresses": []}, "has no IPv4 address, which proxy needs"),
        ("server", [], {"addresses": []}, "it has no address"),
    ],
)
def test_problems(mode: str, hosts: list[t.Any], options: dict[str, t.Any], problem: str) -> None:
    given = {"addresses": ADDRESSES, "ranges": [RANGE] if mode == "server" else [], **options}
    problems = dhcp_plan(hosts, mode=mode, **given)["problems"]
    assert len(problems) == 1
    assert problem in problems[0]
    assert problems[0].count(". ") == 1, "one sentence for the cause, one for the remedy"
