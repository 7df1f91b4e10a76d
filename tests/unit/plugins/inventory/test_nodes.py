"""The inventory plugin nodes as ansible-inventory runs it: what the store knows, in groups."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

ROOT = Path(__file__).resolve().parents[4]
OWNER = "me@rack1 pid=1 started=1 boot=a ns=1 machine=a"
HOSTS = {"baremetal": {"hosts": {"a1": {"bm_bmc": {"address": "fake:///a1"}}, "a2": {}, "new": {}}}}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with three nodes; two of them are in HOSTS, too."""
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url)
    for name, values in (
        ("a1", {"provision_state": "active", "instance_info": {"image_url": "http://192.0.2.1/x/debian-12.raw"}}),
        ("a2", {"provision_state": "deploy failed", "last_error": "{{ 1 + 1 }}", "resource_class": "compute"}),
        ("old", {"provision_state": "available", "traits": ["CUSTOM_GPU", "HW_X"], "power_state": "power off"}),
    ):
        store.ensure_node(name, "fake")
        store.reserve(name, OWNER, "test", 60)
        record = store.get(name)
        assert record
        for key, value in values.items():
            setattr(record, key, value)
        store.save(record, OWNER, release=name != "a1")
    store.set_maintenance("old", True, "a fan", _entry("old"))
    store.close()
    return url


def _entry(node: str) -> HistoryEntry:
    return HistoryEntry(node=node, event="maintenance")


List = t.Callable[..., t.Any]


@pytest.fixture
def listed(tmp_path: Path) -> List:
    """List an inventory of this source alone, or after hosts.yml; return (groups, host variables) or what is said."""

    def run(*, hosts: bool = False, environment: t.Mapping[str, str] | None = None, **options: t.Any) -> t.Any:
        (tmp_path / "nodes.yml").write_text(yaml.safe_dump({"plugin": "baremetal.lifecycle.nodes", **options}))
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(HOSTS))
        sources = ["-i", "hosts.yml"] * hosts + ["-i", "nodes.yml"]
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-inventory", *sources, "--list"],
            cwd=tmp_path,
            env={
                **{name: value for name, value in os.environ.items() if name != "BAREMETAL_STORE"},
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return " ".join(done.stderr.split())
        found = json.loads(done.stdout)
        groups = {name: group["hosts"] for name, group in found.items() if "hosts" in group}
        return groups, found["_meta"]["hostvars"]

    return run


def test_each_node_is_a_host_in_groups_by_what_it_is(url: str, listed: List) -> None:
    groups, hosts = listed(store=url)
    assert groups == {
        "baremetal": ["a1", "a2", "old"],
        "state_active": ["a1"],
        "state_deploy_failed": ["a2"],
        "state_available": ["old"],
        "image_debian_12_raw": ["a1"],
        "class_compute": ["a2"],
        "trait_CUSTOM_GPU": ["old"],
        "trait_HW_X": ["old"],
        "power_off": ["old"],
        "owner_rack1": ["a1"],
        "maintenance": ["old"],
    }
    assert hosts["old"]["baremetal_node"]["maintenance_reason"] == "a fan"
    assert hosts["a2"]["baremetal_node"]["last_error"] in ("{{ 1 + 1 }}", {"__ansible_unsafe": "{{ 1 + 1 }}"})


def test_groups_are_chosen_and_made(url: str, listed: List) -> None:
    groups, dummy = listed(
        store=url,
        group="racks",
        group_by=["flag"],
        groups={"bad": "baremetal_node.provision_state.endswith('failed')"},
        keyed_groups=[{"key": "baremetal_node.driver", "prefix": "by"}],
    )
    assert groups == {
        "racks": ["a1", "a2", "old"],
        "maintenance": ["old"],
        "bad": ["a2"],
        "by_fake": ["a1", "a2", "old"],
    }


def test_it_comes_beside_the_inventory_that_describes_the_machines(url: str, listed: List) -> None:
    groups, hosts = listed(hosts=True, store=url, only_known=True)
    assert groups["baremetal"] == ["a1", "a2", "new"]
    assert hosts["a1"]["bm_bmc"] == {"address": "fake:///a1"}
    assert hosts["a1"]["baremetal_node"]["provision_state"] == "active"
    assert "old" not in hosts
    assert "new" not in hosts


@pytest.mark.parametrize("way", ["template", "environment", "state_dir"])
def test_where_the_store_is(url: str, listed: List, tmp_path: Path, way: str) -> None:
    options = {"template": {"store": "{{ lookup('env', 'WHERE') }}"}, "state_dir": {"state_dir": str(tmp_path)}}
    groups, dummy = listed(
        environment={"WHERE": url, "BAREMETAL_STORE": url if way == "environment" else ""}, **options.get(way, {})
    )
    assert groups["state_active"] == ["a1"]


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        ({"store": "sqlite:////nowhere/store.db"}, {}, "There is no store /nowhere/store.db yet."),
        ({"store": "no url"}, {}, "bm_store"),
        ({"store": "sqlite"}, {}, "bm_store"),
        ({"store": "postgresql+psycopg://me:s3cret@127.0.0.1:1/x"}, {}, "does not answer"),
        ({}, {"container": "podman"}, "Set bm_store to a PostgreSQL database"),
        ({"group_by": ["colour"]}, {}, "colour"),
    ],
)
def test_a_store_that_is_away_is_said(
    listed: List, options: dict[str, t.Any], environment: dict[str, str], said: str
) -> None:
    told = listed(environment=environment, **options)
    assert said in told, told
    assert "s3cret" not in told
    assert not Path("/nowhere").exists()


def test_what_was_read_is_kept_as_long_as_is_said(url: str, listed: List, tmp_path: Path) -> None:
    cached = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    before, dummy = listed(store=url, cache_timeout=600, **cached)
    (tmp_path / "store.db").unlink()
    again, hosts = listed(store=url, cache_timeout=600, **cached)
    assert again == before
    assert hosts["a1"]["baremetal_node"]["provision_state"] == "active"
    assert "There is no store" in listed(store=url)
