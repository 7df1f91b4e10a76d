"""Makes OpenStack's network_data.json of a description of interfaces."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: network_data
short_description: A deployed system's network, as its config drive has it
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Makes of a list of interfaces what C(bm_config_drive.network_data) is, OpenStack's C(network_data.json), which
    cloud-init reads. All mistakes are told at once.
positional: _input
options:
  _input:
    description:
      - A mapping an interface. C(name) is needed, and what others call it by; cloud-init names bonds C(bond0) and on,
        in their order here, and VLANs C(PARENT.ID).
      - C(mac) makes it a port. C(bond) with C(interfaces), names of ports, and C(mode) (C(802.3ad), C(active-backup) …)
        makes it a bond; C(miimon) (100 by default) and C(xmit_hash_policy) are optional. C(vlan) with C(id) and
        C(link), the name of a port or bond, makes it a VLAN.
      - C(addresses) is a list of addresses with prefix length, or of C(dhcp4), C(dhcp6), C(slaac). C(gateway) is an
        address or a list of them; C(routes) a list of C(to) and C(via); C(mtu) a number of bytes.
    type: list
    elements: dict
    required: true
  dns:
    description: Addresses of name servers.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
# group_vars/baremetal.yml: two ports as a bond, with a VLAN on it
bm_config_drive:
  meta_data: {hostname: "{{ inventory_hostname }}"}
  network_data: "{{ interfaces | baremetal.lifecycle.network_data(dns=['192.0.2.53']) }}"
interfaces:
  - {name: port1, mac: "{{ bm_boot_mac }}"}
  - {name: port2, mac: "{{ second_mac }}"}
  - name: bond0
    bond: {interfaces: [port1, port2], mode: 802.3ad, xmit_hash_policy: layer3+4}
    addresses: ["{{ ansible_host }}/24"]
    gateway: 192.0.2.1
    mtu: 9000
  - {name: storage, vlan: {id: 100, link: bond0}, addresses: [198.51.100.11/24]}
"""

RETURN = r"""
_value:
  description: C(links), C(networks) and C(services) of C(network_data.json).
  type: dict
"""

Interface = t.Mapping[str, t.Any]

