"""A piece of work on a node, whatever its verb: its plan, its steps, and what it keeps on its controller."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._boot.agent import Connection
from .._boot.registry import boot_interface
from .._calls.request import Request
from .._contract.node import Node
from .._drivers.base import POWER_OFF
from .._errors import (
    BareMetalError,
    BMCAuthenticationError,
    BMCConnectionError,
    BMCError,
    InvalidRequestError,
    InvalidStateError,
    StoreError,
)
from .._states import states
from .._states.machine import allowed_events
from .._states.verbs import ABANDONING, VERBS, Verb
from .._store.record import NodeRecord
from . import running, steps
from .files import Files
from .task import Task, acquire

FAILED = frozenset({states.ERROR, *(state for state in states.TARGETS if state.endswith(" failed"))})

GOES_ON: tuple[tuple[str, ...], ...] = ((), ("resume",))
"""Ways of a verb from a state in which its own work was left half way."""

FORBIDDING = {
    "protected": ("is protected", "Clear it with bm_state and protect: false, and bm_protected: false."),
    "retired": ("is retired", "Clear it with bm_state and retire: false, if it is to be used again."),
}
"""Flags that forbid verbs: how an error says it, and what to do."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a verb would do now: the events up to its working state, and whether it goes on with a dead run's work.

    ``instance_info``: what the node's instance becomes; None where the verb leaves it as it is.
    """

    events: tuple[str, ...]
    instance_info: dict[str, t.Any] | None = None
    resume: bool = False

    @property
    def needed(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.events) or self.resume


def state_now(record: NodeRecord | None) -> str:
    """Return the provision state; a node that the store has never seen is in the initial one."""
    return record.provision_state if record else states.INITIAL_STATE


def check_start(verb: Verb, node: Node, record: NodeRecord | None) -> None:
    """Check that a verb may start, or go on, in the state found.

    :raises InvalidStateError: it may not, or it would go on with what a dead run of another verb has left.
    """
    state = state_now(record)
    if state not in verb.paths and state not in verb.reached:
        raise InvalidStateError(
            f"Node {node.name} is '{state}', where '{verb.name}' can't start.",
            node=node.name,
            hint=f"Allowed in '{state}': {', '.join(allowed_events(state)) or 'nothing'}."
            f" '{verb.name}' starts in: {', '.join(verb.paths)}.",
        )
    begun = unfinished_verb(record)
    first = next(iter(verb.paths.get(state, ())), None)
    if begun and not is_one_work(begun, verb) and first != ABANDONING and state not in verb.reached:
        raise InvalidStateError(
            f"Node {node.name} is '{state}': a run of '{begun.name}' died there,"
            f" and '{verb.name}' can't go on with it.",
            node=node.name,
            hint=f"Run '{begun.name}' again to finish it, or abort it.",
        )


def is_one_work(begun: Verb, verb: Verb) -> bool:
    """Say whether a verb goes on with the work that another has begun: a deployment is one, whoever asked for it."""
    return begun is verb or begun.kind == verb.kind == "deploy"


def unfinished_verb(record: NodeRecord | None) -> Verb | None:
    """Return the verb whose work was left half way by a run that died; None where nothing was."""
    if record is None or current_step(record) is None:
        return None
    verb = VERBS.get(str(record.driver_internal_info.get("verb")))
    return verb if verb and verb.paths.get(record.provision_state) in GOES_ON else None


def check_flags(verb: Verb, node: Node, record: NodeRecord | None) -> None:
    """Refuse a verb that a flag of the node forbids.

    :raises InvalidRequestError: with the reason that was given for the flag.
    """
    for flag in verb.forbidden:
        if getattr(record, flag, False) or getattr(node, flag, False):
            what, hint = FORBIDDING[flag]
            reason = getattr(record, f"{flag}_reason", None)
            raise InvalidRequestError(
                f"Node {node.name} {what}{f' ({reason})' if reason else ''}, which forbids '{verb.name}'.",
                node=node.name,
                hint=hint,
            )


def describes_anew(node: Node, record: NodeRecord | None) -> bool:
    """Say whether what allocations go by is different in the inventory from what the store has."""
    return record is not None and (record.resource_class, record.traits) != (node.resource_class, list(node.traits))


def make_plan(verb: Verb, node: Node, record: NodeRecord | None) -> Plan:
    """Decide from the state found what a verb does now; a deployment has its own plan.

    :raises InvalidStateError: it can't start there.
    :raises InvalidRequestError: the node is protected, or retired.
    """
    check_start(verb, node, record)
    state = state_now(record)
    if state in verb.reached:
        return Plan(())
    check_flags(verb, node, record)
    events = verb.paths[state]
    return Plan(events, resume=events in GOES_ON)


def hold(request: Request, purpose: str, *, begins: bool = True) -> t.ContextManager[Task]:
    """Reserve a node for work; a failure tidies up. See task.acquire."""
    return acquire(request, purpose, begins=begins, on_failure=abandon(request))


def agent_answers(request: Request) -> tuple[bool, str]:
    """Ask the ramdisk once; return whether it answers and what was seen."""
    agent = request.driver.agent or Connection.of(request.node, Files(request.node).folder)
    return agent.probe()


def current_step(record: NodeRecord) -> dict[str, t.Any] | None:
    """Return the first step that is not done, None after the last."""
    return next((entry for entry in record.steps if entry["status"] != steps.DONE), None)


def mark(task: Task, entry: dict[str, t.Any], status: str, *, at: float | None = None) -> None:
    """Write down how far a step is; done comes with its seconds.

    :param at: when that was, in seconds since the epoch; None for now.
    """
    now = at or time.time()
    entry["status"] = status
    if status == steps.RUNNING:
        entry["started_at"] = now
        task.note("step", f"{entry['step']} started")
    elif status == steps.DONE:
        seconds = round(max(0.0, now - entry.pop("started_at", now)), 3)
        entry["seconds"] = seconds
        task.phases[entry["step"]] = seconds
        task.note("step", f"{entry['step']} done", seconds=seconds)


def add_counters(task: Task, request: Request) -> None:
    """Add what this call did to the BMC, since it was last added, to the work's own counters."""
    info, counted = task.record.driver_internal_info, task.counted
    for name in ("bmc_requests", "power_ons"):
        done = getattr(request.driver.counters, name)
        info[name] = info.get(name, 0) + done - counted.get(name, 0)
        counted[name] = done


