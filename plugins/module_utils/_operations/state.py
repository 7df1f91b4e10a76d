"""bm_state: read a node, apply an event, wait for a state, set maintenance."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from .. import _deployment as deployment
from .. import _machine as machine
from .. import _states as states
from .. import _task as tasks
from .._argspec import NODE_SPEC
from .._errors import BareMetalError, BMCTimeoutError, StepError
from .._request import Request, Result, state_of

EVENTS = sorted({row.event for row in states.TRANSITIONS} | set(states.VERBS))

ARGUMENT_SPEC = {
    **NODE_SPEC,
    "event": {"type": "str", "choices": EVENTS},
    "last_error": {"type": "str"},
    "maintenance": {"type": "bool"},
    "reason": {"type": "str"},
    "wait_for": {"type": "list", "elements": "str", "choices": sorted(states.TARGETS)},
    "timeout": {"type": "float", "default": 1800},
    "read_power": {"type": "bool", "default": False},
    "history": {"type": "bool", "default": False},
}

POLL_INTERVAL = 2.0
"""Seconds between two looks at the store."""


def run(request: Request) -> Result:
    """Do what was asked, in the order maintenance, event, wait; return the node's record.

    :raises InvalidStateError: the event is not allowed.
    :raises BMCTimeoutError: the node did not come into one of the states ``wait_for`` in time.
    """
    before = request.store.get(request.node.name)
    params = request.params
    changed = _maintain(request, before) if params["maintenance"] is not None else False
    transitions = _apply(request) if params.get("event") else []
    if params.get("wait_for"):
        _wait(request)
    power = _read_power(request) if params["read_power"] else {}
    record = request.store.get(request.node.name)
    result: Result = {
        **state_of(record),
        **power,
        "changed": changed or bool(transitions),
        "known": record is not None,
        "previous_provision_state": before.provision_state if before else None,
        "transitions": transitions,
        "record": _public(record, request.owner) if record else None,
    }
    if params["history"]:
        result["history"] = [dataclasses.asdict(entry) for entry in request.store.history(request.node.name)]
    return result


def _maintain(request: Request, record: t.Any) -> bool:
    wanted, reason = request.params["maintenance"], request.params.get("reason")
    now = (record.maintenance, record.maintenance_reason) if record else (False, None)
    after = (wanted, reason if wanted else None)
    if now == after or (wanted and now[0] and reason is None):
        return False
    if not request.check_mode:
        with _acquire(request, "maintenance") as task:
            task.record.maintenance, task.record.maintenance_reason = after
            task.note("maintenance", f"{'set' if wanted else 'cleared'}{f': {reason}' if reason else ''}")
    return True


def _acquire(request: Request, purpose: str) -> t.ContextManager[tasks.Task]:
    return tasks.acquire(
        request.store, request.node, request.owner, purpose, timeout=request.reservation_timeout, in_maintenance=True
    )


def _apply(request: Request) -> list[str]:
    """Apply one event; verbs count as the events that they mean."""
    event = states.VERBS.get(request.params["event"], request.params["event"])
    record = request.store.get(request.node.name)
    state = record.provision_state if record else states.INITIAL_STATE
    if event == "fail" and not machine.is_working(state):
        return []  # it has failed already, or never began: the first cause stands
    transition = machine.advance(state, event, node=request.node.name)
    if request.check_mode:
        return [f"{transition.state} -> {transition.to}"]
    with _acquire(request, event) as task:
        message = request.params.get("last_error")
        if event == "fail":
            task.fail(message or "failed by request")
            deployment.abandon(request)(task, StepError(message or ""))
        else:
            task.process_event(event, message=message)
        return task.transitions


def _wait(request: Request) -> None:
    wanted, limit = request.params["wait_for"], request.params["timeout"]
    started = time.monotonic()
    while True:
        record = request.store.get(request.node.name)
        state = record.provision_state if record else states.INITIAL_STATE
        if state in wanted or request.check_mode:
            return
        if time.monotonic() - started >= limit:
            raise BMCTimeoutError(
                f"Node {request.node.name} did not become {' or '.join(wanted)} within {limit:g} s; it is '{state}'.",
                node=request.node.name,
                hint=f"Last error: {record.last_error if record else 'none'}.",
            )
        time.sleep(min(POLL_INTERVAL, max(0.05, limit - (time.monotonic() - started))))


def _read_power(request: Request) -> Result:
    """Return the live power state; a BMC that is away is an answer here, not an error."""
    try:
        return {"power_state": request.driver.power.get_power_state()}
    except BareMetalError as exc:
        return {"power_state": "unknown", "power_error": exc.message}


def _public(record: t.Any, owner: str) -> Result:
    """Return a record, and whether the run that holds it goes on (null: that can't be seen from here)."""
    fields = dataclasses.asdict(record)
    fields["reservation_is_alive"] = tasks.is_holder_alive(record, owner)
    return fields
