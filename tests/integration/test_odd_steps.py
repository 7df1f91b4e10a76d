"""Users' steps that end in odd ways: the node is failed with the cause, tidied up and released, or never touched."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
import yaml

UNREACHABLE = {"ansible_connection": "ssh", "ansible_ssh_port": 1, "ansible_ssh_host": "127.0.0.1"}
FAIL = {"ansible.builtin.fail": {"msg": "the tape robot is on fire"}}
STEPS = [{"step": "mine", "priority": 90, "tasks": "{{ folder }}/steps/{{ inventory_hostname }}.yml"}]

REFUSED: dict[str, tuple[list[dict[str, t.Any]], str]] = {
    "end-host": ([{"meta": "end_host", "when": False}], "meta: end_host"),
    "end-play": ([{"block": [{"ansible.builtin.meta": "end_play"}]}], "meta: end_play"),
    "end-batch": ([{"block": [FAIL], "rescue": [{"meta": "end_batch"}]}], "meta: end_batch"),
    "end-role": ([{"action": "meta end_role"}], "meta: end_role"),
    "clear-errors": ([{"include_tasks": "sub/more.yml"}], "of the step 'mine' has 'meta: clear_host_errors'"),
    "imported": ([{"block": [{"ansible.builtin.import_tasks": {"file": "sub/more.yml"}}]}], "meta: clear_host_errors"),
    "torn": ([{"include_tasks": "sub/torn.yml"}], "can't be loaded: YAML parsing failed"),
    "keyword": (
        [{"ansible.builtin.debug": {"msg": "x"}, "whenn": "x"}],
        "conflicting action statements",
    ),
    "action": ([{"nobody.knows.this": {}}], "couldn't resolve module/action 'nobody.knows.this'"),
    "register": ([{"command": "true", "register": "provision_node_result"}], "sets provision_node_result"),
    "set-fact": ([{"set_fact": {"provision_node_verb": "x"}}], "sets provision_node_verb"),
}
"""What is found in a step's files by looking, with what is said."""

FAILED: dict[str, tuple[list[dict[str, t.Any]], str]] = {
    "unreachable": ([{"ping": {}, "vars": UNREACHABLE}], "The host became unreachable in task"),
    "delegate": ([{"ping": {}, "delegate_to": "switch"}], "The host became unreachable in task"),
    "handler": ([{"include_role": {"name": "flushes"}}], "the tape robot is on fire"),
    "templated-end": ([{"include_tasks": "{{ 'sub' }}/end.yml"}], "Ansible ended the play for this node"),
    "missing": ([{"include_tasks": "sub/nowhere.yml"}], "a file that can't be included"),
}
"""What fails while it runs, with a part of last_error."""

PASSED: dict[str, list[dict[str, t.Any]]] = {
    "clear-facts": [{"meta": "clear_facts"}, {"set_fact": {"bm_properties": {}}}],
}
ODD: dict[str, list[dict[str, t.Any]]] = {name: tasks for name, (tasks, dummy) in FAILED.items()} | PASSED

AGAIN = ("unreachable", "templated-end", "missing")


