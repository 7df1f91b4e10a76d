"""Batches in which nodes wait, fail, vanish and are wanted back: the others go on, in the order that their play has."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest

NODES = ("node01", "node02", "node03")

PLAY = """
- hosts: baremetal
  gather_facts: false
  {keywords}
  tasks:
    - ansible.builtin.include_role:
        name: baremetal.lifecycle.inspect_node
    - ansible.builtin.debug:
        msg: "{{{{ inventory_hostname }}}} came through"
"""


def states(site: t.Any) -> dict[str, str]:
    return {node: site.record(node).provision_state for node in NODES if site.record(node)}


def waiting(site: t.Any, node: str = "node01") -> bool:
    record = site.record(node)
    return record is not None and record.provision_state == "inspect wait"


def await_true(condition: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ended_at(site: t.Any, node: str) -> float:
    return float(site.history(node)[-1].at)


@pytest.fixture
def inspected(site: t.Any) -> t.Any:
    """A site whose nodes are there, as manageable ones with disks."""
    for node in NODES:
        site.make_disk(node, mib=1)
    assert site.play("enroll.yml", nodes=NODES).code == 0
    return site


def set_ramdisk(site: t.Any, node: str, **ramdisk: t.Any) -> None:
    site.script(node, **{**site.machine(node), "ramdisk": ramdisk})


def test_a_node_that_never_answers_delays_nobody(inspected: t.Any) -> None:
    site = inspected
    set_ramdisk(site, "node02", answers=False)
    run = site.play("inspect.yml", nodes=NODES, bm_ramdisk={"timeout": 30})
    assert run.code != 0
    assert states(site) == {"node01": "manageable", "node02": "inspect failed", "node03": "manageable"}
    assert ended_at(site, "node01") < ended_at(site, "node02") - 10
    assert "node02 did not answer within 30 s; last seen: no answer from the fake ramdisk" in run.text
    assert all(site.record(node).reservation is None for node in NODES)


@pytest.mark.parametrize("keywords", ["serial: 2", "strategy: free", "strategy: host_pinned", "serial: 1"])
def test_each_order_that_a_play_can_have(inspected: t.Any, tmp_path: Path, keywords: str) -> None:
    site = inspected
    set_ramdisk(site, "node02", after_seconds=3)
    play = tmp_path / "play.yml"
    play.write_text(PLAY.format(keywords=keywords))
    run = site.play(str(play), nodes=NODES)
    assert run.code == 0, run.output
    assert set(states(site).values()) == {"manageable"}
    assert all(site.record(node).inventory["in_band"] for node in NODES)


def test_a_batch_whose_first_host_has_failed(inspected: t.Any) -> None:
    site = inspected
    site.script("node01", password="another")
    run = site.play("inspect.yml", nodes=NODES)
    assert run.code != 0
    assert states(site) == dict.fromkeys(NODES, "manageable")
    assert [bool(site.record(node).inventory.get("in_band")) for node in NODES] == [False, True, True]


def test_a_failure_that_ends_the_whole_play_leaves_no_node_in_limbo(inspected: t.Any, tmp_path: Path) -> None:
    site = inspected
    set_ramdisk(site, "node02", answers=False)
    play = tmp_path / "play.yml"
    play.write_text(PLAY.format(keywords="any_errors_fatal: true"))
    run = site.play(str(play), nodes=NODES, bm_ramdisk={"timeout": 3})
    assert run.code != 0
    assert "undefined" not in run.output
    assert "did not answer within 3 s" in run.text
    assert all(site.record(node).reservation is None for node in NODES)
    assert set(states(site).values()) <= {"manageable", "inspect failed"}


@pytest.mark.parametrize(
    ("playbook", "options", "state", "says"),
    [
        ("abort.yml", {}, "inspect failed", "Aborted on request of"),
        ("maintenance.yml", {}, "inspect wait", "is in maintenance"),
    ],
)
def test_a_node_that_is_wanted_back_while_it_is_waited_for(
    inspected: t.Any, playbook: str, options: dict[str, t.Any], state: str, says: str
) -> None:
    site = inspected
    set_ramdisk(site, "node01", answers=False)
    process = site.start("inspect.yml", nodes=NODES)
    await_true(lambda: waiting(site))
    other = site.play(playbook, "-l", "node01", nodes=NODES, **options)
    assert other.code == 0, other.output
    output, dummy = process.communicate(timeout=120)
    assert says in " ".join(output.split())
    assert states(site) == {"node01": state, "node02": "manageable", "node03": "manageable"}
    assert site.record("node01").reservation is None


def test_a_host_that_becomes_unreachable_in_a_step_of_its_own(inspected: t.Any, tmp_path: Path) -> None:
    site = inspected
    step = tmp_path / "step.yml"
    step.write_text(
        "- ansible.builtin.ping:\n"
        "  vars:\n"
        "    ansible_connection: \"{{ 'ssh' if inventory_hostname == 'node02' else 'local' }}\"\n"
        "    ansible_ssh_host: 127.0.0.1\n"
        "    ansible_ssh_port: 1\n"
        "    ansible_ssh_retries: 0\n"
    )
    steps = [{"step": "look", "tasks": str(step)}]
    run = site.play("clean.yml", "-l", "baremetal", nodes=NODES, clean_node_steps=steps)
    assert run.code != 0
    assert states(site) == {"node01": "manageable", "node02": "clean failed", "node03": "manageable"}, run.output
    record, machine = site.record("node02"), site.machine("node02")
    assert "became unreachable in task" in record.last_error
    assert (record.reservation, machine["power_state"], machine["media"]) == (None, "power off", None)
    step.write_text("- ansible.builtin.ping:\n")
    again = site.play("clean.yml", "-l", "baremetal", nodes=NODES, clean_node_steps=steps)
    assert again.code == 0, again.output
    assert states(site) == dict.fromkeys(NODES, "manageable")


def test_nodes_with_and_without_steps_of_their_own_keep_in_step(inspected: t.Any, tmp_path: Path) -> None:
    site = inspected
    step = tmp_path / "step.yml"
    step.write_text(
        '- ansible.builtin.lineinfile: {path: "' + str(tmp_path / "seen") + '", create: true,'
        ' line: "{{ inventory_hostname }} {{ step_args.word }}"}\n'
    )
    templates = {"CUSTOM_LOOK": {"deploy_steps": [
        {"step": "look", "priority": 90, "tasks": str(step), "args": {"word": "hello"}}
    ]}}  # fmt: skip
    for node in NODES:
        site.make_disk(node)
    traits = "{{ ['CUSTOM_LOOK'] if inventory_hostname == 'node02' else [] }}"
    run = site.deploy(nodes=NODES, bm_step_templates=templates, bm_traits=traits)
    assert run.code == 0, run.output
    assert states(site) == dict.fromkeys(NODES, "active")
    assert (tmp_path / "seen").read_text() == "node02 hello\n"
    written = [
        next(entry.at for entry in site.history(node) if "write_image started" in (entry.message or ""))
        for node in NODES
    ]
    assert max(written) - min(written) < 60


def test_a_step_of_the_cleaning_before_a_deployment_has_its_arguments(site: t.Any, tmp_path: Path) -> None:
    site.make_disk(mib=1)
    step = tmp_path / "step.yml"
    step.write_text(f"- ansible.builtin.copy: {{dest: {tmp_path}/seen, content: '{{{{ step_args.word }}}}'}}\n")
    steps = [{"step": "look", "priority": 50, "tasks": str(step), "args": {"word": "hello"}}]
    run = site.deploy(bm_automated_clean=True, bm_clean_steps=steps, bm_deploy_interface="noop")
    assert run.code == 0, run.output
    assert (tmp_path / "seen").read_text() == "hello"
    assert site.record().provision_state == "active"
