"""The examples of docs/inventory.md: they load, and what they make keeps the contract."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import Constructable
from ansible.template import Templar

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract import check as contract
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import trust_as_template

ROOT = Path(__file__).resolve().parents[2]

Json = dict[str, t.Any]

BLOCKS = {
    match[1]: match[2]
    for match in re.finditer(
        r"^```yaml\n# ([^\s:]+).*\n((?:.*\n)*?)```$", (ROOT / "docs/inventory.md").read_text(), re.M
    )
}
"""The YAML blocks of the page by the file name in their first line."""

DEVICE: Json = {
    "id": 7,
    "name": "node01",
    "serial": "7CE1234XYZ",
    "status": {"value": "active", "label": "Active"},
    "role": {"id": 2, "name": "Compute", "slug": "compute"},
    "device_type": {
        "id": 3,
        "model": "ProLiant DL360",
        "slug": "dl360",
        "manufacturer": {"id": 4, "name": "HPE", "slug": "hpe"},
    },
    "primary_ip4": {"id": 11, "family": 4, "address": "198.51.100.11/24"},
    "oob_ip": {"id": 12, "family": 4, "address": "192.0.2.10/24"},
    "tags": [{"id": 1, "name": "Bare Metal", "slug": "bare-metal", "color": "9e9e9e"}],
    "custom_fields": {
        "boot_mac": "52:54:00:12:34:56",
        "boot_interface": "ipxe",
        "bmc_protocol": "ipmi",
        "root_disk_serial": "S4EWNX0R",
        "resource_class": "gold",
    },
}
"""A device as NetBox's API has it; nb_inventory gives just this to compose."""


def evaluated(expression: str, variables: Json) -> t.Any:
    """Return what an expression comes to, as Constructable has it."""
    plugin = Constructable()
    plugin.templar = Templar(loader=DataLoader(), variables=variables)
    return plugin._compose(trust_as_template(expression), variables)


def composed(device: Json) -> Json:
    expressions = yaml.safe_load(BLOCKS["netbox.yml"])["compose"]
    found = {key: evaluated(text, device) for key, text in expressions.items()}
    group = yaml.safe_load(BLOCKS["group_vars/baremetal.yml"])
    trusted = {key: trust_as_template(text) for key, text in group["bm_bmc"].items()}
    templar = Templar(loader=DataLoader(), variables={**found, "vault_bmc_password": "s3cret"})
    return {**found, "bm_bmc": templar.template(trusted)}


def checked(variables: Json) -> Json:
    ours = {key: value for key, value in variables.items() if key.startswith("bm_")}
    contract.check(ours, node="node01")
    return {key: value for key, value in ours.items() if value not in (None, "")}


def test_netbox() -> None:
    assert checked(composed(DEVICE)) == {
        "bm_bmc": {
            "address": "ipmi://192.0.2.10",
            "username": "admin",
            "password": "s3cret",
            "verify": "/etc/ssl/bmc-ca.pem",
        },
        "bm_boot_mac": "52:54:00:12:34:56",
        "bm_boot_interface": "ipxe",
        "bm_root_device": {"serial": "S4EWNX0R"},
        "bm_resource_class": "gold",
        "bm_properties": {"vendor": "HPE", "product": "ProLiant DL360", "serial": "7CE1234XYZ"},
    }


def test_netbox_with_empty_custom_fields() -> None:
    found = checked(composed({**DEVICE, "custom_fields": dict.fromkeys(DEVICE["custom_fields"])}))
    assert found["bm_bmc"]["address"] == "https://192.0.2.10"
    assert sorted(found) == ["bm_bmc", "bm_properties"]


@pytest.mark.parametrize(("tags", "expected"), [(["bare-metal", "rack1"], True), (["rack1"], False)])
def test_netbox_s_group(tags: list[str], expected: bool) -> None:
    condition = yaml.safe_load(BLOCKS["netbox.yml"])["groups"]["baremetal"]
    assert evaluated(condition, {"tags": tags}) is expected


def test_host_variables() -> None:
    group = yaml.safe_load(BLOCKS["inventory/hosts.yml"])["baremetal"]
    checked({**group["vars"], **group["hosts"]["node01"]})


def test_bifrost(tmp_path: Path) -> None:
    for name in ("baremetal.yml", "bifrost.yml"):
        (tmp_path / name).write_text(BLOCKS[name])
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "-i", tmp_path / "bifrost.yml", "--list"],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    first, second = (found["_meta"]["hostvars"][name] for name in ("node01", "node02"))
    checked(first)
    checked(second)
    assert first["bm_bmc"]["system_id"] == "1"
    assert first["bm_image"] == {"url": "http://192.0.2.1/debian-12.raw"}
    assert first["bm_ramdisk"]["network"] == {"address": "198.51.100.11/24", "gateway": "198.51.100.1"}
    assert first["bm_ramdisk"]["kernel"] == second["bm_ramdisk"]["kernel"] == "/srv/www/ramdisk/vmlinuz"
    assert second["bm_bmc"]["username"] == "root"
    assert found["driver_ipmi"]["hosts"] == found["storage"]["hosts"] == ["node02"]
