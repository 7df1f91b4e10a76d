"""bm_state: read a node, apply an event, wait for a state, set flags, remove its record."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from .. import _flags as flags
from .. import _machine as machine
from .. import _states as states
from .. import _task as tasks
from .. import _work as work
from .._argspec import NODE_SPEC
from .._errors import (
    BareMetalError,
    BMCTimeoutError,
    InvalidRequestError,
    InvalidStateError,
    NodeLockedError,
    StepError,
)
from .._record import HistoryEntry, NodeRecord
from .._request import Request, Result, state_of
from .._verbs import Verb

EVENTS = sorted({row.event for row in states.TRANSITIONS} | set(states.VERBS))

ARGUMENT_SPEC = {
    **NODE_SPEC,
    "event": {"type": "str", "choices": EVENTS},
    "last_error": {"type": "str"},
    **{option: {"type": "bool"} for option in flags.FLAGS},
    "reason": {"type": "str"},
    "wait_for": {"type": "list", "elements": "str", "choices": sorted(states.TARGETS)},
    "timeout": {"type": "float", "default": 1800},
    "read_power": {"type": "bool", "default": False},
    "history": {"type": "bool", "default": False},
    "remove": {"type": "bool", "default": False},
}

REMOVE = Verb("remove", "Removes the record.", "Touches the machine.", {}, forbidden=("protected",))

POLL_INTERVAL = 2.0
"""Seconds between two looks at the store."""


def run(request: Request) -> Result:
    """Do what was asked, in the order flags, event, wait, remove; return the node's record.

    :raises InvalidStateError: the event, the flag or the removal is not allowed.
    :raises BMCTimeoutError: the node did not come into one of the states ``wait_for`` in time.
    """
    before = request.store.get(request.node.name)
    params = request.params
    changed = _set_flags(request, before)
    transitions, asked = _apply(request) if params.get("event") else ([], None)
    if params.get("wait_for"):
        _wait(request)
    power = _read_power(request) if params["read_power"] else {}
    removed = _remove(request) if params["remove"] else False
    record = request.store.get(request.node.name)
    result: Result = {
        **state_of(record),
        **power,
        "changed": changed or removed or bool(transitions) or bool(asked),
        "known": record is not None,
        "previous_provision_state": before.provision_state if before else None,
        "transitions": transitions,
        "requested": asked,
        "record": _public(record, request.owner) if record else None,
    }
    if params["history"]:
        result["history"] = [dataclasses.asdict(entry) for entry in request.store.history(request.node.name)]
    return result


def _set_flags(request: Request, record: t.Any) -> bool:
    changed = flags.changes(record, request.params, request.node.name)
    if changed and not request.check_mode:
        with _acquire(request, "flags") as task:
            task.note(next(iter(changed)), flags.apply(task.record, changed))
    return bool(changed)


def _acquire(request: Request, purpose: str) -> t.ContextManager[tasks.Task]:
    return tasks.acquire(
        request.store, request.node, request.owner, purpose, timeout=request.reservation_timeout, in_maintenance=True
    )


def _apply(request: Request) -> tuple[list[str], str | None]:
    """Apply one event; verbs count as the events that they mean. Return transitions, and what a live run was asked.

    A node that a live run works on takes abort and hold as requests, which that run follows between two steps.
    """
    name = request.params["event"]
    event = states.VERBS.get(name, name)
    record = request.store.get(request.node.name)
    state = work.state_now(record)
    if event == "fail" and not machine.is_working(state):
        return [], None  # it has failed already, or never began: the first cause stands
    if record is not None and event in ("abort", "hold") and machine.is_working(state):
        if _is_held_by_a_live_run(record, request.owner):
            if event == "hold":
                machine.advance(state, event, node=record.name)  # not every work can be held
            return [], _ask(request, record, event)
        if event == "abort":  # what a dead run left: nobody else will fail it
            event = "fail"
    transition = machine.advance(state, event, node=request.node.name)
    if request.check_mode:
        return [f"{transition.state} -> {transition.to}"], None
    with _acquire(request, event) as task:
        message = request.params.get("last_error")
        if event in ("fail", "abort"):
            message = message or f"{'failed' if name == 'fail' else 'aborted'} by request"
            task.process_event(event, message=message)
            work.abandon(request)(task, StepError(message))
        else:
            task.process_event(event, message=message)
        return task.transitions, None


def _is_held_by_a_live_run(record: NodeRecord, owner: str) -> bool:
    try:
        tasks.check_lock(record, owner)
    except NodeLockedError:
        return True
    return False


def _ask(request: Request, record: NodeRecord, event: str) -> str | None:
    """Leave a request for the run that holds the node; return it, None where it is there already."""
    if record.requested == event:
        return None
    if not request.check_mode:
        request.store.request(record.name, event, request.owner)
    return event


def _remove(request: Request) -> bool:
    """Remove the node's record; history and evidence stay.

    :raises InvalidStateError: its state does not allow it.
    :raises InvalidRequestError: it is protected, or allocated.
    """
    node = request.node
    record = request.store.get(node.name)
    if record is None:
        return False
    if record.provision_state not in states.DELETABLE:
        raise InvalidStateError(
            f"Node {node.name} is '{record.provision_state}', where its record can't be removed.",
            node=node.name,
            hint=f"Allowed in: {', '.join(sorted(states.DELETABLE))}. Undeploy the node, then take it to manageable.",
        )
    work.check_flags(REMOVE, node, record)
    if record.allocation is not None:  # Ironic: NodeAssociated
        raise InvalidRequestError(
            f"Node {node.name} is allocated to {record.allocation}, which forbids '{REMOVE.name}'.",
            node=node.name,
            hint=f"Give it back with playbooks/deallocate.yml -e allocation={record.allocation}.",
        )
    if not request.check_mode:
        with _acquire(request, "remove") as task:
            entry = HistoryEntry(node=node.name, event="remove", from_state=record.provision_state, owner=request.owner)
            request.store.delete(node.name, request.owner, entry)
            task.transitions.clear()
    return True


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
