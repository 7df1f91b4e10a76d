"""A machine that runs, and that this store has never worked on, is not taken by surprise: it may be somebody's."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._calls.request import Request
from .._drivers.base import POWER_ON
from .._errors import InvalidRequestError
from .._states import states
from .._states.verbs import ABANDONING, Verb
from .._store.record import NodeRecord
from .steps import Step

LOOKING = frozenset(
    {"management.verify_bmc", "management.inspect_bmc", "deploy.adopt", "deploy.wait", "deploy.hold"},
)
"""Steps that only look; all others switch the machine, change what it starts from, or run on it."""

OURS = "ours"
"""Of what the store knows of a node: which machine, by ``Node.machine``, is off or runs what this store's runs did."""


def worked_on(request: Request, record: NodeRecord | None) -> str | None:
    """Return the machine that this store's runs have worked on for a node, None where they have not.

    A store of before did not keep which: the one that it is now.
    """
    if record is None:
        return None
    info = record.driver_internal_info
    is_older = record.bmc is None and bool(record.instance_info or info.get("ramdisk_booted"))
    return str(info[OURS]) if info.get(OURS) else request.node.machine if is_older else None


def is_ours(request: Request, record: NodeRecord | None) -> bool:
    """Say whether the machine runs what this store has it run; what was done to another one says nothing of it."""
    return worked_on(request, record) == request.node.machine


def is_changed(request: Request, record: NodeRecord | None) -> bool:
    """Say whether the store's runs have worked on another machine for this node."""
    return worked_on(request, record) not in (None, request.node.machine)


def take(request: Request, record: NodeRecord) -> None:
    """Let the record say, once it is saved, that this store's runs decide what the machine runs."""
    record.driver_internal_info[OURS] = request.node.machine


def touches(request: Request, verb: Verb, wanted: t.Iterable[Step], record: NodeRecord | None) -> bool:
    """Say whether a verb does anything to the machine, on the way to its steps or in them.

    The deploy interface noop does nothing by itself, but makes the machine ours.
    """
    state = record.provision_state if record else states.INITIAL_STATE
    if state == states.DELETING or ABANDONING in verb.paths.get(state, ()):
        return True  # the instance is powered off
    does_nothing = request.node.deploy_interface == "noop" and not is_changed(request, record)
    looking = LOOKING | ({"deploy.deploy"} if does_nothing else set())
    return any(step.key.partition("#")[0] not in looking for step in wanted)


def check(request: Request, verb: Verb, wanted: t.Iterable[Step], record: NodeRecord | None) -> str | None:
    """Refuse work on a machine that is switched on and not ours; return its power state, None where none was asked for.

    :raises InvalidRequestError: it is, and bm_take_running does not allow it.
    """
    if is_ours(request, record) or not touches(request, verb, wanted, record):
        return None
    power = request.driver.power.get_power_state()
    if power == POWER_ON and not request.node.take_running:
        now = request.store.get(request.node.name)
        if not is_ours(request, now):  # else another run has begun to work on it since the record was read
            raise _refusal(request, now)
    return power


def _refusal(request: Request, record: NodeRecord | None) -> InvalidRequestError:
    if is_changed(request, record):
        why = f"the machine that this store has worked on was that of BMC {worked_on(request, record)}"
        hint = "Correct bm_bmc; or, if it is the same machine, whose BMC has moved, set bm_take_running: true once."
    else:
        why = "this store has never worked on it"
        hint = (
            "If it has an instance, play enroll.yml and adopt.yml; so, too, where a store was lost. If not, power it"
            " off, or set bm_take_running: true."
        )
    return InvalidRequestError(
        f"The machine of node {request.node.name} is switched on, and {why}: it may run something that is needed.",
        node=request.node.name,
        hint=hint,
    )