def totals(record: NodeRecord) -> dict[str, t.Any]:
    """Return the last work in figures, over all runs that it took."""
    info = record.driver_internal_info
    return {
        "verb": info.get("verb"),
        "bmc_requests": info.get("bmc_requests", 0),
        "power_ons": info.get("power_ons", 0),
        "phases": {entry["step"]: entry["seconds"] for entry in record.steps if "seconds" in entry},
        "seconds": info.get("seconds"),
    }


def abandon(request: Request) -> t.Callable[[Task, BareMetalError], None]:
    """Return what tidies up after failed work: no media, no keys, and nothing boots from a half-written disk.

    A machine that this work has not started is left as it is.
    """

    def tidy(task: Task, exc: BareMetalError) -> None:
        files, url = Files(request.node), None
        try:
            url = files.publication.url
            files.publication.remove()
        except InvalidRequestError as left:
            task.note("tidy up", left.message)
        record = task.record
        if record.provision_state not in FAILED or not record.driver_internal_info.pop("ramdisk_booted", False):
            return
        if not running.is_ours(request, record):
            known = running.worked_on(request, record)
            task.note("tidy up", f"NOT done: the work was on the machine of BMC {known}; its ramdisk may be up")
            return
        undone = _leave(request, url, exc)
        if "power off" not in undone:
            record.power_state = POWER_OFF
        files.forget_ramdisk()
        told = "; ".join(f"{what}: {why}" for what, why in undone.items())
        task.note("tidy up", f"NOT done: {told}" if told else "machine powered off, nothing left to boot from")

    return tidy


def _leave(request: Request, url: str | None, exc: BareMetalError) -> dict[str, str]:
    """Power a machine off, and leave nothing that it would boot from; return what could not be done, and why.

    A BMC that refused credentials is not asked again, and one that is away is asked once.
    """
    driver, left = request.driver, {}
    ways: dict[str, t.Callable[[], object]] = {
        "power off": lambda: driver.power.set_power_state(POWER_OFF),
        "media": lambda: boot_interface(request.node, driver).clean_up(url),
        "boot device": driver.management.clear_boot_device,
    }
    in_vain = exc.message if isinstance(exc, BMCAuthenticationError) else None
    for what, way in ways.items():
        try:
            if in_vain is None:
                way()
            else:
                left[what] = in_vain
        except (BMCError, StoreError) as failure:
            left[what] = failure.message
            if isinstance(failure, (BMCAuthenticationError, BMCConnectionError, StoreError)):
                in_vain = failure.message
    return left


def end_event(verb: Verb, record: NodeRecord) -> str:
    """Return the event that ends a verb: a retired node that was cleaned does not become available."""
    return "manage" if verb.kind == "clean" and record.retired else verb.end


def verb_of(task: Task) -> Verb:
    """Return the verb of the work that goes on."""
    return VERBS[str(task.record.driver_internal_info["verb"])]


def wanted_verb(task: Task) -> Verb:
    """Return the verb that was asked for: cleaning may come before it."""
    return VERBS[str(task.record.driver_internal_info.get("wanted_verb") or task.record.driver_internal_info["verb"])]


def is_at_work(record: NodeRecord) -> bool:
    """Say whether a node is in the state in which its verb's work is done, not in the one in which it waits."""
    verb = VERBS.get(str(record.driver_internal_info.get("verb")))
    return verb is not None and verb.paths.get(record.provision_state) == ()


def is_reached(verb: Verb, record: NodeRecord) -> bool:
    """Say whether a node is where the verb leads, so that nothing of it is left to be done."""
    return record.provision_state in verb.reached or (verb.kind == "deploy" and record.provision_state == states.ACTIVE)


def is_begun(record: NodeRecord) -> bool:
    """Say whether a node is in the middle of its verb's work, waiting or not."""
    verb = VERBS.get(str(record.driver_internal_info.get("verb")))
    return verb is not None and verb.paths.get(record.provision_state) in GOES_ON
