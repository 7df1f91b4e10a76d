"""Allocating nodes by playbook, and deploying what was allocated."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import yaml

NODES = ("node01", "node02", "node03")
NODE01 = ("-l", "node01")
WEB = ("-e", "allocation=web", "-e", "resource_class=small", "-e", "traits=CUSTOM_LAB")


def deploy_what_is_allocated(site: t.Any) -> str:
    """Write a playbook that does; it asks again by a delegated task, so that the module is played, too."""
    allocate = {"allocation": "web", "count": 2, "state_dir": "{{ bm_state_dir }}"}
    tasks = [
        {
            "name": "Ask again",
            "baremetal.lifecycle.bm_allocate": allocate,
            "run_once": True,
            "delegate_to": "localhost",
            "register": "again",
        },
        {
            "name": "Check that these are the nodes",
            "ansible.builtin.assert": {
                "that": ["again is not changed", "again.nodes | sort == ansible_play_hosts | sort"]
            },
        },
        {"name": "Deploy", "ansible.builtin.include_role": {"name": "baremetal.lifecycle.provision_node"}},
    ]
    plays = [
        {
            "name": "Allocate",
            "ansible.builtin.import_playbook": "baremetal.lifecycle.allocate",
            "when": "allocation is defined",
        },
        {
            "name": "Deploy",
            "hosts": "{{ 'allocated' if allocation is defined else 'baremetal' }}",
            "gather_facts": False,
            "tasks": tasks,
        },
    ]
    path = site.folder / "play.yml"
    path.write_text(yaml.safe_dump(plays))
    return str(path)


def test_allocate_deploy_and_give_back(site: t.Any) -> None:
    noop = {"nodes": NODES, "bm_deploy_interface": "noop", "bm_resource_class": "small", "bm_traits": ["CUSTOM_LAB"]}
    provided = site.play("provide.yml", "-l", ",".join(NODES), **noop)
    assert provided.code == 0, provided.output

    first = site.play("allocate.yml", *WEB, "-e", "count=2", "--diff", **noop)
    assert (first.code, first.changed) == (0, 1), first.output
    kept = sorted(node for node in NODES if site.record(node).allocation == "web")
    assert f"web: {', '.join(kept)}" in first.text
    again = site.play("allocate.yml", *WEB, "-e", "count=2", **noop)
    assert (again.code, again.changed) == (0, 0), again.output

    more = site.play("allocate.yml", "-e", "allocation=db", "-e", "resource_class=small", "-e", "count=2", **noop)
    assert more.code != 0
    assert "2 nodes are asked for and 1 is free. 3 candidates: 2 allocated to others (web: 2)." in more.text
    wrong = site.play("allocate.yml", *WEB, "-e", "count=many", **noop)
    assert wrong.code != 0
    assert "count" in wrong.text
    assert "See ansible-doc of the module." in wrong.text

    deployed = site.play(deploy_what_is_allocated(site), *WEB, "-e", "count=2", **noop)
    assert deployed.code == 0, deployed.output
    states = {node: site.record(node).provision_state for node in NODES}
    assert states == {node: "active" if node in kept else "available" for node in NODES}

    whole = site.play("deploy_allocated.yml", *WEB, "-e", "count=2", **noop)
    assert (whole.code, whole.changed) == (0, 0), whole.output
    assert "Validate the node" in whole.output

    back = site.play("deallocate.yml", "-e", "allocation=web", **noop)
    assert (back.code, back.changed) == (0, 1), back.output
    assert f"given back: {', '.join(kept)}" in back.text
    assert [site.record(node).allocation for node in NODES] == [None] * 3
    assert {node: site.record(node).provision_state for node in NODES} == states


def test_an_allocated_node_is_not_deleted(site: t.Any) -> None:
    options = {"bm_resource_class": "small"}
    for playbook, arguments in (("provide.yml", NODE01), ("allocate.yml", WEB[:4]), ("manage.yml", NODE01)):
        run = site.play(playbook, *arguments, **options)
        assert run.code == 0, run.output
    refused = site.play("delete.yml", *NODE01, **options)
    assert refused.code == 2
    assert "Node node01 is allocated to web, which forbids 'remove'." in refused.text
    assert "baremetal.lifecycle.deallocate -e allocation=web" in refused.text
    assert site.record().allocation == "web"
    assert site.play("deallocate.yml", "-e", "allocation=web", **options).code == 0
    assert site.play("delete.yml", *NODE01, **options).code == 0
    assert site.record() is None


def test_who_asks_for_no_kind_of_node_gets_any(site: t.Any) -> None:
    """The play's first host runs the task; what kind of node that is, nobody has asked for."""
    nodes = {"node01": {"bm_resource_class": "large", "bm_traits": ["CUSTOM_GPU"]}, "node02": {}}
    assert site.play("provide.yml", "-l", "baremetal", nodes=nodes, bm_deploy_interface="noop").code == 0
    run = site.play("allocate.yml", "-e", "allocation=web", "-e", "count=2", nodes=nodes)
    assert run.code == 0, run.output
    assert {site.record(node).allocation for node in nodes} == {"web"}
