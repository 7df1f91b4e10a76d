"""bm_state: read a node, apply an event, wait for a state, set flags, remove its record."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC
from .._errors import (
    BareMetalError,
    BMCTimeoutError,
    InvalidRequestError,
    InvalidStateError,
    NodeLockedError,
    StepError,
)
from .._states import machine, states
from .._states.verbs import Verb
from .._store.record import HistoryEntry, NodeRecord
from .._work import flags, reservation, single_act, work
from .._work import task as tasks

EVENTS = ("abort", "fail", "hold", "manage", "unhold")
"""Events that are no work in themselves; all others belong to the work of a verb, which bm_prepare begins."""

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
    "release": {"type": "bool", "default": False},
}

REMOVE = Verb("remove", "Removes the record.", "Touches the machine.", {}, forbidden=("protected",))

REQUESTS = frozenset({"abort", "hold"})
"""Events that a live run takes as requests."""

POLL_INTERVAL = 2.0
"""Seconds between two looks at the store."""


def run(request: Request) -> Result:
    """Do what was asked, in the order release, flags, event, wait, remove; return the node's record.

    :raises InvalidStateError: the event, the flag or the removal is not allowed.
    :raises BMCTimeoutError: the node did not come into one of the states ``wait_for`` in time.
    """
    before = request.store.get(request.node.name)
    params = request.params
    released = _release(request, before)
    flagged = flags.changes(before, params, request.node.name)
    event = _event_for(request, before)  # what is not allowed is said before the flags change
    if flagged:
        _set_flags(request, before, flagged)
    transitions, asked = _apply(request, before, event) if event else ([], None)
    if params.get("wait_for"):
        _wait(request)
    power = _read_power(request) if params["read_power"] else {}
    removed = _remove(request) if params["remove"] else False
    record = request.store.get(request.node.name)
    result: Result = {
        **state_of(record),
        **power,
        "changed": released or bool(flagged) or removed or bool(transitions) or bool(asked),
        "known": record is not None,
        "previous_provision_state": before.provision_state if before else None,
        "transitions": transitions,
        "requested": asked,
        "record": _public(record) if record else None,
    }
    if params["history"]:
        result["history"] = [dataclasses.asdict(entry) for entry in request.store.history(request.node.name)]
    return result


def _release(request: Request, record: NodeRecord | None) -> bool:
    """Take the node from its holder, for an operator who knows better.

    :raises InvalidRequestError: no reason is given.
    """
    if not request.params["release"]:
        return False
    reason = request.params.get("reason")
    if not reason:
        raise InvalidRequestError(
            f"Why node {request.node.name} is released is not said.",
            node=request.node.name,
            hint="Say it: -e release_reason='its controller burnt down'.",
        )
    if request.check_mode:
        return record is not None and record.reservation is not None
    return single_act.release(request, reason)


def _set_flags(request: Request, record: NodeRecord | None, changed: flags.Changes) -> None:
    """Set flags; maintenance also on a node that a run works on, which stops before its next step then."""
    if "maintenance" in changed and not request.check_mode:
        _set_maintenance(request, changed)
    held = {flag: value for flag, value in changed.items() if flag != "maintenance"}
    if not held:
        return
    if request.check_mode:
        _check_lock(request, record)
        return
    with single_act.hold(request, "flags") as task:
        task.note(next(iter(held)), flags.apply(task.record, held))


def _set_maintenance(request: Request, changed: flags.Changes) -> None:
    name, store, (value, reason) = request.node.name, request.store, changed["maintenance"]
    store.ensure_node(name, request.node.driver)
    words = flags.describe("maintenance", value, reason)
    store.set_maintenance(
        name, value, reason, HistoryEntry(node=name, event="maintenance", owner=request.owner, message=words)
    )


def _acquire(request: Request, purpose: str) -> t.ContextManager[tasks.Task]:
    return tasks.acquire(request, purpose, in_maintenance=True)


def _check_lock(request: Request, record: NodeRecord | None) -> None:
    """Refuse in check mode what would be refused without it."""
    if record is not None:
        reservation.check_lock(record, request.owner)


def _event_for(request: Request, record: NodeRecord | None) -> str | None:
    """Return the event that is to be applied, None where there is nothing to do.

    :raises InvalidStateError: it is not allowed in the node's state.
    """
    event, state, name = request.params.get("event"), work.state_now(record), request.node.name
    is_working = machine.is_working(state)
    if event is None or (event == "fail" and not is_working):
        return None  # it has failed already, or never began: the first cause stands
    if event == "abort" and is_working:
        return "fail"  # what a dead run left: nobody else will fail it; a live run is asked
    transition = machine.advance(state, event, node=name)
    if event == "manage" and (transition.to != states.MANAGEABLE or is_working):
        raise InvalidStateError(
            f"Node {name} is '{state}', where it becomes manageable only by the work that goes on or is to be done.",
            node=name,
            hint="Play abort.yml first, or the verb's playbook again." if is_working else "Play enroll.yml.",
        )
    return str(event)


def _apply(request: Request, record: NodeRecord | None, event: str) -> tuple[list[str], str | None]:
    """Apply one event. Return transitions, and what a live run was asked.

    A node that a live run works on takes abort and hold as requests, which that run follows between two steps.
    Nobody works on the node afterwards: it is released, also where a dead run held it.
    """
    name, state = request.params["event"], work.state_now(record)
    if (
        record is not None
        and name in REQUESTS
        and machine.is_working(state)
        and _is_held_by_a_live_run(request, record)
    ):
        return [], _ask(request, record, name)
    if request.check_mode:
        _check_lock(request, record)
        return [f"{state} -> {machine.advance(state, event, node=request.node.name).to}"], None
    with _acquire(request, name) as task:
        message = request.params.get("last_error")
        if event in ("fail", "abort"):
            message = message or f"{'failed' if name == 'fail' else 'aborted'} by request"
        task.process_event(event, message=message)
        if event in ("fail", "abort"):
            work.abandon(request)(task, StepError(str(message)))
        task.release()
        return task.transitions, None


def _is_held_by_a_live_run(request: Request, record: NodeRecord) -> bool:
    try:
        reservation.check_lock(record, request.owner)
    except NodeLockedError:
        return True
    return False


def _ask(request: Request, record: NodeRecord, event: str) -> str | None:
    """Leave a request for the run that holds the node; return it, None where it is there already."""
    if reservation.is_holder_alive(record) is None:
        request.report(
            f"{event} is asked of {record.reservation}, which can't be seen from here: if it is dead, nobody answers."
            " baremetal.lifecycle.release lets the node go."
        )
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
            hint=f"Give it back with baremetal.lifecycle.deallocate -e allocation={record.allocation}.",
        )
    _check_lock(request, record)
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


def _public(record: t.Any) -> Result:
    """Return a record, and whether the run that holds it goes on (null: that can't be seen from here)."""
    fields = dataclasses.asdict(record)
    fields["reservation_is_alive"] = reservation.is_holder_alive(record)
    return fields
