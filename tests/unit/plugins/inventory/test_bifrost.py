"""The inventory plugin as ansible-inventory runs it: all hosts of a file, or none."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
BIN = Path(sys.executable).parent

Json = dict[str, t.Any]
SECRET = "s3cret{{ 1 }}"


@dataclasses.dataclass
class Run:
    """What ansible-inventory --list came back with."""

    code: int
    inventory: Json
    warnings: str

    def says(self, text: str) -> bool:
        """Say whether a warning says this; Ansible before 2.19 folds them where it likes."""
        return "".join(text.split()) in "".join(self.warnings.split())

    @property
    def hosts(self) -> Json:
        found: Json = self.inventory["_meta"]["hostvars"]
        return found


Inventory = t.Callable[..., Run]


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Write a file beside its bifrost.yml, and list the inventory."""

    def run(name: str, text: str, *, must_parse: bool = True, environment: t.Any = None, **options: t.Any) -> Run:
        (tmp_path / name).write_text(text)
        config = {"plugin": "baremetal.lifecycle.bifrost", "path": name, **options}
        source = tmp_path / "bifrost.yml"
        source.write_text(yaml.safe_dump({key: value for key, value in config.items() if value is not None}))
        done = subprocess.run(
            [BIN / "ansible-inventory", "-i", source, "--list"],
            cwd=tmp_path,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": str(must_parse),
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(done.returncode, json.loads(done.stdout or "{}"), done.stderr)

    return run


def node(number: int, **more: t.Any) -> Json:
    return {
        "driver": "ipmi",
        "driver_info": {
            "ipmi_address": f"10.0.{number // 250}.{number % 250 + 1}",
            "ipmi_username": "admin",
            "ipmi_password": SECRET,
        },
        "nics": [{"mac": f"52:54:00:00:{number // 256:02x}:{number % 256:02x}"}],
        "ipv4_address": f"10.1.{number // 250}.{number % 250 + 1}",
        **more,
    }


def csv_line(number: int) -> str:
    each = node(number)
    mac, info = each["nics"][0]["mac"], each["driver_info"]
    driver = "redfish" if number == 1 else ""
    return (
        f"{mac},admin,{SECRET},{info['ipmi_address']},8,1024,10,,,,node{number},{each['ipv4_address']},,,,,{driver}\n"
    )


def thousand(suffix: str) -> str:
    """Return a file with a thousand nodes."""
    if suffix == "csv":
        return "".join(csv_line(number) for number in range(1000))
    nodes = {f"node{number}": node(number) for number in range(1000)}
    return json.dumps(nodes) if suffix == "json" else yaml.safe_dump(nodes)


REDFISH = {"redfish_address": "https://10.0.0.2", "redfish_username": "admin", "redfish_password": SECRET}
NODES = {
    "node0": node(0, host_groups=["storage"]),
    "node1": node(1, driver="redfish", driver_info=REDFISH),
    "node2": node(2),
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("baremetal.yml", yaml.safe_dump(NODES)),
        ("baremetal.yaml", "---\n" + yaml.safe_dump(NODES)),
        ("baremetal.json", json.dumps(NODES)),
        ("baremetal.csv", "".join(csv_line(number) for number in range(3))),
        ("baremetal.csv", "\ufeff" + "".join(csv_line(number) for number in range(3)).replace("\n", "\r\n")),
    ],
    ids=["yml", "yaml", "json", "csv", "csv of a spreadsheet"],
)
def test_each_format(inventory: Inventory, name: str, text: str) -> None:
    run = inventory(name, text, keyed_groups=[{"key": "bm_driver", "prefix": "driver"}])
    assert run.code == 0, run.warnings
    assert run.inventory["baremetal"]["hosts"] == ["node0", "node1", "node2"]
    assert run.inventory["driver_redfish"]["hosts"] == ["node1"]
    assert run.inventory["driver_ipmi"]["hosts"] == ["node0", "node2"]
    assert run.hosts["node1"]["bm_bmc"] == {
        "address": "https://10.0.0.2",
        "username": "admin",
        "password": {"__ansible_unsafe": SECRET},  # no template, whatever it looks like
    }
    assert run.hosts["node2"]["bm_bmc"]["address"] == "ipmi://10.0.0.3"
    assert run.hosts["node2"]["bm_boot_mac"] == "52:54:00:00:00:02"
    assert run.hosts["node2"]["ansible_host"] == "10.1.0.3"
    assert run.hosts["node2"]["bm_ramdisk"] == {"network": {"address": "10.1.0.3/24"}}


def test_options(inventory: Inventory) -> None:
    run = inventory(
        "baremetal.yml",
        yaml.safe_dump(NODES),
        group="metal",
        ramdisk_network=False,
        host_variables={"bm_bmc": {"verify": "{{ ca }}", "username": "x"}, "bm_rebuild": True},
        compose={"rack": "'r' ~ bifrost.nics[0].mac[-1]"},
        groups={"first": "rack == 'r0'"},
        strict=True,
    )
    assert run.code == 0, run.warnings
    assert run.inventory["metal"]["hosts"] == ["node0", "node1", "node2"]
    assert run.inventory["storage"]["hosts"] == ["node0"]
    assert run.inventory["first"]["hosts"] == ["node0"]
    found = run.hosts["node0"]
    assert found["bm_rebuild"] is True
    assert (found["bm_bmc"]["verify"], found["bm_bmc"]["username"]) == ("{{ ca }}", "admin")
    assert "bm_ramdisk" not in found
    assert "driver_info" not in found["bifrost"]


