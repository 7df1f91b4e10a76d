"""The shape of an inventory, and what the fake driver makes of its file."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.fake import FakeDriver

EMPTY: dict[str, t.Any] = {
    "system": {"vendor": None, "product": None, "serial": None, "uuid": None, "sku": None},
    "firmware": {"bios": None, "bmc": None},
    "cpus": {"count": None, "sockets": None, "model": None, "architecture": None},
    "memory_mb": None,
    "disks": [],
    "nics": [],
    "boot_mode": None,
    "missing": [],
}
DISK = {"name": "nvme0", "model": None, "serial": "S1", "size_bytes": 10, "media_type": None, "protocol": None}
NIC = {"name": None, "mac": "52:54:00:00:00:01", "speed_mbps": None, "link": None}


@pytest.mark.parametrize(
    ("scripted", "expected"),
    [
        ({}, {}),
        ({"inventory": {}}, {}),
        ({"inventory": {"memory_mb": 4096, "boot_mode": "uefi"}}, {"memory_mb": 4096, "boot_mode": "uefi"}),
        ({"inventory": {"system": {"serial": "A1"}}}, {"system": {**EMPTY["system"], "serial": "A1"}}),
        (
            {
                "inventory": {
                    "disks": [{"name": "nvme0", "serial": "S1", "size_bytes": 10}],
                    "nics": [{"mac": NIC["mac"]}],
                }
            },
            {"disks": [DISK], "nics": [NIC]},
        ),
        ({"inventory": {"missing": ["nics", "disks", "nics"]}}, {"missing": ["disks", "nics"]}),
    ],
)
def test_what_a_file_does_not_have_is_not_told(
    fake_node: t.Any, scripted: dict[str, t.Any], expected: dict[str, t.Any]
) -> None:
    fake_node.script(**scripted)
    with FakeDriver(Node.from_params(fake_node.params(NODE_SPEC))) as driver:
        assert driver.inspect is not None
        assert driver.inspect.get_inventory() == {**EMPTY, **expected}
    assert fake_node.machine["calls"] == []


def test_a_fault_can_be_scripted(fake_node: t.Any) -> None:
    fake_node.script(faults=[{"operation": "get_inventory", "error": "BMCConnectionError", "message": "away"}])
    with FakeDriver(Node.from_params(fake_node.params(NODE_SPEC))) as driver:
        assert driver.inspect is not None
        with pytest.raises(errors.BMCConnectionError, match="away"):
            driver.inspect.get_inventory()
