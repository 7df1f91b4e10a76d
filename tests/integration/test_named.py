"""What loses an instance, data or work is done to named nodes alone, however somebody gets to the act."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import yaml

NODES = ("node01", "node02")
VERBS = ["adopt", "clean", "provide", "rebuild", "rescue", "service", "undeploy"]
EVENTS = ["abort", "hold", "manage", "unhold"]
SAYS = "Say which nodes are meant, with -l node0"


def act(module: str, **options: t.Any) -> dict[str, t.Any]:
    return {f"baremetal.lifecycle.{module}": options, "register": "done", "ignore_errors": True}


CHECK = {
    "ansible.builtin.assert": {
        "that": f"(done.results | default([done])) | rejectattr('msg', 'search', '{SAYS}') | list == []"
    }
}
ACTS = [
    {**act("bm_validate", verb="{{ item }}"), "loop": VERBS},
    {**act("bm_prepare", verb="{{ item }}"), "loop": VERBS},
    {**act("bm_prepare", verb="{{ item }}"), "loop": VERBS, "delegate_to": "localhost"},
    {**act("bm_deploy", verb="{{ item }}"), "loop": VERBS},
    {**act("bm_state", event="{{ item }}"), "loop": EVENTS},
    act("bm_state", remove="yes"),
    {**act("bm_state", remove=True), "async": 30, "poll": 1},
    act("bm_state", protect=False),
    act("bm_state", maintenance=True, name="{{ inventory_hostname }}"),
]


def snapshot(site: t.Any) -> list[t.Any]:
    return [(site.record(node), site.machine(node)["calls"], len(site.history(node))) for node in NODES]


def own_play(site: t.Any, *plays: dict[str, t.Any]) -> str:
    path = site.folder / "own.yml"
    path.write_text(yaml.safe_dump([{"hosts": "baremetal", "gather_facts": False, **play} for play in plays]))
    return str(path)


def test_no_way_around_the_check_leads_to_an_instance(site: t.Any) -> None:
    for node in NODES:
        site.put(node, "active")
    before = snapshot(site)
    tagged = own_play(site, {"roles": [{"role": "baremetal.lifecycle.undeploy_node", "tags": ["go"]}]})
    ways = [
        ("undeploy.yml", ("--start-at-task", "Undeploy the node"), ""),
        ("undeploy.yml", ("--step", "-l", "", "-e", "ansible_limit=node01"), "c\n"),
        (tagged, ("--tags", "go"), ""),
        (tagged, ("--start-at-task", "Begin the work"), ""),
    ]
    for playbook, arguments, answers in ways:
        run = site.play(playbook, *arguments, nodes=NODES, answers=answers)
        assert run.code == 2, run.output
        assert run.text.count(SAYS) >= len(NODES), run.output
        assert snapshot(site) == before, arguments
    run = site.play(own_play(site, {"tasks": [task for one in ACTS for task in (one, CHECK)]}), nodes=NODES)
    assert run.code == 0, run.output
    assert snapshot(site) == before


def test_each_way_that_is_meant_names_a_node(site: t.Any) -> None:
    for node in NODES:
        site.put(node, "available")
    manage = {"baremetal.lifecycle.bm_state": {"event": "manage"}}
    there = {
        "remove": True,
        "bmc": {"address": f"fake://{site.folder}/x.json"},
        "state_dir": site.variables["bm_state_dir"],
    }
    plays = [
        {"hosts": ["node02:!node02", "node01"], "tasks": [manage]},
        {"vars": {"provision_node_named": "{{ inventory_hostname == 'node02' }}"}, "tasks": [
            {**manage, "when": "inventory_hostname == 'node02'"}
        ]},
        {"hosts": "localhost", "tasks": [{"baremetal.lifecycle.bm_state": {"name": "node01", **there}}]},
    ]  # fmt: skip
    run = site.play(own_play(site, *plays), nodes=NODES)
    assert run.code == 0, run.output
    assert (site.record("node01"), site.record("node02").provision_state) == (None, "manageable")