AUTOMATIC = {"dhcp4": "ipv4_dhcp", "dhcp6": "ipv6_dhcpv6-stateful", "slaac": "ipv6_slaac"}
KEYS = {"name", "mac", "bond", "vlan", "addresses", "gateway", "routes", "mtu"}
BOND_KEYS = {"interfaces", "mode", "miimon", "xmit_hash_policy"}
MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class _Plan:
    """What becomes of a description, and what is wrong with it."""

    def __init__(self, interfaces: t.Sequence[Interface]) -> None:
        self.problems: list[str] = []
        self._macs: dict[str, str] = {}
        self.links = [link for interface in interfaces for link in [self._link(interface)] if link]
        self.networks: list[dict[str, t.Any]] = []
        for interface in interfaces:
            self._add_networks(interface)

    def wrong(self, name: object, text: str) -> None:
        self.problems.append(f"{name}: {text}.")

    def _link(self, interface: Interface) -> dict[str, t.Any]:
        name = interface.get("name")
        unknown = sorted(set(interface) - KEYS)
        kinds = [kind for kind in ("mac", "bond", "vlan") if interface.get(kind)]
        if not name or name in self._macs:
            self.wrong(name or "an interface", "is described twice" if name else "has no name")
        elif unknown:
            self.wrong(name, f"{', '.join(unknown)} is no key; known are {', '.join(sorted(KEYS))}")
        elif len(kinds) != 1:
            self.wrong(name, "needs one of mac, bond and vlan")
        elif kinds != ["mac"] and not isinstance(interface[kinds[0]], dict):
            self.wrong(name, f"{kinds[0]} is a mapping")
        else:
            made = {"mac": self._port, "bond": self._bond, "vlan": self._vlan}[kinds[0]](name, interface[kinds[0]])
            return {"id": name, **made, **({"mtu": interface["mtu"]} if interface.get("mtu") else {})} if made else {}
        return {}

    def _port(self, name: str, mac: t.Any) -> dict[str, t.Any]:
        mac = str(mac).lower()
        self._macs[name] = mac
        if not _MAC.fullmatch(mac):
            self.wrong(name, f"mac is {mac}, which is no MAC address")
        return {"type": "phy", "ethernet_mac_address": mac}

    def _bond(self, name: str, bond: Interface) -> dict[str, t.Any]:
        members = list(bond.get("interfaces") or [])
        unknown = sorted(set(bond) - BOND_KEYS)
        missing = [member for member in members if member not in self._macs]
        if unknown or bond.get("mode") not in MODES:
            self.wrong(name, f"bond has interfaces, miimon, xmit_hash_policy, and mode: {', '.join(MODES)}")
        elif not members or missing:
            self.wrong(name, f"bond needs interfaces that are described above it; {', '.join(missing)} is not")
        else:
            self._macs[name] = self._macs[members[0]]
            options = {f"bond_{key}": bond[key] for key in ("mode", "xmit_hash_policy") if bond.get(key)}
            options["bond_miimon"] = bond.get("miimon", 100)
            return {"type": "bond", "ethernet_mac_address": self._macs[name], "bond_links": members, **options}
        return {}

    def _vlan(self, name: str, vlan: Interface) -> dict[str, t.Any]:
        number, link = vlan.get("id"), vlan.get("link")
        if set(vlan) != {"id", "link"} or not str(number).isdecimal() or not 1 <= int(str(number)) <= 4094:
            self.wrong(name, "vlan has an id from 1 to 4094, and a link")
        elif link not in self._macs:
            self.wrong(name, f"vlan needs a link that is described above it; {link} is not")
        else:
            self._macs[name] = self._macs[str(link)]
            mac = self._macs[name]
            return {"type": "vlan", "vlan_id": int(str(number)), "vlan_link": link, "vlan_mac_address": mac}
        return {}

    def _add_networks(self, interface: Interface) -> None:
        name, routes = interface.get("name"), self._routes(interface)
        fixed = []
        given = interface.get("addresses") or []
        for address in [given] if isinstance(given, str) else given:
            if address in AUTOMATIC:
                self._add(name, {"type": AUTOMATIC[address]})
                continue
            parsed = self._interface(name, address)
            if parsed:
                fixed.append(parsed)
        for version in (4, 6):
            own = [route for route in routes if route[0].version == version]
            for number, address in enumerate(item for item in fixed if item.version == version):
                self._add(name, _network(address, own if number == 0 else []))
            if own and not any(address.version == version for address in fixed):
                self.wrong(name, f"routes over {own[0][1]}, and has no address of that kind")

    def _add(self, name: t.Any, network: dict[str, t.Any]) -> None:
        self.networks.append({"id": f"{name}-{len(self.networks)}", "link": name, **network})

    def _routes(self, interface: Interface) -> list[tuple[t.Any, t.Any]]:
        gateways = interface.get("gateway") or []
        given = [
            {"to": "::/0" if ":" in str(gateway) else "0.0.0.0/0", "via": gateway}
            for gateway in ([gateways] if isinstance(gateways, str) else gateways)
        ]
        found = []
        for route in [*given, *(interface.get("routes") or [])]:
            try:
                found.append((ipaddress.ip_network(str(route["to"])), ipaddress.ip_address(str(route["via"]))))
            except (KeyError, TypeError, ValueError) as exc:
                self.wrong(interface.get("name"), f"a route has a network (to) and an address (via): {exc}")
        return found

    def _interface(self, name: t.Any, address: t.Any) -> t.Any:
        try:
            if "/" in str(address):
                return ipaddress.ip_interface(str(address))
        except ValueError:
            pass
        self.wrong(name, f"address {address} is no address with prefix length, nor {', '.join(AUTOMATIC)}")
        return None


def _network(address: t.Any, routes: t.Sequence[tuple[t.Any, t.Any]]) -> dict[str, t.Any]:
    made = [{"network": str(to.network_address), "netmask": str(to.netmask), "gateway": str(via)} for to, via in routes]
    if address.version == 6:
        return {"type": "ipv6", "ip_address": str(address), "routes": made}
    return {"type": "ipv4", "ip_address": str(address.ip), "netmask": str(address.netmask), "routes": made}


def network_data(interfaces: t.Sequence[Interface], dns: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """Return OpenStack's network_data.json.

    :raises AnsibleFilterError: naming all that is wrong.
    """
    if isinstance(interfaces, (str, dict)) or not all(isinstance(item, dict) for item in interfaces):
        raise AnsibleFilterError("network_data wants a list of interfaces, a mapping each.")
    plan = _Plan(interfaces)
    for server in dns:
        try:
            ipaddress.ip_address(server)
        except ValueError:
            plan.wrong("dns", f"{server} is no address")
    if plan.problems:
        raise AnsibleFilterError(" ".join(["network_data can't be made.", *plan.problems]))
    services = [{"type": "dns", "address": server} for server in dns]
    return {"links": plan.links, "networks": plan.networks, "services": services}


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"network_data": network_data}
