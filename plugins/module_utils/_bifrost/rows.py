"""Maps rows of a Bifrost file to hosts with our variables, all of them or none; the inventory plugin adds them.

What the fields mean: Bifrost's "How-To", section "Inventory file format"; the keys of driver_info: Ironic's
administrator guide, the pages of the drivers.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from .._contract import check as contract
from .._errors import InvalidRequestError, MissingDependencyError
from .fields import Fields, Row, is_address, is_name, prefix_of

Variables = dict[str, t.Any]
Seen = dict[tuple[str, str], tuple[str, str]]

MAX_PROBLEMS = 10
"""How many problems one message lists."""

_BOOT_INTERFACES = {"ipxe": "ipxe", "pxe": "ipxe", "media": "virtual_media", "https": "http", "http": "http"}
"""Our boot interface by the last word of Ironic's: ilo-ipxe, redfish-virtual-media, redfish-https."""


@dataclasses.dataclass(frozen=True)
class Host:
    """One host of the inventory."""

    name: str
    groups: tuple[str, ...]
    variables: Variables


def hosts_of(rows: t.Sequence[Row], *, group: str, variables: Variables, ramdisk_network: bool = True) -> list[Host]:
    """Map all rows to hosts, or none.

    :param group: the group that all of them are in.
    :param variables: variables of every node, below what its row says; mappings are merged.
    :param ramdisk_network: give the ramdisk the static address of the row.
    :raises InvalidRequestError: naming the first rows and fields that are wrong, and how many there are.
    """
    contract.check_names(variables, node="host_variables")
    hosts = []
    seen: Seen = {}
    for row in rows:
        if row.problems:
            continue
        found = _host(row, group, ramdisk_network, seen)
        if not row.problems:
            _check(row, found)
            hosts.append(dataclasses.replace(found, variables=merge(variables, found.variables)))
    groups = {name for host in hosts for name in host.groups}
    for row in rows:
        if not row.problems and row.fields().text("name") in groups:
            row.fields().note("name", "is the name of a group, too. Rename one of them.")
    problems = [f"{row.label}: {problem}" for row in rows for problem in row.problems]
    if not rows:
        problems = ["There is no node in it. Add one, or remove the inventory source."]
    if problems:
        raise InvalidRequestError(_listed(problems))
    return hosts


def merge(base: t.Mapping[str, t.Any], over: t.Mapping[str, t.Any]) -> Variables:
    """Return ``base`` with ``over`` laid on it; mappings are merged, all else is replaced."""
    merged = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], dict) and isinstance(over[key], dict):
            merged[key] = merge(base[key], over[key])
    return merged


def _listed(problems: list[str]) -> str:
    more = [f"... and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
    title = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}, so no host was added:"
    return "\n- ".join([title, *problems[:MAX_PROBLEMS], *more])


def _check(row: Row, host: Host) -> None:
    own = {key: value for key, value in host.variables.items() if key.startswith("bm_")}
    try:
        contract.check(own, node=host.name)
    except MissingDependencyError:
        raise
    except InvalidRequestError as exc:
        row.problems.append(f"{exc.message} Correct it.")


def _host(row: Row, group: str, ramdisk_network: bool, seen: Seen) -> Host:
    """Map one row; what is wrong with it is in its problems then."""
    fields = row.fields()
    name = fields.text("name", missing="Give the node a name.")
    if name and not is_name(name):
        fields.note(
            "name", "can't be the name of a host. Use letters, digits, '.', '_' and '-', and no name of Ansible's."
        )
    macs = [nic.mac("mac") for nic in fields.mappings("nics")]
    if not fields.values.get("nics"):
        fields.note("nics", "is missing. List the ports as [{mac: ...}], first the one that boots.")
    address = fields.ipv4("ipv4_address")
    mapped: Variables = {
        **_bmc(fields, seen, row.label),
        "ansible_host": address,
        "bm_boot_mac": macs[0] if macs else None,
        "bm_boot_interface": _boot_interface(fields),
        "bm_resource_class": fields.text("resource_class"),
        "bm_traits": fields.texts("traits") or None,
        **_properties(fields.mapping("properties")),
        "bm_ramdisk": _ramdisk(fields, address, ramdisk_network) or None,
    }
    named = {str(key): value for key, value in fields.values.items()}
    own = {key: value for key, value in named.items() if key.startswith(("bm_", "ansible_"))}
    fields.mapping("bm_bmc")  # noted here where it is none, since the contract would quote it
    rest = {key: value for key, value in named.items() if key not in own and key != "driver_info"}
    _unique(fields, seen, row.label, "name", "name", name)
    _unique(fields, seen, row.label, "address", "ipv4_address", address)
    for number, mac in enumerate(macs):
        _unique(fields, seen, row.label, "mac", f"nics[{number}].mac", mac)
    groups = dict.fromkeys([group, *fields.texts("host_groups")])
    return Host(name or "", tuple(groups), {**merge(_given(mapped), own), "bifrost": rest})


def _unique(fields: Fields, seen: Seen, label: str, kind: str, key: str, value: str | None) -> None:
    """Note what another field of that kind says, too."""
    if value is None:
        return
    first = seen.setdefault((kind, value), (label, key))
    if first != (label, key):
        fields.note(key, f"is the same as that of {first[0]}. Correct one of them.")


