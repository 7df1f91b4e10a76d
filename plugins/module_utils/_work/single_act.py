"""A single act on a node, outside of any work: how it holds the node, and what it gives back."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t

from .._calls.request import Request, Result, state_of
from .._errors import BareMetalError, NodeLockedError, StoreError
from .._states import machine
from .._store.record import HistoryEntry, NodeRecord
from . import reservation
from . import task as tasks


def check_free(request: Request) -> NodeRecord | None:
    """Return the node's record, None where the store has never seen it, before anything is asked of its BMC.

    :raises NodeLockedError: another live run holds it.
    """
    record = request.store.get(request.node.name)
    if record is not None:
        reservation.check_lock(record, request.owner)
    return record


@contextlib.contextmanager
def hold(request: Request, purpose: str) -> t.Iterator[tasks.Task]:
    """Reserve a node for one act, also one in maintenance: operators repair machines there.

    An error is noted, and changes no state. What a run has left half done stays what it is: it does not fail,
    and its reservation is given back, so that the next run goes on with it as if there had been no act.

    :param purpose: what for, in a word; shown to whom it locks out.
    :raises NodeLockedError: another live run holds it.
    """
    found = request.store.get(request.node.name)
    failure: BareMetalError | None = None
    with tasks.acquire(request, purpose, in_maintenance=True) as task:
        try:
            yield task
        except BareMetalError as exc:
            failure = exc
            with contextlib.suppress(NodeLockedError, StoreError):  # the first cause is told
                task.note("error", exc.message)
    if machine.is_working(task.record.provision_state):
        _give_back(request, task, found)
    if failure:
        raise failure


def _give_back(request: Request, task: tasks.Task, found: NodeRecord | None) -> None:
    """Make the reservation what it was: that of a dead run, that of this run for its own work, or none."""
    if found is None or found.reservation is None:
        task.release()
        return
    left = max(0.0, (found.reservation_expires or 0) - request.store.now())
    purpose = found.reservation_purpose or ""
    request.store.reserve(
        request.node.name,
        found.reservation,
        purpose,
        left,
        instead_of=request.owner,
        only_expired=False,
        since=found.reservation_since,
    )


def release(request: Request, reason: str) -> bool:
    """Take the node from whoever holds it, and let its BMC be another node's; say whether there was anything to do.

    The work of the run that had it goes on no more; what it has left half done stays what it is.

    :raises NodeLockedError: another run was faster.
    """
    name, store, owner = request.node.name, request.store, request.owner
    record = store.get(name)
    if record is None or (record.reservation is None and record.bmc is None):
        return False
    holder = record.reservation
    held = store.take(name, owner, "release", request.reservation_timeout, instead_of=holder, only_expired=False)
    if held is None:
        raise NodeLockedError("Another run was faster to reserve it.", node=name, hint="Look, and release it again.")
    store.request(name, None, None)
    store.claim_bmc(held, None, owner)
    entry = HistoryEntry(node=name, event="release", owner=owner, message=f"from {holder or 'nobody'}: {reason}")
    store.save(held, owner, entry, release=True)
    return True


def result_of(request: Request, changed: bool, before: Result, after: Result) -> Result:
    """Return the result of a single act, with what it changes as a diff."""
    return {
        **state_of(request.store.get(request.node.name)),
        "changed": changed,
        "diff": {"before": before, "after": after},
    }
