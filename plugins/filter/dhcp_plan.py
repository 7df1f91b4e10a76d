"""Plans what the boot server's DHCP serves, from the inventory and its interface; role boot_server asks it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import re
import typing as t

DOCUMENTATION = r"""
name: dhcp_plan
short_description: Ranges and reservations of the boot server, and what is wrong with them
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Finds the subnet of each range and each node's MAC and address, and says what does not fit together.
  - Changes nothing and asks nobody.
positional: _input
options:
  _input:
    description: Host variables of the nodes; nodes without C(bm_boot_mac) are left out.
    type: list
    elements: dict
    required: true
  addresses:
    description: Addresses of the interface, as C(addr_info) of C(ip -json address) has them.
    type: list
    elements: dict
    required: true
  mode:
    description: Value of C(boot_server_dhcp).
    type: str
    choices: [server, proxy, none]
    required: true
  ranges:
    description: Value of C(boot_server_dhcp_ranges).
    type: list
    elements: dict
    default: []
  reserve:
    description: Value of C(boot_server_reservations).
    type: bool
    default: true
  gateway:
    description: Value of C(boot_server_gateway).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what does not fit together
  ansible.builtin.debug:
    msg: "{{ (nodes | baremetal.lifecycle.dhcp_plan(addresses, 'server', ranges)).problems }}"
  vars:
    nodes: "{{ groups.baremetal | map('extract', hostvars) }}"
    addresses: [{local: 192.0.2.1, prefixlen: 24, scope: global}]
    ranges: [{first: 192.0.2.100, last: 192.0.2.199}]
"""

RETURN = r"""
_value:
  description:
    - C(problems), sentences that name variable, cause and remedy; the rest is whole only if there are none.
    - C(ranges) with C(version), C(first), C(last), C(mask) and C(lease_time).
    - C(nodes) with C(name), C(mac) and C(address), which is null where none is reserved.
    - C(subnets), the interface's IPv4 subnets with C(address), C(network) and C(netmask).
    - C(address6), the interface's first IPv6 address, or null.
  type: dict
"""

Interface = t.Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]
Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Json = t.Mapping[str, t.Any]

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_LEASE_TIME = re.compile(r"\d+[smhdw]?|infinite")


def _home(address: Address, own: list[Interface]) -> Interface | None:
    """Return the interface's address whose subnet the given address is in."""
    return next((item for item in own if address in item.network), None)


def _parse(value: t.Any, what: str) -> Interface:
    try:
        parsed = ipaddress.ip_interface(str(value))
        if "%" in str(value):  # a zone, whose text nobody checks, and which means nothing on another machine
            raise ValueError
        return parsed
    except ValueError:
        raise ValueError(f"{what} {value} is no IP address. Write one such as 192.0.2.11.") from None


def _normal(mac: t.Any) -> str:
    return str(mac).lower().replace("-", ":")


def _subnets(own: list[Interface]) -> str:
    return ", ".join(str(item.network) for item in own) or "it has no address"


def _range(item: Json, own: list[Interface]) -> dict[str, t.Any]:
    """Return a range with the mask of its subnet.

    :raises ValueError: saying what is wrong with it.
    """
    first, last = (_parse(item[key], key).ip for key in ("first", "last"))
    if first.version != last.version:
        raise ValueError("first and last are of different IP versions. Write one range for each version.")
    if int(first) > int(last):
        raise ValueError("first is above last. Swap them.")
    home = _home(first, own)
    if home is None or last not in home.network:
        raise ValueError(
            f"outside the subnets of boot_server_interface ({_subnets(own)}). Choose first and last in one of them."
        )
    mask = item.get("netmask") or item.get("prefix")
    if mask and str(mask) not in (str(home.network.netmask), str(home.network.prefixlen)):
        raise ValueError(f"netmask or prefix {mask} is not that of {home.network}. Leave it out, or correct it.")
    lease_time = str(item.get("lease_time") or "1h")
    if not _LEASE_TIME.fullmatch(lease_time):
        raise ValueError(f"lease_time {lease_time} is no time. Give a number with s, m, h, d or w, such as 1h.")
    length = home.network.netmask if first.version == 4 else home.network.prefixlen
    return {
        "version": first.version,
        "first": str(first),
        "last": str(last),
        "mask": str(length),
        "lease_time": lease_time,
    }