def _bmc(fields: Fields, seen: Seen, label: str) -> Variables:
    """Return bm_driver and bm_bmc; any other driver of Ironic's is Redfish where an address for that is given."""
    name = fields.text("driver", missing="Set it to redfish or ipmi.")
    info = fields.mapping("driver_info")
    for part in ("power", "deploy", "management", "console"):  # as Bifrost had it first
        info.values = {**info.mapping(part).values, **{k: v for k, v in info.values.items() if k != part}}
    prefix = prefix_of(name) if name else None
    if prefix != "ipmi" and info.values.get("redfish_address"):
        prefix = "redfish"
    if prefix is None:
        if name:
            fields.note("driver", "has no counterpart here. Use ipmi, or redfish with driver_info.redfish_address.")
        return {}
    bmc = _given(_ipmi(info) if prefix == "ipmi" else _redfish(info, prefix))
    if "address" in bmc:
        # One BMC may have several Systems, one address several simulated BMCs.
        own = [bmc["address"].partition("://")[2].lower(), bmc.get("system_id"), bmc.get("port")]
        _unique(fields, seen, label, "bmc", f"driver_info.{prefix}_address", str(own))
    return {"bm_driver": "ipmi" if prefix == "ipmi" else "redfish", "bm_bmc": bmc}


def _ipmi(info: Fields) -> Variables:
    host = info.host("ipmi_address")
    if str(info.values.get("ipmi_bridging") or "no") != "no":
        info.note("ipmi_bridging", "is not supported. Give the address of the node's own BMC.")
    info.choice("ipmi_protocol_version", ("2.0",))
    suite = info.choice("ipmi_cipher_suite", ("3", "17"))
    return {
        "address": f"ipmi://{host}" if host else None,
        "username": info.text("ipmi_username"),
        "password": info.text("ipmi_password"),
        "port": info.whole("ipmi_port", 1, 65535),
        "privilege_level": info.choice("ipmi_priv_level", ("user", "operator", "administrator")),
        "cipher_suite": int(suite) if suite else None,
        "kg_key": info.text("ipmi_hex_kg_key"),
    }


def _redfish(info: Fields, prefix: str) -> Variables:
    verify: bool | str | None = info.values.get(f"{prefix}_verify_ca")
    if not (isinstance(verify, str) and verify.startswith("/")):
        verify = info.flag(f"{prefix}_verify_ca")
    system = info.text("redfish_system_id")
    return {
        "address": info.url(f"{prefix}_address"),
        "username": info.text(f"{prefix}_username"),
        "password": info.text(f"{prefix}_password"),
        "verify": verify,
        "system_id": system.rstrip("/").rpartition("/")[2] if system else None,
    }


def _boot_interface(fields: Fields) -> str | None:
    name = fields.text("boot_interface")
    if name is None:
        return None
    found = _BOOT_INTERFACES.get(name.rpartition("-")[2])
    if found is None:
        fields.note("boot_interface", "has no counterpart here. Use ipxe, redfish-virtual-media or redfish-https.")
    return found


def _properties(fields: Fields) -> Variables:
    memory = "memory_mb" if "memory_mb" in fields.values else "ram"
    disk = "local_gb" if "local_gb" in fields.values else "disk_size"
    capabilities = fields.below("capabilities", _capabilities(fields))
    properties = {
        "cpus": fields.whole("cpus"),
        "memory_mb": fields.whole(memory),
        "local_gb": fields.whole(disk),
        **{key: fields.text(key) for key in ("cpu_arch", "vendor", "product", "serial")},
    }
    return {
        "bm_properties": _given(properties) or None,
        "bm_capabilities": capabilities.values or None,
        "bm_boot_mode": capabilities.choice("boot_mode", ("uefi", "bios")),
        "bm_root_device": fields.mapping("root_device").values or None,
    }


def _capabilities(fields: Fields) -> Variables:
    """Return Ironic's ``key:value,key:value``, or the mapping that stands in its place."""
    written = fields.values.get("capabilities")
    if not isinstance(written, str):
        return fields.mapping("capabilities").values
    pairs = [item.strip().partition(":") for item in written.split(",") if item.strip()]
    if not all(key and colon for key, colon, dummy in pairs):
        fields.note("capabilities", "is no list of key:value. Write it as boot_mode:uefi,rack:r1.")
        return {}
    return {key: value for key, dummy, value in pairs}


def _ramdisk(fields: Fields, address: str | None, static: bool) -> Variables:
    """Return bm_ramdisk: another address while provisioning, which DHCP gives then, or the static one."""
    provisioning = fields.ipv4("provisioning_ipv4_address")
    gateway = fields.ipv4("ipv4_gateway")
    servers = fields.texts("ipv4_nameserver")
    mac = fields.mac("ipv4_interface_mac") if fields.values.get("ipv4_interface_mac") else None
    dhcp = fields.flag("inventory_dhcp") or "dhcp" in (fields.text("addressing_mode") or "")
    prefix = _prefix(fields)
    if not all(is_address(server) for server in servers):
        fields.note("ipv4_nameserver", "is no list of IP addresses. Write it as [192.0.2.1].")
    if provisioning and provisioning != address:
        return {"address": provisioning}
    if not static or dhcp or address is None:
        return {}
    return {
        "network": _given({"address": f"{address}/{prefix}", "gateway": gateway, "dns": servers or None, "mac": mac})
    }


def _prefix(fields: Fields) -> int:
    """Return the prefix length of ipv4_subnet_mask; Bifrost's default is 24."""
    mask = fields.text("ipv4_subnet_mask") or "255.255.255.0"
    try:
        network = ipaddress.IPv4Network(f"0.0.0.0/{mask}")
    except ValueError:
        network = None
    if network is None or mask not in (str(network.netmask), str(network.prefixlen)):
        fields.note("ipv4_subnet_mask", "is no subnet mask. Write one such as 255.255.255.0.")
    return network.prefixlen if network else 24


def _given(values: Variables) -> Variables:
    return {key: value for key, value in values.items() if value is not None}
