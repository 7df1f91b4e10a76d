"""What a node waits for while no process holds it: kept in the store, watched by bm_wait, judged by bm_deploy."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._boot.agent import Connection
from .._calls.request import Request
from .._drivers.base import POWER_OFF
from .._errors import BMCError, CallBackTimeoutError, StepError
from .._states import states
from .._store.record import NodeRecord
from .._watch.jobs import KINDS, result_of
from . import console, work
from .files import Files
from .task import Task

Result = dict[str, t.Any]

DONE, COMPLETE, GO_ON = "done", "complete", "go_on"
"""What the end of a wait means to the step that goes on: it is done; what follows it is to be done; it goes on."""

HOLDABLE = frozenset({"ramdisk", "pause"})
"""What can be left waiting while somebody holds the node."""

POWER_OFF_LIMIT = 90.0
"""Seconds for the ramdisk to power itself off, before the power is cut."""


@dataclasses.dataclass(frozen=True)
class Wait:
    """One wait. ``what``: ramdisk, job, power_off or pause; ``limit`` in seconds; ``more``: what bm_wait needs."""

    what: str
    limit: float
    then: str = DONE
    more: Result = dataclasses.field(default_factory=dict)


def begin(request: Request, task: Task, wait: Wait) -> None:
    """Write down what the node waits for now: nothing secret, since it is in the store."""
    address = None
    if wait.what != "pause":
        agent = request.driver.agent or Connection.of(request.node, Files(request.node).folder)
        address = agent.to_address()
    begun = {"for": wait.what, "since": time.time(), "limit": wait.limit, "then": wait.then, "agent": address}
    if wait.what == "ramdisk":
        Files(request.node).console.unlink(missing_ok=True)  # what it said before is of another start
    task.record.driver_internal_info["wait"] = {**begun, **wait.more}
    task.process_event("wait")


def current(record: NodeRecord) -> Result | None:
    """Return what the node waits for, None where it does not."""
    return t.cast("Result | None", record.driver_internal_info.get("wait"))


def forget(record: NodeRecord) -> None:
    """Forget what the node has waited for, without saving."""
    record.driver_internal_info.pop("wait", None)


def keep_instance(task: Task, address: Result | None, limit: float, owner: str) -> None:
    """Write down, without saving, where the system will answer that this run has deployed."""
    if address:
        task.record.driver_internal_info["instance"] = {
            "for": "instance",
            "since": time.time(),
            "limit": limit,
            "run": owner,
            **address,
        }


def instance_of(record: NodeRecord, owner: str) -> Result | None:
    """Return the wait for the system that this run has deployed; None where it has deployed none."""
    kept = record.driver_internal_info.get("instance") or {}
    return kept if kept.get("run") == owner and record.provision_state == states.ACTIVE else None


def is_over(request: Request, wait: Result, waited: Result) -> bool:
    """Judge whether a wait is over, having looked once; ``waited`` is what bm_wait has seen, if it was asked.

    :raises BareMetalError: it will not be over any more.
    """
    if waited and not waited.get("ready"):
        return False
    done, seen = LOOKS[wait["for"]](request, wait, waited)
    if done:
        return True
    if time.time() - wait["since"] < wait["limit"]:
        return False
    return LATE[wait["for"]](request, wait, waited.get("seen") or seen)


def job_result(request: Request, wait: Result, waited: Result) -> Result:
    """Return the result of a job that has ended, with ``failed``, ``msg`` and ``error`` where it has failed."""
    kind, answer, seen = KINDS[wait["job"]["act"]], waited["result"], str(waited.get("seen"))
    node = request.node.name
    try:
        if answer.get("lost"):
            raise kind.lost(node, seen)
        if answer.get("late"):
            raise kind.late(node, seen, wait["limit"])
        if answer.get("silent"):
            raise silence(node, float(answer["silent"]), seen)
        return result_of(kind, answer, node, seen)
    except StepError as exc:
        return {**answer, "failed": True, **exc.to_result()}


def silence(node: str, seconds: float, seen: str) -> StepError:
    """Return the error of a ramdisk that stays out of reach."""
    return StepError(
        f"The ramdisk did not answer for {seconds:g} s: {seen}",
        node=node,
        hint="Look at the machine's console and its network; the same command goes on from this step.",
        retryable=True,
    )


def _look_for_ramdisk(request: Request, dummy: Result, _waited: Result) -> tuple[bool, str]:
    return work.agent_answers(request)


def _look_for_result(_request: Request, dummy: Result, waited: Result) -> tuple[bool, str]:
    return bool(waited.get("result")), "nothing"


def _look_at_power(request: Request, dummy: Result, _waited: Result) -> tuple[bool, str]:
    if request.driver.agent is not None:
        return True, "a fake ramdisk is down at once"
    try:
        state = request.driver.power.get_power_state()
    except BMCError as exc:
        if not exc.retryable:
            raise
        return False, exc.message
    return state == POWER_OFF, state


def _look_at_clock(_request: Request, wait: Result, _waited: Result) -> tuple[bool, str]:
    return time.time() - wait["since"] >= wait["limit"], "the clock"


def _no_call_back(request: Request, wait: Result, seen: str) -> bool:
    try:
        power = request.driver.power.get_power_state()
    except BMCError as exc:
        power = exc.message
    secure = " Secure Boot is on: firmware refuses media that are not signed." if request.node.secure_boot else ""
    raise CallBackTimeoutError(
        f"The ramdisk of node {request.node.name} did not answer within {wait['limit']:g} s;"
        f" last seen: {seen}; power: {power}.{console.last_words(request)}",
        node=request.node.name,
        hint="Look at the machine's console; check bm_ramdisk.address and network,"
        f" and that BMC and node reach bm_boot_server.url.{secure}",
    )


def _not_done(request: Request, wait: Result, seen: str) -> bool:
    raise KINDS[wait["job"]["act"]].late(request.node.name, seen, wait["limit"])


def _cut(_request: Request, _wait: Result, dummy: str) -> bool:
    """Let it be over: what follows cuts the power."""
    return True


LOOKS: dict[str, t.Callable[[Request, Result, Result], tuple[bool, str]]] = {
    "ramdisk": _look_for_ramdisk,
    "job": _look_for_result,
    "power_off": _look_at_power,
    "pause": _look_at_clock,
}
"""How each kind of wait is looked at once: whether it is over, and what was seen."""

LATE: dict[str, t.Callable[[Request, Result, str], bool]] = {
    "ramdisk": _no_call_back,
    "job": _not_done,
    "power_off": _cut,
    "pause": _cut,
}
"""What comes of each kind that is not over in time."""
