"""Bifrost's rows as our variables: what each field becomes, and which words each mistake gets."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._bifrost import files
from ansible_collections.baremetal.lifecycle.plugins.module_utils._bifrost import rows as bifrost
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError

Json = dict[str, t.Any]

IPMI = {"ipmi_address": "192.0.2.10", "ipmi_username": "admin", "ipmi_password": "s3cret"}
REDFISH = {"redfish_address": "https://192.0.2.10", "redfish_username": "admin", "redfish_password": "s3cret"}
NODE: Json = {"driver": "ipmi", "driver_info": IPMI, "nics": [{"mac": "52:54:00:00:00:01"}]}
MACS = [{"mac": "52:54:00:00:00:01"}, {"mac": "52:54:00:00:00:02"}]


def hosts(document: Json, **options: t.Any) -> list[bifrost.Host]:
    return bifrost.hosts_of(files.rows_of_document(document), **{"group": "baremetal", "variables": {}, **options})


def variables(node: Json, **options: t.Any) -> Json:
    return hosts({"node01": node}, **options)[0].variables


def refusal(document: Json) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        hosts(document)
    assert "s3cret" not in caught.value.message
    return caught.value.message


def redfish(**info: t.Any) -> Json:
    return {**NODE, "driver": "redfish", "driver_info": {**REDFISH, **info}}


def ipmi(**info: t.Any) -> Json:
    return {**NODE, "driver_info": {**IPMI, **info}}


def properties(**values: t.Any) -> Json:
    return {**NODE, "properties": values}


@pytest.mark.parametrize(
    ("node", "driver", "bmc"),
    [
        (NODE, "ipmi", {"address": "ipmi://192.0.2.10", "username": "admin", "password": "s3cret"}),
        ({**NODE, "driver": "agent_ipmitool"}, "ipmi", {"address": "ipmi://192.0.2.10"}),
        ({**NODE, "driver_info": {"power": IPMI}}, "ipmi", {"address": "ipmi://192.0.2.10", "password": "s3cret"}),
        (
            {**NODE, "driver_info": {"power": IPMI, "ipmi_username": "root"}},
            "ipmi",
            {"address": "ipmi://192.0.2.10", "username": "root"},
        ),
        (ipmi(ipmi_address="2001:db8::1"), "ipmi", {"address": "ipmi://[2001:db8::1]"}),
        (ipmi(ipmi_port="6230"), "ipmi", {"port": 6230}),
        (ipmi(ipmi_cipher_suite="17"), "ipmi", {"cipher_suite": 17}),
        (ipmi(ipmi_priv_level="OPERATOR"), "ipmi", {"privilege_level": "operator"}),
        (ipmi(ipmi_hex_kg_key="00ff"), "ipmi", {"kg_key": "00ff"}),
        (ipmi(ipmi_bridging="no", ipmi_protocol_version="2.0"), "ipmi", {"address": "ipmi://192.0.2.10"}),
        (redfish(), "redfish", {"address": "https://192.0.2.10", "username": "admin", "password": "s3cret"}),
        (redfish(redfish_address="bmc01.example.com:8443/"), "redfish", {"address": "https://bmc01.example.com:8443"}),
        (redfish(redfish_address="2001:db8::1"), "redfish", {"address": "https://[2001:db8::1]"}),
        (redfish(redfish_system_id="/redfish/v1/Systems/11"), "redfish", {"system_id": "11"}),
        (redfish(redfish_system_id="11"), "redfish", {"system_id": "11"}),
        (redfish(redfish_verify_ca="False"), "redfish", {"verify": False}),
        (redfish(redfish_verify_ca=True), "redfish", {"verify": True}),
        (redfish(redfish_verify_ca="/etc/ssl/bmc.pem"), "redfish", {"verify": "/etc/ssl/bmc.pem"}),
        ({**redfish(), "driver": "idrac"}, "redfish", {"address": "https://192.0.2.10"}),
        ({**redfish(), "driver": "snmp"}, "redfish", {"address": "https://192.0.2.10"}),
        (
            {**NODE, "driver": "pxe_drac", "driver_info": {"drac_address": "192.0.2.10", "drac_password": "s3cret"}},
            "redfish",
            {"address": "https://192.0.2.10", "password": "s3cret"},
        ),
        (
            {**NODE, "driver": "ilo5", "driver_info": {"ilo_address": "192.0.2.10", "ilo_verify_ca": False}},
            "redfish",
            {"address": "https://192.0.2.10", "verify": False},
        ),
    ],
)
def test_drivers(node: Json, driver: str, bmc: Json) -> None:
    found = variables(node)
    assert found["bm_driver"] == driver
    assert found["bm_bmc"].items() >= bmc.items()


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({**NODE, "nics": [{"mac": "52-54-00-AA-BB-CC"}, MACS[1]]}, {"bm_boot_mac": "52:54:00:aa:bb:cc"}),
        ({**NODE, "resource_class": "gold"}, {"bm_resource_class": "gold"}),
        ({**NODE, "traits": ["CUSTOM_GPU"]}, {"bm_traits": ["CUSTOM_GPU"]}),
        (
            properties(cpus="16", ram="32760", disk_size="235", cpu_arch="x86_64"),
            {"bm_properties": {"cpus": 16, "memory_mb": 32760, "local_gb": 235, "cpu_arch": "x86_64"}},
        ),
        (properties(memory_mb=1, local_gb=0), {"bm_properties": {"memory_mb": 1, "local_gb": 0}}),
        (
            properties(capabilities="boot_mode:bios, rack:r1"),
            {"bm_capabilities": {"boot_mode": "bios", "rack": "r1"}, "bm_boot_mode": "bios"},
        ),
        (properties(capabilities={"boot_mode": "uefi"}), {"bm_boot_mode": "uefi"}),
        (properties(root_device={"wwn": "0x4000"}), {"bm_root_device": {"wwn": "0x4000"}}),
        ({**NODE, "boot_interface": "ipxe"}, {"bm_boot_interface": "ipxe"}),
        ({**NODE, "boot_interface": "ilo-pxe"}, {"bm_boot_interface": "ipxe"}),
        ({**NODE, "boot_interface": "redfish-virtual-media"}, {"bm_boot_interface": "virtual_media"}),
        ({**NODE, "boot_interface": "redfish-https"}, {"bm_boot_interface": "http"}),
        ({**NODE, "bm_image": {"url": "http://192.0.2.1/x.raw"}}, {"bm_image": {"url": "http://192.0.2.1/x.raw"}}),
        ({**NODE, "ansible_user": "debian"}, {"ansible_user": "debian"}),
        ({**NODE, "bm_boot_mac": "52:54:00:00:00:09"}, {"bm_boot_mac": "52:54:00:00:00:09"}),
    ],
)
def test_fields(node: Json, expected: Json) -> None:
    assert variables(node).items() >= expected.items()


STATIC = {**NODE, "ipv4_address": "198.51.100.11"}


@pytest.mark.parametrize(
    ("node", "ramdisk"),
    [
        (NODE, None),
        (STATIC, {"network": {"address": "198.51.100.11/24"}}),
        ({**STATIC, "ipv4_subnet_mask": "255.255.254.0"}, {"network": {"address": "198.51.100.11/23"}}),
        (
            {
                **STATIC,
                "ipv4_gateway": "198.51.100.1",
                "ipv4_nameserver": "198.51.100.2",
                "ipv4_interface_mac": "52:54:00:00:00:02",
            },
            {
                "network": {
                    "address": "198.51.100.11/24",
                    "gateway": "198.51.100.1",
                    "dns": ["198.51.100.2"],
                    "mac": "52:54:00:00:00:02",
                }
            },
        ),
        ({**STATIC, "addressing_mode": "dhcp"}, None),
        ({**STATIC, "inventory_dhcp": "True"}, None),
        ({**STATIC, "inventory_dhcp": False}, {"network": {"address": "198.51.100.11/24"}}),
        ({**STATIC, "provisioning_ipv4_address": "198.51.100.11"}, {"network": {"address": "198.51.100.11/24"}}),
        ({**STATIC, "provisioning_ipv4_address": "203.0.113.5"}, {"address": "203.0.113.5"}),
    ],
)
def test_the_ramdisk_s_network(node: Json, ramdisk: Json | None) -> None:
    assert variables(node).get("bm_ramdisk") == ramdisk
    assert variables(node).get("ansible_host") == node.get("ipv4_address")


def test_the_static_network_can_be_switched_off() -> None:
    assert "bm_ramdisk" not in variables(STATIC, ramdisk_network=False)


def test_common_variables_are_merged_below_the_row() -> None:
    common = {"bm_bmc": {"username": "x", "verify": "/ca.pem"}, "bm_ramdisk": {"kernel": "/k"}, "bm_rebuild": True}
    found = variables(STATIC, variables=common)
    assert found["bm_bmc"] == {
        "address": "ipmi://192.0.2.10",
        "username": "admin",
        "password": "s3cret",
        "verify": "/ca.pem",
    }
    assert found["bm_ramdisk"] == {"kernel": "/k", "network": {"address": "198.51.100.11/24"}}
    assert found["bm_rebuild"] is True


def test_a_common_variable_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="bm_bcm does not exist"):
        hosts({"node01": NODE}, variables={"bm_bcm": {}})


def test_the_row_is_there_without_credentials() -> None:
    found = hosts({"key": {**NODE, "name": "node01", "uuid": "u", "host_groups": ["nova", "baremetal"]}})[0]
    assert (found.name, found.groups) == ("node01", ("baremetal", "nova"))
    assert found.variables["bifrost"] == {
        "name": "node01",
        "uuid": "u",
        "driver": "ipmi",
        "nics": NODE["nics"],
        "host_groups": ["nova", "baremetal"],
    }


BAD: list[tuple[Json, str]] = [
    ({**NODE, "nics": [{"mac": "52:54:00"}]}, "nics[0].mac is no MAC address. Write it as 52:54:00:12:34:56."),
    ({**NODE, "nics": [{"mac": 1}]}, "nics[0].mac is no string. Put it in quotes."),
    ({**NODE, "nics": [MACS[0], {}]}, "nics[1].mac is missing."),
    ({**NODE, "nics": []}, "nics is missing. List the ports"),
    ({**NODE, "nics": "52:54:00:00:00:01"}, "nics is no list of mappings."),
    ({**NODE, "nics": [MACS[0], MACS[0]]}, "nics[1].mac is the same as that of node01. Correct one of them."),
    ({**NODE, "driver": None}, "driver is missing. Set it to redfish or ipmi."),
    ({**NODE, "driver": "snmp"}, "driver has no counterpart here. Use ipmi, or redfish with"),
    ({**NODE, "driver": ["ipmi"]}, "driver is no string."),
    ({**NODE, "driver_info": "s3cret"}, "driver_info is no mapping."),
    ({**NODE, "driver_info": {}}, "driver_info.ipmi_address is missing. Give the address of the node's BMC."),
    ({**NODE, "driver_info": {"power": []}}, "driver_info.power is no mapping."),
    (ipmi(ipmi_address="192.0.2.300"), "driver_info.ipmi_address is no host name or IP address. Correct it."),
    (ipmi(ipmi_address="s3cret!"), "driver_info.ipmi_address is no host name or IP address."),
    (ipmi(ipmi_password=4711), "driver_info.ipmi_password is no string. Put it in quotes."),
    (ipmi(ipmi_port=0), "driver_info.ipmi_port is no whole number from 1 to 65535."),
    (ipmi(ipmi_port=True), "driver_info.ipmi_port is no whole number"),
    (ipmi(ipmi_bridging="dual"), "driver_info.ipmi_bridging is not supported. Give the address of the node's own BMC."),
    (ipmi(ipmi_protocol_version="1.5"), "driver_info.ipmi_protocol_version is not one of 2.0."),
    (ipmi(ipmi_cipher_suite=0), "driver_info.ipmi_cipher_suite is not one of 3, 17."),
    (ipmi(ipmi_priv_level="CALLBACK"), "driver_info.ipmi_priv_level is not one of user, operator, administrator."),
    (ipmi(ipmi_hex_kg_key="s3cret"), "bm_bmc.kg_key must match the pattern"),
    (redfish(redfish_address=""), "driver_info.redfish_address is missing. Give the URL"),
    (redfish(redfish_address="https://admin:s3cret@192.0.2.10"), "driver_info.redfish_address is no URL of a BMC."),
    (redfish(redfish_address="ipmi://192.0.2.10"), "driver_info.redfish_address is no URL of a BMC."),
    (redfish(redfish_address="https://192.0.2.10:x"), "driver_info.redfish_address is no URL of a BMC."),
    (redfish(redfish_address="https://192.0.2"), "driver_info.redfish_address is no URL of a BMC."),
    (redfish(redfish_address="https://[192.0.2.1"), "driver_info.redfish_address is no URL of a BMC."),
    (redfish(redfish_verify_ca="maybe"), "driver_info.redfish_verify_ca is neither true nor false."),
    ({**NODE, "driver": "idrac"}, "driver_info.drac_address is missing."),
    ({**NODE, "name": "a b"}, "name can't be the name of a host. Use letters"),
    ({**NODE, "name": "../x"}, "name can't be the name of a host."),
    ({**NODE, "name": "all"}, "name can't be the name of a host."),
    ({**NODE, "name": 12}, "name is no string."),
    ({**NODE, "name": "baremetal"}, "name is the name of a group, too. Rename one of them."),
    ({**STATIC, "ipv4_address": "198.51.100.300"}, "ipv4_address is no IPv4 address. Write one such as 192.0.2.11."),
    ({**STATIC, "ipv4_gateway": "gateway"}, "ipv4_gateway is no IPv4 address."),
    ({**STATIC, "provisioning_ipv4_address": "1.2.3"}, "provisioning_ipv4_address is no IPv4 address."),
    ({**STATIC, "ipv4_subnet_mask": "255.0.255.0"}, "ipv4_subnet_mask is no subnet mask."),
    ({**STATIC, "ipv4_subnet_mask": "0.0.0.255"}, "ipv4_subnet_mask is no subnet mask."),
    ({**STATIC, "ipv4_nameserver": ["dns"]}, "ipv4_nameserver is no list of IP addresses."),
    ({**STATIC, "ipv4_nameserver": {}}, "ipv4_nameserver is no list of strings."),
    ({**STATIC, "inventory_dhcp": "maybe"}, "inventory_dhcp is neither true nor false."),
    (properties(cpus="many"), "properties.cpus is no whole number of at least 0."),
    (properties(ram=-1), "properties.ram is no whole number"),
    (properties(local_gb=1.5), "properties.local_gb is no whole number"),
    (properties(capabilities="boot_mode"), "properties.capabilities is no list of key:value."),
    (properties(capabilities=[]), "properties.capabilities is no mapping."),
    (properties(capabilities="boot_mode:efi"), "properties.capabilities.boot_mode is not one of uefi, bios."),
    (properties(root_device="/dev/sda"), "properties.root_device is no mapping."),
    (properties(root_device={"wnn": "x"}), "bm_root_device.wnn does not exist. Did you mean wwn?"),
    ({**NODE, "properties": []}, "properties is no mapping."),
    ({**NODE, "boot_interface": "fake"}, "boot_interface has no counterpart here. Use ipxe"),
    ({**NODE, "host_groups": [1]}, "host_groups is no list of strings."),
    ({**NODE, "traits": {}}, "traits is no list of strings."),
    ({**NODE, "resource_class": 1}, "resource_class is no string."),
    ({**NODE, "bm_bmc": "admin:s3cret"}, "bm_bmc is no mapping."),
    ({**NODE, "bm_imgae": {}}, "bm_imgae does not exist. Did you mean bm_image? Correct it."),
]


@pytest.mark.parametrize(("node", "expected"), BAD)
def test_what_is_wrong_is_named(node: Json, expected: str) -> None:
    message = refusal({"node01": node})
    first = message.split("\n- ")[1].replace("The host variable ", "")
    assert first.startswith(f"node01: {expected}")


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({"nics": MACS[:1]}, "nics[0].mac is the same as that of node01."),
        ({"name": "node01"}, "name is the same as that of node01."),
        ({"driver_info": IPMI}, "driver_info.ipmi_address is the same as that of node01."),
        ({"driver": "redfish", "driver_info": REDFISH}, "driver_info.redfish_address is the same as that of node01."),
        ({"ipv4_address": "198.51.100.11"}, "ipv4_address is the same as that of node01."),
    ],
)
def test_what_two_nodes_share_is_named(second: Json, expected: str) -> None:
    other = {**ipmi(ipmi_address="192.0.2.11"), "nics": MACS[1:], **second}
    assert refusal({"node01": STATIC, "node02": other}).endswith(f"- node02: {expected} Correct one of them.")


def test_one_bmc_may_have_several_systems_and_one_address_several_ports() -> None:
    first, second = ({**redfish(redfish_system_id=f"/redfish/v1/Systems/{i}"), "nics": [MACS[i]]} for i in range(2))
    third, fourth = ({**ipmi(ipmi_port=6230 + i), "nics": [{"mac": f"52:54:00:00:01:0{i}"}]} for i in range(2))
    assert len(hosts({"a": first, "b": second, "c": third, "d": fourth})) == 4


def test_ten_problems_are_listed_and_all_are_counted() -> None:
    message = refusal({f"node{i:02}": {**NODE, "nics": []} for i in range(12)} | {"node99": "x"})
    assert message.startswith("24 problems, so no host was added:")  # one for its ports, one for the same BMC
    assert message.count("\n- ") == 11
    assert message.endswith("- ... and 14 more")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, "There is no node in it."),
        ({"node01": None}, "node01: is no mapping."),
        ({1: NODE}, "1: name is no string"),
    ],
)
def test_what_is_no_node(document: Json, expected: str) -> None:
    assert expected in refusal(document)


def test_what_comes_from_json_is_the_same() -> None:
    rows = files.rows_of_json(json.dumps({"node01": NODE}))
    assert bifrost.hosts_of(rows, group="baremetal", variables={}) == hosts({"node01": NODE})
