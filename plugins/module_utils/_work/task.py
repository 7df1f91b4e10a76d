"""A task on a node: reservation, state changes, last_error and history.

The state is in the store before hardware is touched; whoever loses the reservation can't write any more.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
import typing as t

from .._calls import forks
from .._calls.request import Request, Result, state_of
from .._drivers.watched import watch
from .._errors import (
    BareMetalError,
    InvalidStateError,
    NodeInMaintenanceError,
    NodeLockedError,
    StoreError,
    last_net,
)
from .._states import machine, states
from .._states.verbs import VERBS
from .._store.record import Glance, HistoryEntry, NodeRecord
from .._store.store import Store
from .reservation import reserve

_STARTING = frozenset(states.VERBS.values()) | {"rebuild"}
"""Events with which new work starts, so that the last error is of no interest any more."""


RENEWALS = 4
"""How often a reservation is renewed while it would last."""


class Task:
    """A node that this run holds."""

    def __init__(self, store: Store, record: NodeRecord, owner: str, timeout: float) -> None:
        self.record = record
        self.previous_provision_state = record.provision_state
        self.transitions: list[str] = []
        self.phases: dict[str, float] = {}
        self.counted: dict[str, int] = {}
        self._unsaved: list[HistoryEntry] = []
        self._evidence: list[tuple[str, t.Any]] = []
        self._store = store
        self._owner = owner
        self._timeout = timeout
        self._renewed = time.monotonic()

    def process_event(self, event: str, *, message: str | None = None) -> None:
        """Advance the state machine by ``event`` and save, with a history row, in one transaction.

        :raises InvalidStateError: not allowed in this state; the node is as it was.
        """
        record = self.record
        transition = machine.advance(record.provision_state, event, node=record.name)
        now = time.time()
        entry = HistoryEntry(
            node=record.name,
            event=event,
            from_state=transition.state,
            to_state=transition.to,
            seconds=round(now - record.provision_updated_at, 3),
            owner=self._owner,
            message=message,
            at=now,
        )
        record.provision_state, record.target_provision_state = transition.to, self._target(transition)
        record.provision_updated_at = now
        if event == "fail" or transition.to.endswith(" failed"):
            record.last_error = message
        elif event in _STARTING:
            record.last_error = None
        self.transitions.append(f"{transition.state} -> {transition.to}")
        self._save(entry)

    def _target(self, transition: states.Transition) -> str | None:
        """Return where a state leads: in manual cleaning somewhere else than in automated cleaning."""
        verb = VERBS.get(str(self.record.driver_internal_info.get("verb")))
        is_at_work = verb is not None and transition.target is not None and transition.to in verb.paths
        return verb.target or transition.target if verb and is_at_work else transition.target

    def note(self, event: str, message: str, *, seconds: float | None = None, later: bool = False) -> None:
        """Save the record, with a history row that is not a change of state.

        :param later: save it together with the next one, where nothing is done in between that could be lost.
        """
        entry = HistoryEntry(node=self.record.name, event=event, owner=self._owner, message=message, seconds=seconds)
        if later:
            self._unsaved.append(entry)
        else:
            self._save(entry)

    def _save(self, entry: HistoryEntry) -> None:
        self._store.save(self.record, self._owner, *self._unsaved, entry, evidence=self._evidence)
        self._unsaved.clear()
        self._evidence.clear()

    def keep_evidence(self, step: str, found: t.Sequence[t.Any]) -> None:
        """Keep what proves that a step was done, together with what is saved next: once, or not at all."""
        self._evidence += [(step, content) for content in found]
        self.note("evidence", f"{len(found)} disks", later=True)

    def fail(self, message: str) -> None:
        """Bring a node that is being worked on into its failed state; elsewhere only note the error."""
        if machine.is_working(self.record.provision_state):
            self.process_event("fail", message=message)
        else:
            self.note("error", message)

    def renew(self) -> None:
        """Prolong the reservation, where a part of its time has passed.

        :raises NodeLockedError: it was lost to another run.
        """
        if time.monotonic() - self._renewed >= self._timeout / RENEWALS:
            self._prolong()

    def check(self) -> None:
        """Check, before an act on the machine, that this run still holds the node; the reservation is prolonged.

        :raises NodeLockedError: it was lost to another run, or the play that this worker belongs to has ended.
        """
        check_play(self.record.name)
        self._prolong()

    def _prolong(self) -> None:
        name = self.record.name
        self._renewed = time.monotonic()
        if name not in self._store.renew([name], self._owner, self._timeout):
            raise NodeLockedError("The reservation was lost to another run.", node=name, hint="Run again.")

    def release(self) -> None:
        """Give the reservation up. Idempotent."""
        self._store.release(self.record.name, self._owner)


@contextlib.contextmanager
def acquire(
    request: Request,
    purpose: str,
    *,
    in_maintenance: bool = False,
    begins: bool = True,
    on_failure: t.Callable[[Task, BareMetalError], None] | None = None,
) -> t.Iterator[Task]:
    """Reserve a node for the time of the block; each act on its machine is fenced.

    The reservation stays while the node is in a state in which a run works on it: the next task of the same
    run goes on with it. An error that leaves the block fails the node first, then releases it.

    :param purpose: what for, in a word; shown to whom it locks out.
    :param in_maintenance: whether a node in maintenance may be taken.
    :param begins: whether work may begin with this; else a node in the middle of its work is this run's already, or a
        dead one's: one that nobody holds was given to whom the operator likes.
    :param on_failure: what to tidy up after an error, once the failed state is in the store.
    :raises NodeInMaintenanceError: an operator has set the node aside; nothing was touched.
    :raises NodeLockedError: another live run holds it; nothing was touched.
    """
    check_play(request.node.name)
    record = reserve(request, purpose, begins=begins)
    if not in_maintenance and record.maintenance:
        request.store.release(record.name, request.owner)  # what this run has begun is left for whoever clears it
        check_maintenance(record)
    task = Task(request.store, record, request.owner, request.reservation_timeout)
    with _released(task), watch(request.driver, looks=task.renew, acts=task.check):
        try:
            with last_net(f"The work '{purpose}'", node=record.name):
                yield task
        except (InvalidStateError, NodeLockedError):
            raise
        except NodeInMaintenanceError:
            task.release()  # what this run has begun is left for whoever clears it
            raise
        except BareMetalError as exc:
            with _told_after(exc):
                task.fail(exc.message)
                if on_failure:
                    on_failure(task, exc)
            raise


@contextlib.contextmanager
def _released(task: Task) -> t.Iterator[None]:
    """Release a node after the block, unless it is in a state in which a run works on it."""
    failure: BareMetalError | None = None
    try:
        yield
    except BareMetalError as exc:
        failure = exc
        raise
    finally:
        if not machine.is_working(task.record.provision_state):
            with _told_after(failure):
                task.release()


@contextlib.contextmanager
def _told_after(first: BareMetalError | None) -> t.Iterator[None]:
    """Let a store that is away while an error is dealt with not hide the error."""
    try:
        yield
    except (NodeLockedError, StoreError) as exc:
        if first is None:
            raise
        first.message += f" That could not be recorded: {exc.message}"


def check_maintenance(record: NodeRecord | Glance) -> None:
    """Refuse a node that is in maintenance.

    :raises NodeInMaintenanceError: with the reason that was given.
    """
    if record.maintenance:
        raise NodeInMaintenanceError(
            f"Node {record.name} is in maintenance: {record.maintenance_reason or 'no reason was given'}.",
            node=record.name,
            hint="Clear it with bm_state and maintenance: false.",
        )


def check_play(node: str | None = None) -> None:
    """Refuse to act for a play that has ended.

    :raises NodeLockedError: it has.
    """
    if forks.is_orphan():
        raise NodeLockedError("The play that this worker belongs to has ended.", node=node, hint="Run again.")


def task_result(task: Task, **more: t.Any) -> Result:
    """Return the result of an operation that held the node."""
    return {
        **state_of(task.record),
        "previous_provision_state": task.previous_provision_state,
        "transitions": task.transitions,
        "phases": {name: round(seconds, 3) for name, seconds in task.phases.items()},
        **more,
    }