@pytest.fixture
def odd(site: t.Any) -> t.Any:
    """A site whose steps include what is there, by name."""
    role = site.folder / "roles" / "flushes"
    files = {
        site.folder / "steps" / "sub" / "more.yml": [{"meta": "clear_host_errors"}],
        site.folder / "steps" / "sub" / "end.yml": [{"meta": "end_host"}],
        role / "tasks" / "main.yml": [
            {"command": "true", "notify": "Burn"},
            {"meta": "flush_handlers"},
        ],
        role / "handlers" / "main.yml": [{"name": "Burn", **FAIL}],
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    (site.folder / "steps" / "sub" / "torn.yml").write_text("- name: [")
    site.variables |= {"folder": str(site.folder), "bm_deploy_steps": STEPS}
    return site


def write_steps(site: t.Any, steps: dict[str, list[dict[str, t.Any]]]) -> None:
    for node, tasks in steps.items():
        (site.folder / "steps" / f"{node}.yml").write_text(yaml.safe_dump(tasks))


def test_what_would_leave_a_node_halfway_is_found_before_anything_is_touched(odd: t.Any) -> None:
    write_steps(odd, {node: tasks for node, (tasks, dummy) in REFUSED.items()})
    run = odd.deploy(nodes=tuple(REFUSED))
    assert run.code == 2, run.output
    for node, (dummy, expected) in REFUSED.items():
        said = [line for line in run.output.splitlines() if line.startswith(f"fatal: [{node}]")]
        assert expected in said[0], run.output
        assert (odd.record(node), odd.machine(node)["calls"]) == (None, [])


def test_a_step_that_ends_oddly_fails_its_node_and_the_next_run_brings_it_home(
    odd: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", str(odd.folder / "roles"))
    monkeypatch.setenv("ANSIBLE_SSH_RETRIES", "0")
    write_steps(odd, ODD)
    for node in ODD:
        odd.make_disk(node)
    run = odd.deploy(nodes=tuple(ODD))
    assert run.code != 0
    for node in ODD:
        record, machine = odd.record(node), odd.machine(node)
        wanted = "deploy failed" if node in FAILED else "active"
        assert (record.provision_state, record.reservation) == (wanted, None), (node, run.output)
        if node in FAILED:
            assert FAILED[node][1] in record.last_error, node
            assert (machine["power_state"], machine["media"]) == ("power off", None), node
    write_steps(odd, {node: [{"ansible.builtin.command": "true"}] for node in AGAIN})
    again = odd.deploy(nodes=AGAIN)
    assert again.code == 0, again.output
    assert {odd.record(node).provision_state for node in AGAIN} == {"active"}


KEYWORDS = {
    "fatal": {"any_errors_fatal": True},
    "percentage": {"max_fail_percentage": 10},
    "free": {"strategy": "free"},
}


def test_a_failure_ends_the_work_of_others_in_each_kind_of_play_without_limbo(
    odd: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "baremetal.lifecycle.lost_nodes")
    monkeypatch.setenv("ANSIBLE_SSH_RETRIES", "0")
    nodes = {"fails": [FAIL], "lost": FAILED["unreachable"][0], "good": [{"ansible.builtin.command": "true"}]}
    write_steps(odd, nodes)
    role = {"role": "baremetal.lifecycle.clean_node", "clean_node_steps": [{k: STEPS[0][k] for k in ("step", "tasks")}]}
    play = {"gather_facts": False, "hosts": "baremetal", "roles": [role]}
    for name, keywords in KEYWORDS.items():
        for node in nodes:
            odd.make_disk(node, mib=1)
            odd.put(node, "manageable")
        path = odd.folder / f"{name}.yml"
        path.write_text(yaml.safe_dump([{**play, **keywords}]))
        run = odd.play(str(path), "-l", "baremetal", nodes=tuple(nodes))
        assert run.code != 0
        for node in nodes:
            record, power = odd.record(node), odd.machine(node).get("power_state")
            states = {"clean failed"} if node != "good" else {"clean failed", "manageable"}
            assert record.provision_state in states, (name, node, run.output)
            assert (record.reservation, power) == (None, "power off"), (name, node)
            assert record.provision_state == "manageable" or record.last_error, (name, node)
            assert "undefined" not in run.output


def test_work_that_two_plays_share_is_given_up_only_where_it_can_not_go_on(
    odd: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One node is lost in the first play, one leaves the second, one is left by it; the tasks alone know the store."""
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "baremetal.lifecycle.lost_nodes")
    monkeypatch.setenv("ANSIBLE_SSH_RETRIES", "0")
    nodes = ("good", "lost", "left")
    for node in nodes:
        odd.make_disk(node, mib=1)
        odd.put(node, "manageable")
    work = {"verb": "clean", "steps": [{"step": "erase_devices_metadata"}]}
    own = {"bm_store": f"sqlite:///{odd.folder}/state/store.db"}
    lost = {"ping": {}, "vars": UNREACHABLE, "when": "inventory_hostname == 'lost'"}
    leave = {"meta": "end_host", "when": "inventory_hostname == 'left'"}
    passing = {**lost, "when": "inventory_hostname == 'good'", "ignore_unreachable": True}
    first = [{"block": [{"baremetal.lifecycle.bm_prepare": work}], "vars": own}, lost, passing]
    second = [leave, {"baremetal.lifecycle.bm_deploy": {**work, "ramdisk_steps": False}, "vars": own}]
    path = odd.folder / "two.yml"
    play = {"gather_facts": False, "hosts": "baremetal", "vars": {"bm_store": f"sqlite:///{odd.folder}/wrong.db"}}
    path.write_text(yaml.safe_dump([{**play, "tasks": first}, {**play, "tasks": second}]))
    run = odd.play(str(path), "-l", "baremetal", nodes=nodes)
    before, dummy, after = run.output.partition("TASK [baremetal.lifecycle.bm_deploy]")
    assert "[ERROR]: [lost]: The host became unreachable" in before, run.output
    assert "[ERROR]: [left]: Ansible ended the play" in after, run.output
    for node in nodes:
        record = odd.record(node)
        assert (record.provision_state, record.reservation) == ("clean failed", None), run.output
        assert ("set_power_state power on" in odd.machine(node)["calls"]) == (node == "good"), node