def _address(host: Json, own: list[Interface]) -> Address | None:
    """Return the address that a node's boot port must get, if there is one.

    :raises ValueError: saying why it can't get it.
    """
    network = (host.get("bm_ramdisk") or {}).get("network") or {}
    if network.get("address") and _normal(network.get("mac", host["bm_boot_mac"])) == _normal(host["bm_boot_mac"]):
        address = _parse(network["address"], "bm_ramdisk.network.address").ip
        if _home(address, own) is None:
            raise ValueError(
                f"bm_ramdisk.network.address {address} is outside the subnets of boot_server_interface "
                f"({_subnets(own)}). Correct it, or set boot_server_reservations to false."
            )
        return address
    try:
        address = _parse(host.get("ansible_host"), "ansible_host").ip
    except ValueError:
        return None  # a name, or not set: whoever resolves it knows the address
    return address if _home(address, own) else None


def _nodes(hosts: t.Iterable[Json], own: list[Interface], reserve: bool) -> tuple[list[dict[str, t.Any]], list[str]]:
    nodes: list[dict[str, t.Any]] = []
    problems = []
    for host in hosts:
        if not host.get("bm_boot_mac"):
            continue
        name, mac = host["inventory_hostname"], _normal(host["bm_boot_mac"])
        if not name.isprintable():
            problems.append(f"{name!r} can't stand in a file with a host a line. Give the host a plain name.")
            continue
        if not _MAC.fullmatch(mac):
            problems.append(f"{name}: bm_boot_mac {mac} is no MAC address. Write it as 52:54:00:12:34:56.")
            continue
        try:
            address = _address(host, own) if reserve else None
        except ValueError as exc:
            problems.append(f"{name}: {exc}")
            continue
        nodes.append({"name": name, "mac": mac, "address": str(address) if address else None})
    return nodes, problems


def _conflicts(nodes: list[dict[str, t.Any]], own: list[Interface]) -> t.Iterator[str]:
    """Say which nodes want what somebody else has."""
    macs: dict[str, str] = {}
    addresses = {str(item.ip): "this boot server" for item in own}
    for node in nodes:
        name, mac, address = node["name"], node["mac"], node["address"]
        first = macs.setdefault(mac, name)
        if first != name:
            yield f"bm_boot_mac {mac} belongs to {first} and {name}. Correct it on one of them."
        first = addresses.setdefault(address, name) if address else name
        if first != name:
            yield (
                f"Address {address} belongs to {first} and {name}. "
                "Correct bm_ramdisk.network.address or ansible_host on one of them."
            )


def _mode_problems(mode: str, ranges: t.Sequence[Json], own: list[Interface], gateway: str) -> t.Iterator[str]:
    if mode == "server" and not ranges:
        yield "boot_server_dhcp_ranges is empty: a DHCP server needs one. Set it, or set boot_server_dhcp to proxy."
    if mode == "proxy" and ranges:
        yield "boot_server_dhcp_ranges is set: proxy gives no addresses. Empty it, or set boot_server_dhcp to server."
    if mode == "proxy" and not any(item.version == 4 for item in own):
        yield "boot_server_interface has no IPv4 address, which proxy needs. Give it one, or name another interface."
    if gateway:
        try:
            fits = _home(ipaddress.IPv4Address(gateway), own)
        except ValueError:
            fits = None
        if not fits:
            yield (
                f"boot_server_gateway {gateway} is no IPv4 address in the subnets of boot_server_interface "
                f"({_subnets(own)}). Correct it, or leave it empty."
            )


def dhcp_plan(
    hosts: t.Iterable[Json],
    addresses: t.Iterable[Json],
    mode: str,
    ranges: t.Sequence[Json] = (),
    reserve: bool = True,
    gateway: str = "",
) -> dict[str, t.Any]:
    """Return what DHCP is to serve, and the problems with it; see RETURN."""
    own = [ipaddress.ip_interface(f"{a['local']}/{a['prefixlen']}") for a in addresses if a.get("scope") == "global"]
    nodes, problems = _nodes(hosts, own, reserve and mode == "server")
    problems += _conflicts(nodes, own)
    problems += _mode_problems(mode, ranges, own, gateway) if mode != "none" else []
    planned = []
    for item in ranges if mode == "server" else ():
        try:
            planned.append(_range(item, own))
        except ValueError as exc:
            problems.append(f"boot_server_dhcp_ranges, {item['first']} to {item['last']}: {exc}")
    return {
        "problems": problems,
        "ranges": planned,
        "nodes": nodes,
        "subnets": [
            {"address": str(item.ip), "network": str(item.network.network_address), "netmask": str(item.netmask)}
            for item in own
            if item.version == 4
        ],
        "address6": next((str(item.ip) for item in own if item.version == 6), None),
    }


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"dhcp_plan": dhcp_plan}
