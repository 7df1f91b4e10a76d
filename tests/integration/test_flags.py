"""What an operator sets on a node and takes back, what a retired node becomes, and how dead work is given up."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import time
import typing as t

import pytest
import yaml

NODE = ("-l", "node01")
NOOP = {"bm_deploy_interface": "noop"}


def play(site: t.Any, playbook: str, *arguments: str, **variables: t.Any) -> t.Any:
    run = site.play(f"{playbook}.yml", *NODE, *arguments, **variables)
    assert run.code == 0, run.output
    return run


def extra(**variables: t.Any) -> tuple[str, str]:
    return "-e", json.dumps(variables)


SETS = [
    ("protect", "protected", "active"),
    ("retire", "retired", "active"),
    ("maintenance", "maintenance", "active"),
    ("retire", "retired", "manageable"),
    ("maintenance", "maintenance", "available"),
]
"""Each playbook with the flag that it sets, and a state in which it may."""
BEFORE = {"active": "deploy", "manageable": "enroll", "available": "provide"}


@pytest.mark.parametrize(("playbook", "flag", "state"), SETS, ids=str)
def test_a_flag_is_set_with_its_reason_and_taken_back(site: t.Any, playbook: str, flag: str, state: str) -> None:
    play(site, BEFORE[state], **NOOP)
    reason = 'lease: "ends" in May'
    ways = [(extra(reason=reason), True, reason), (("-e", f"{playbook}=false"), False, None)]
    for arguments, value, why in ways:
        before = site.record()
        assert play(site, playbook, "--check", *arguments).changed == 1
        assert site.record() == before
        assert play(site, playbook, *arguments).changed == 1
        record = site.record()
        assert (getattr(record, flag), getattr(record, f"{flag}_reason")) == (value, why)
        assert (record.provision_state, record.reservation) == (state, None)
        assert play(site, playbook, *arguments).changed == 0
    told = [entry.message for entry in site.history() if entry.event == flag]
    assert told == [f"{flag} set: {reason}", f"{flag} cleared"]


@pytest.mark.parametrize("automated_clean", [False, True])
def test_a_retired_node_that_is_undeployed_is_not_offered_again(site: t.Any, automated_clean: bool) -> None:
    site.make_disk()
    play(site, "deploy", **NOOP)
    play(site, "retire", *extra(reason="lease ends"))
    play(site, "undeploy", bm_automated_clean=automated_clean)
    record = site.record()
    assert (record.provision_state, record.retired, record.retired_reason) == ("manageable", True, "lease ends")
    assert record.instance_info == {}
    assert any(entry.event == "evidence" for entry in site.history()) == automated_clean
    assert play(site, "undeploy").changed == 0


def kill_in_step(site: t.Any, playbook: str, step: str, **variables: t.Any) -> None:
    """Play until a step runs, then kill the run with all that belongs to it."""
    running = site.start(f"{playbook}.yml", *NODE, **variables)
    deadline = time.monotonic() + 120
    while not (record := site.record()) or not any(
        entry["step"] == step and entry["status"] == "running" for entry in record.steps
    ):
        assert time.monotonic() < deadline, f"{step} did not start"
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=60)


@pytest.mark.parametrize(
    ("playbook", "steps", "working", "failed", "again"),
    [
        ("clean", "clean_node_steps", "cleaning", "clean failed", "manageable"),
        ("deploy", "bm_deploy_steps", "deploying", "deploy failed", "active"),
    ],
)
def test_what_a_dead_run_left_is_given_up_at_once(
    site: t.Any, playbook: str, steps: str, working: str, failed: str, again: str
) -> None:
    site.make_disk()
    play(site, "enroll")
    tasks = site.folder / "step.yml"
    tasks.write_text(yaml.safe_dump([{"name": "Take time", "ansible.builtin.command": "sleep 60"}]))
    variables = {steps: [{"step": "slow", "tasks": str(tasks), "priority": 90}]}
    kill_in_step(site, playbook, "deploy.slow", **variables)
    before = site.record()
    assert before.provision_state == working
    assert play(site, "abort", "--check").changed == 1
    assert site.record() == before
    assert play(site, "abort").changed == 1
    record = site.record()
    assert (record.provision_state, record.last_error) == (failed, "aborted by request")
    assert record.reservation is None
    machine = site.machine()
    assert (machine["power_state"], machine["media"], machine["boot_device"]) == ("power off", None, None)
    refused = site.play("abort.yml", *NODE)
    assert "the event 'abort' is not allowed" in refused.text
    assert site.record() == record
    tasks.write_text(yaml.safe_dump([{"name": "Take none", "ansible.builtin.command": "true"}]))
    play(site, playbook, **variables)
    assert site.record().provision_state == again
