"""Which run holds a node: taking it, also from a run that is dead, and which machine it is from then on."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import os

from .._calls.request import Request
from .._errors import InvalidRequestError, NodeLockedError
from .._states import machine
from .._store import owner as owners
from .._store.record import HistoryEntry, NodeRecord
from . import running


def check_lock(record: NodeRecord, owner: str) -> None:
    """Refuse a node that another live run holds; one that can't be seen from here counts as live until it expires.

    :raises NodeLockedError: with the holder, since when and what for.
    """
    holder = record.reservation
    if holder in (None, owner):
        return
    alive = is_holder_alive(record)
    if alive is None:
        alive = not record.reservation_expired
    if not alive:
        return
    since = datetime.datetime.fromtimestamp(record.reservation_since or 0, datetime.timezone.utc)
    raise NodeLockedError(
        f"Node {record.name} is reserved by {holder} since {since:%Y-%m-%d %H:%M:%S} UTC"
        f" for '{record.reservation_purpose}'.",
        node=record.name,
        hint="Wait for that run; if it is dead, the reservation ends by itself, on its own controller at once."
        " If you know that it is dead, baremetal.lifecycle.release lets the node go.",
    )


def is_holder_alive(record: NodeRecord) -> bool | None:
    """Say whether the run that holds a node goes on; None where that can't be seen from here, or nobody holds it."""
    return owners.is_alive(record.reservation, owners.current_owner(os.getpid())) if record.reservation else None


def reserve(request: Request, purpose: str, *, begins: bool) -> NodeRecord:
    """Take the reservation, also from a run that is dead or whose reservation has expired; return the record then."""
    name, store, timeout = request.node.name, request.store, request.reservation_timeout
    held = store.take(name, request.owner, purpose, timeout, free=begins) or _take_over(request, purpose, begins=begins)
    if held.bmc != request.node.machine or running.is_changed(request, held):
        _check_machine(request, held, begins=begins)
    return held


def _take_over(request: Request, purpose: str, *, begins: bool) -> NodeRecord:
    store, owner, timeout = request.store, request.owner, request.reservation_timeout
    record = store.ensure_node(request.node.name, request.node.driver, request.node.machine)
    if not begins and record.reservation is None and machine.is_working(record.provision_state):
        raise NodeLockedError(
            "This run holds the node no longer: it was released.", node=record.name, hint="See its history; run again."
        )
    holder = record.reservation
    check_lock(record, owner)
    dead = is_holder_alive(record) is False
    held = store.take(record.name, owner, purpose, timeout, instead_of=holder, only_expired=not dead)
    if held is None:
        check_lock(store.get(record.name) or record, owner)
        raise NodeLockedError("Another run was faster to reserve it.", node=record.name, hint="Run again.")
    if holder not in (None, owner):
        entry = HistoryEntry(node=record.name, event="takeover", owner=owner, message=f"from {holder}")
        store.save(held, owner, entry)
    return held


def _check_machine(request: Request, held: NodeRecord, *, begins: bool) -> None:
    """Keep which machine the node is, where that was not known; another one than before is kept once its work begins.

    :raises InvalidRequestError: it is another node's, and this one is held no more; or it is not the one that the work
        was begun on.
    """
    name, store, machine = held.name, request.store, request.node.machine
    before = running.worked_on(request, held) if running.is_changed(request, held) else held.bmc
    if before and not begins:
        raise InvalidRequestError(
            f"The BMC of node {name} was {before} when its work was begun, and is {machine} now.",
            node=name,
            hint="Correct bm_bmc, or play the verb's playbook from its start.",
        )
    try:
        if held.bmc is None:
            claim(request, held)
        else:
            store.check_bmc(name, machine)
    except InvalidRequestError:
        store.release(name, request.owner)
        raise


def claim(request: Request, held: NodeRecord) -> None:
    """Keep which machine a node is, and what is known of that, in the record and in the store.

    :raises InvalidRequestError: it is another node's.
    """
    machine, before = request.node.machine, held.bmc
    change = HistoryEntry(node=held.name, event="bmc", owner=request.owner, message=f"{machine}, before {before}")
    known = running.worked_on(request, held)
    if known:
        held.driver_internal_info[running.OURS] = known
    request.store.claim_bmc(held, machine, request.owner, *([change] if before else []))
    held.bmc = machine
