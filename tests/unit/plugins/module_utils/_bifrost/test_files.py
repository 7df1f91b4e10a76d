"""Bifrost's files as rows: the legacy CSV's columns, JSON, and what can't be read."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._bifrost import files
from ansible_collections.baremetal.lifecycle.plugins.module_utils._bifrost import rows as bifrost
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError

CELLS = [
    "52:54:00:00:00:01", "admin", "s3cret", "192.0.2.10", "16", "32768", "480", "NA", "NA",
    "00000000-0000-0000-0000-000000000001", "node01", "198.51.100.11", "", "", "", "", "ipmi", "",
]  # fmt: skip


def line(length: int = 18, **cells: str) -> str:
    changed = {int(key.removeprefix("c")): value for key, value in cells.items()}
    return ",".join(changed.get(i, cell) for i, cell in enumerate(CELLS[:length])) + "\n"


def hosts(text: str) -> list[bifrost.Host]:
    return bifrost.hosts_of(files.rows_of_csv(text), group="baremetal", variables={})


def refusal(text: str) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        hosts(text)
    assert "s3cret" not in caught.value.message + caught.value.hint
    return caught.value.message


def test_columns() -> None:
    found = hosts(line(c17="203.0.113.5"))[0]
    assert found.name == "node01"
    assert found.variables == {
        "ansible_host": "198.51.100.11",
        "bm_driver": "ipmi",
        "bm_bmc": {"address": "ipmi://192.0.2.10", "username": "admin", "password": "s3cret"},
        "bm_boot_mac": "52:54:00:00:00:01",
        "bm_properties": {"cpus": 16, "memory_mb": 32768, "local_gb": 480, "cpu_arch": "x86_64"},
        "bm_ramdisk": {"address": "203.0.113.5"},
        "bifrost": {
            "name": "node01",
            "uuid": "00000000-0000-0000-0000-000000000001",
            "driver": "ipmi",
            "nics": [{"mac": "52:54:00:00:00:01"}],
            "properties": {"cpus": "16", "ram": "32768", "disk_size": "480", "cpu_arch": "x86_64"},
            "ipv4_address": "198.51.100.11",
            "provisioning_ipv4_address": "203.0.113.5",
        },
    }


@pytest.mark.parametrize(
    ("row", "driver", "address"),
    [
        (line(11), "ipmi", "ipmi://192.0.2.10"),
        (line(16), "ipmi", "ipmi://192.0.2.10"),
        (line(17, c16="agent_ipmitool"), "ipmi", "ipmi://192.0.2.10"),
        (line(17, c16="redfish"), "redfish", "https://192.0.2.10"),
        (line(17, c16="idrac", c3="https://192.0.2.10:8443"), "redfish", "https://192.0.2.10:8443"),
        (line(17, c2='"a,b ""c"""'), "ipmi", "ipmi://192.0.2.10"),
    ],
)
def test_drivers_and_lengths(row: str, driver: str, address: str) -> None:
    found = hosts(f"\n{row}\n")[0].variables
    assert (found["bm_driver"], found["bm_bmc"]["address"]) == (driver, address)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (line(10), "row 2: has 10 columns instead of 11 to 18."),
        (line().strip() + ",x\n", "row 2: has 19 columns instead of 11 to 18."),
        (line(c0="52:54"), "row 2 (node01): column 1 (MAC address) is no MAC address."),
        (line(c3=""), "row 2 (node01): column 4 (management address) is missing."),
        (line(c3="s3cret!"), "row 2 (node01): column 4 (management address) is no host name or IP address."),
        (line(c3="https://x:s3cret@y", c16="redfish"), "row 2 (node01): column 4 (management address) is no URL"),
        (line(c4="x"), "row 2 (node01): column 5 (CPU count) is no whole number"),
        (line(c5="x"), "row 2 (node01): column 6 (memory in MB) is no whole number"),
        (line(c6="x"), "row 2 (node01): column 7 (disk in GB) is no whole number"),
        (line(c10=""), "row 2: column 11 (node name) is missing."),
        (line(c10="a b"), "row 2: column 11 (node name) can't be the name of a host."),
        (line(c10="first"), "row 2 (first): column 11 (node name) is the same as that of row 1 (first)."),
        (line(c11="x"), "row 2 (node01): column 12 (IP address) is no IPv4 address."),
        (line(c12="0"), "row 2 (node01): columns 13 to 16 (bridging) is not supported."),
        (line(c16="agent_ssh"), "row 2 (node01): column 17 (driver) has no counterpart here."),
        (line(c17="x"), "row 2 (node01): column 18 (provisioning IP address) is no IPv4 address."),
    ],
)
def test_a_broken_row_is_named_by_its_number(row: str, expected: str) -> None:
    first = line(c0="52:54:00:00:00:09", c3="192.0.2.9", c10="first", c11="198.51.100.9")
    assert f"\n- {expected}" in refusal(first + row)


def test_a_comma_in_a_password_is_found_and_not_quoted() -> None:
    message = refusal(line(17, c2="s3cret,s3cret!"))
    assert ": column 4 (management address) is no host name or IP address." in message


def test_quotes_that_are_not_closed() -> None:
    assert "no valid CSV at row 2 or above" in refusal(line() + line(c2='"s3cret'))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"node01": {"driver_info": {"ipmi_password": "s3cret" "x"}}}', "no valid JSON at line 1, column 55."),
        ("", "no valid JSON at line 1, column 1."),
        ('["s3cret"]', "It is no mapping."),
    ],
)
def test_what_is_no_json(text: str, expected: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        files.rows_of_json(text)
    assert expected in caught.value.message
    assert "s3cret" not in caught.value.message


def test_keys_that_are_there_twice() -> None:
    rows = files.rows_of_json('{"a": {"driver": "ipmi", "driver": "ipmi"}, "a": {}}')
    assert rows[0].problems == [
        "driver is there twice in one mapping. Remove or rename one of them.",
        "a is there twice in one mapping. Remove or rename one of them.",
    ]
