"""The state machine, by all pairs of state and event."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidStateError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._states import machine, states

EVENTS = sorted({row.event for row in states.TRANSITIONS})
TABLE = {(row.state, row.event): row for row in states.TRANSITIONS}


def test_the_table_is_whole() -> None:
    assert len(states.TARGETS) == 30
    assert len(states.TRANSITIONS) == len(TABLE) == 93
    assert {row.to for row in states.TRANSITIONS} | {states.INITIAL_STATE} == set(states.TARGETS)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(states.TARGETS, EVENTS)))
def test_each_pair_is_a_transition_or_names_what_is_allowed(state: str, event: str) -> None:
    expected = TABLE.get((state, event))
    if expected is not None:
        assert machine.advance(state, event) == expected
        return
    with pytest.raises(InvalidStateError) as caught:
        machine.advance(state, event, node="node01")
    message = caught.value.to_result()["msg"]
    assert f"Node node01 is '{state}'" in message
    for allowed in machine.allowed_events(state):
        assert allowed in message


def test_a_transition_ends_with_the_target_of_its_state() -> None:
    for row in states.TRANSITIONS:
        assert row.target == states.TARGETS[row.to]


def test_what_a_dead_run_leaves_can_always_fail() -> None:
    for state in states.FAIL_WHEN_OWNER_DIES:
        assert "fail" in machine.allowed_events(state)
        assert machine.is_working(state)


def test_each_state_has_a_way_out() -> None:
    assert all(machine.allowed_events(state) for state in states.TARGETS)


def test_each_verb_is_an_event() -> None:
    assert set(states.VERBS.values()) <= set(EVENTS)


@pytest.mark.parametrize("state", [*sorted(states.STABLE_STATES), "deploy failed", "deploy hold"])
def test_nobody_works_on_a_node_at_rest(state: str) -> None:
    assert not machine.is_working(state)