def test_bifrost_s_own_environment_variable(inventory: Inventory) -> None:
    environment = {"BIFROST_INVENTORY_SOURCE": "baremetal.json"}
    run = inventory("baremetal.json", json.dumps(NODES), path=None, environment=environment)
    assert sorted(run.hosts) == ["node0", "node1", "node2"], run.warnings


def test_a_vault(inventory: Inventory, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("key")
    plain = tmp_path / "plain.yml"
    plain.write_text(yaml.safe_dump(NODES))
    subprocess.run([BIN / "ansible-vault", "encrypt", "--vault-password-file", key, plain], check=True)
    environment = {"ANSIBLE_VAULT_PASSWORD_FILE": str(key)}
    run = inventory("baremetal.yml", plain.read_text(), environment=environment)
    assert sorted(run.hosts) == ["node0", "node1", "node2"], run.warnings


@pytest.mark.parametrize("suffix", ["yml", "json", "csv"])
def test_a_thousand_rows(inventory: Inventory, suffix: str) -> None:
    run = inventory(f"baremetal.{suffix}", thousand(suffix))
    assert run.code == 0, run.warnings
    assert len(run.inventory["baremetal"]["hosts"]) == 1000


@pytest.mark.parametrize(
    ("suffix", "must_parse", "expected"),
    [
        ("yml", True, "node700: nics[0].mac is no MAC address. Write it as 52:54:00:12:34:56."),
        ("json", True, "node700: nics[0].mac is no MAC address. Write it as 52:54:00:12:34:56."),
        ("csv", True, "row 701 (node700): column 1 (MAC address) is no MAC address. Write it as 52:54:00:12:34:56."),
        ("csv", False, "row 701 (node700): column 1 (MAC address) is no MAC address."),
    ],
)
def test_one_broken_row_among_a_thousand(inventory: Inventory, suffix: str, must_parse: bool, expected: str) -> None:
    mac = node(700)["nics"][0]["mac"]
    text = thousand(suffix).replace(mac, f"{mac}:99")
    run = inventory(f"baremetal.{suffix}", text, must_parse=must_parse)
    assert run.says(f"baremetal.{suffix}: 1 problem, so no host was added:\n- {expected}"), run.warnings
    assert not run.says("s3cret")
    if must_parse:
        assert run.code != 0
    else:
        assert run.hosts == {}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("baremetal.yml", "a: {driver_info: {ipmi_password: *s3cret}}", "no valid YAML at line 1, column 34."),
        ("baremetal.yml", "a:\n  driver_info: {ipmi_password: !s3cret x}", "no valid YAML at line 2, column 32."),
        ("baremetal.yml", "a: 2001-99-99", "It is no valid YAML."),
        (
            "baremetal.yml",
            "a: {driver: ipmi}\nb: {}\na: {}",
            "key: a is there twice, again in line 3. Remove or rename",
        ),
        ("baremetal.yml", "- s3cret", "It is no mapping. Write each node's fields below its name."),
        ("baremetal.yml", "", "It is no mapping."),
        ("baremetal.json", '{"a": "s3cret}', "no valid JSON at line 1, column 7."),
        ("baremetal.csv", "", "There is no node in it."),
        ("baremetal.txt", "", "Its suffix doesn't say what it is. Name it baremetal.yml"),
    ],
)
def test_what_is_no_bifrost_file(inventory: Inventory, name: str, text: str, expected: str) -> None:
    run = inventory(name, text)
    assert run.code != 0
    assert run.says(f"{name}: "), run.warnings
    assert run.says(expected), run.warnings
    assert not run.says("s3cret")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"path": "away.yml"}, "away.yml: There is no such file. Correct the option path."),
        ({"host_variables": {"bm_ramdsk": {}}}, "bm_ramdsk does not exist. Did you mean bm_ramdisk?"),
        ({"compose": {"x": "no_such_variable"}, "strict": True}, "Could not set x for host node0"),
    ],
)
def test_options_that_are_wrong(inventory: Inventory, options: Json, expected: str) -> None:
    run = inventory("baremetal.json", json.dumps(NODES), must_parse=False, **options)
    assert run.says(expected), run.warnings
    assert run.hosts == {}


def test_an_anchor_may_be_overridden(inventory: Inventory) -> None:
    text = """
        node0: &node0
          driver: ipmi
          driver_info: {ipmi_address: 10.0.0.1}
          nics: [{mac: "52:54:00:00:00:00"}]
        node1:
          <<: *node0
          driver_info: {ipmi_address: 10.0.0.2}
          nics: [{mac: "52:54:00:00:00:01"}]
    """
    run = inventory("baremetal.yml", text)
    assert run.hosts["node1"]["bm_bmc"] == {"address": "ipmi://10.0.0.2"}, run.warnings
