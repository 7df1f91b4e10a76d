"""What an inspection tells is somebody else's word: kept, shown and judged by rules, and never run."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

NODE = ("-l", "node01")
RULES = Path(__file__).resolve().parents[2] / "playbooks" / "rules"
RDMA = str(RULES / "rdma_trait.yml")
VENDOR = "inspected.out_of_band.system.vendor"


def write_play(site: t.Any, *tasks: dict[str, t.Any]) -> str:
    """Write a playbook with these tasks for the nodes; return its path."""
    path = site.folder / "play.yml"
    path.write_text(
        yaml.safe_dump([{"name": "Use it", "hosts": "baremetal", "gather_facts": False, "tasks": list(tasks)}])
    )
    return str(path)


def write_rule(site: t.Any, name: str, *tasks: dict[str, t.Any]) -> str:
    """Write a rule; return its path."""
    path = site.folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(list(tasks)))
    return str(path)


def show(site: t.Any, file: str, *, variable: str = VENDOR) -> dict[str, t.Any]:
    """Return a task that writes a variable to a file, as it is."""
    copy = {"content": f"{{{{ {variable} }}}}", "dest": str(site.folder / file), "mode": "0600"}
    return {"name": "Write it down", "ansible.builtin.copy": copy}


def test_a_template_among_the_facts_is_text_to_rules_and_in_host_vars(site: t.Any) -> None:
    ran, host_vars = site.folder / "ran", site.folder / "host_vars"
    lie = f"{{{{ lookup('ansible.builtin.pipe', 'touch {ran}') }}}}"
    site.script(inventory={"system": {"vendor": lie, "product": "!unsafe {% raw %}\nR640: #1"}})
    keep = {"name": "Keep it", "ansible.builtin.set_fact": {"kept": f"{{{{ {VENDOR} }}}}"}}
    rule = write_rule(site, "rule", keep, show(site, "by_rule"), show(site, "by_fact", variable="kept"))
    options = {
        "inspect_node_in_band": False,
        "inspect_node_host_vars_dir": str(host_vars),
        "inspect_node_json_dir": str(site.folder / "facts" / "json"),
        "inspect_node_rules": [rule],
    }
    assert site.play("enroll.yml", *NODE).code == 0
    run = site.play("inspect.yml", *NODE, **options)
    assert run.code == 0, run.output
    assert (site.folder / "facts" / "json" / "node01.json").exists()
    written = (host_vars / "node01" / "inspected.yml").stat()

    run = site.play(write_play(site, show(site, "by_host_vars")), *NODE)
    assert run.code == 0, run.output
    for file in ("by_rule", "by_fact", "by_host_vars"):
        assert (site.folder / file).read_text() == lie
    assert not ran.exists()

    again = site.play("inspect.yml", *NODE, **options)
    assert again.code == 0, again.output
    assert (host_vars / "node01" / "inspected.yml").stat().st_mtime_ns == written.st_mtime_ns, "it is the same"


@pytest.mark.parametrize("in_band", [False, True], ids=["the BMC's word", "both"])
def test_the_rules_that_are_there_judge_facts_of_any_source(site: t.Any, in_band: bool) -> None:
    site.make_disk()
    site.script(inventory={"memory_mb": 4096})
    assert site.play("enroll.yml", *NODE).code == 0
    options = {
        "inspect_node_in_band": in_band,
        "inspect_node_rules": [RDMA, str(RULES / "minimum_memory.yml")],
        "inspect_node_minimum_memory_mb": 1,
    }
    passed = site.play("inspect.yml", *NODE, **options)
    assert passed.code == 0, passed.output
    refused = site.play("inspect.yml", *NODE, **{**options, "inspect_node_minimum_memory_mb": 10**9})
    assert refused.code == 2
    assert "MiB of memory; 1000000000 MiB are needed." in refused.text
    assert (site.record().provision_state, site.record().last_error) == ("manageable", None)
    assert site.record().inventory["out_of_band"]["memory_mb"] == 4096


def test_a_node_whose_memory_nobody_knows_is_refused(site: t.Any) -> None:
    assert site.play("enroll.yml", *NODE).code == 0
    options = {"inspect_node_rules": [str(RULES / "minimum_memory.yml")], "inspect_node_minimum_memory_mb": 1}
    run = site.play("inspect.yml", *NODE, **options, inspect_node_in_band=False)
    assert run.code == 2
    assert "has an unknown amount of memory; 1 MiB are needed." in run.text


PORT = {"vendor_id": "15b3", "class": "020700"}


@pytest.mark.parametrize(
    ("functions", "traits"),
    [
        ([PORT], ["CUSTOM_LAB", "CUSTOM_RDMA"]),
        ([{**PORT, "class": "0b4000"}, {**PORT, "vendor_id": "8086"}], ["CUSTOM_LAB"]),
    ],
)
def test_a_trait_that_a_rule_gives_is_in_the_store_with_the_next_verb_of_the_play(
    site: t.Any, functions: list[dict[str, str]], traits: list[str]
) -> None:
    facts = {"in_band": {"hardware": {"pci": functions}}}
    tasks = [
        {"name": "Judge", "ansible.builtin.include_tasks": RDMA, "vars": {"inspected": facts}},
        {"name": "Provide", "ansible.builtin.include_role": {"name": "baremetal.lifecycle.provide_node"}},
    ]
    run = site.play(write_play(site, *tasks), *NODE, bm_traits=["CUSTOM_LAB"])
    assert run.code == 0, run.output
    assert site.record().traits == traits


def test_the_inventory_may_derive_a_trait_from_the_facts(site: t.Any) -> None:
    """As docs/inspection.md shows it."""
    page = RULES.parents[1].joinpath("docs", "inspection.md").read_text()
    shown = yaml.safe_load(page.partition("<!-- group_vars -->\n```yaml\n")[2].partition("```")[0])
    run = site.play("provide.yml", *NODE, **shown)
    assert run.code == 0, run.output
    assert site.record().traits == []
    inspected = site.folder / "host_vars" / "node01" / "inspected.yml"
    inspected.parent.mkdir(parents=True)
    inspected.write_text(f"inspected: !unsafe {json.dumps({'in_band': {'hardware': {'pci': [PORT]}}})}")
    assert site.play("manage.yml", *NODE, **shown).code == 0
    run = site.play("provide.yml", *NODE, **shown)
    assert run.code == 0, run.output
    assert site.record().traits == ["CUSTOM_RDMA"]
