"""What becomes of a node is gathered from the results of its tasks, whatever their order."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import types
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._summary import Summary, duration
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import Outcome

FAILED = {"msg": "Node node01: The BMC is away. Check it.", "error": {"hint": "Check it."}, "bmc_requests": 1}


def outcome(action: str, result: dict[str, t.Any], host: str = "node01", name: str = "A task") -> Outcome:
    task = types.SimpleNamespace(action=action if "." in action else f"baremetal.lifecycle.{action}")
    return Outcome(types.SimpleNamespace(name=host), task, result, name)


def gather(*told: tuple[Outcome, bool]) -> Summary:
    summary = Summary(clock=itertools.count(step=1.0).__next__)
    for item, failed in told:
        summary.add(item, failed=failed)
    return summary


def test_requests_and_power_ons_add_up_and_the_last_state_counts() -> None:
    done = {"provision_state": "active", "bmc_requests": 4, "power_ons": 1}
    summary = gather(
        (outcome("bm_validate", {"provision_state": None, "bmc_requests": 3}), False),
        (outcome("bm_deploy", done), False),
        (outcome("ansible.builtin.set_fact", {"provision_state": "no"}), False),
    )
    assert summary.table() == ["NODE    STATE   TIME  REQUESTS  POWER-ONS", "node01  active   4 s         7          1"]


@pytest.mark.parametrize(
    ("told", "cause", "remedy"),
    [
        ([("bm_validate", FAILED, True)], "The BMC is away.", "Check it."),
        ([("bm_validate", FAILED, True), ("bm_state", {}, False)], "The BMC is away.", "Check it."),
        (
            [("bm_deploy", FAILED, True), ("ansible.builtin.fail", {"msg": "see above"}, True)],
            "The BMC is away.",
            "Check it.",
        ),
        ([("bm_deploy", {}, False), ("ansible.builtin.fail", {"msg": "broken"}, True)], "A task: broken", ""),
        ([("bm_validate", FAILED, True), ("bm_validate", {}, False)], "", ""),
        ([("bm_deploy", {}, False), ("ansible.builtin.ping", {}, True)], "A task: it says nothing", ""),
    ],
    ids=["failed", "in the rescue", "told again", "in a step", "rescued", "without a word"],
)
def test_the_first_cause_counts(told: list[tuple[str, dict[str, t.Any], bool]], cause: str, remedy: str) -> None:
    node = gather(*((outcome(action, result), failed) for action, result, failed in told)).nodes["node01"]
    assert (node.cause, node.remedy) == (cause, remedy)


@pytest.mark.parametrize(("changed", "names"), [(False, []), (True, ["node01"])], ids=["read", "changed"])
def test_whose_state_is_only_read_is_no_node(changed: bool, names: list[str]) -> None:
    assert list(gather((outcome("bm_state", {"changed": changed}), False)).nodes) == names


def test_who_is_not_worked_on_is_no_node() -> None:
    other = outcome("baremetal.lifecycle.bm_node_info", {"nodes": []}, "localhost")
    assert gather((other, False), (outcome("ansible.builtin.fail", {"msg": "x"}, "localhost"), True)).nodes == {}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (151, "2 min 31 s"), (3840, "1 h 4 min")]
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
