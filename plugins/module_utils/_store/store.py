"""The state store: node records, reservations and history. SQLAlchemy Core over SQLite or PostgreSQL."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from .._errors import InvalidRequestError, NodeLockedError, StoreError
from .._states import states
from .._url import mask
from .again import carried_through
from .record import Glance, HistoryEntry, NodeRecord
from .reservations import Reservations, portions
from .statements import COLUMNS, RESERVATION, SAVED

BMC_LOCK_KEY = 0x626D626D
"""Advisory lock of PostgreSQL that stands for which BMC is whose ("bmbm")."""

ALLOCATION_LOCK_KEY = 0x626D616C
"""Advisory lock of PostgreSQL that stands for all allocations ("bmal")."""


@carried_through
class Store(Reservations):
    """An open store. Open it after the fork, close it before the process ends; it has at most one connection.

    Times of a reservation are those of the store's own clock, so that controllers may differ in theirs. A read
    never waits for who writes. A server that is away for a moment is waited for, at the start of a transaction.

    :raises StoreError: from every method, when the database is away or refuses.
    """

    def get(self, name: str) -> NodeRecord | None:
        """Return the record of a node, None where the store has never seen it."""
        with self._database.read() as connection:
            row = connection.execute(self._sql.get, {"node": name}).mappings().first()
        return NodeRecord(**row) if row else None

    def records(self) -> list[NodeRecord]:
        """Return all records, by name."""
        with self._database.read() as connection:
            return [NodeRecord(**row) for row in connection.execute(self._sql.records).mappings()]

    def glance(self, names: t.Collection[str]) -> dict[str, Glance]:
        """Return the part of their records that is cheap to read, by name, of those nodes that the store knows."""
        found: dict[str, Glance] = {}
        with self._database.read() as connection:
            for some in portions(names):
                rows = connection.execute(self._sql.glance, {"nodes": some}).mappings()
                found.update((row["name"], Glance(**row)) for row in rows)
        return found

    def history(self, name: str) -> list[HistoryEntry]:
        """Return the history of a node, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(self._sql.history_of, {"whose": name}).mappings()
            return [HistoryEntry(**row) for row in rows]

    def ensure_node(self, name: str, driver: str, bmc: str | None = None) -> NodeRecord:
        """Return the record of a node, which is made in the state ``enroll`` if there is none. Idempotent.

        :raises InvalidRequestError: another node has the BMC.
        """
        record = self.get(name)
        if record is not None:
            return record
        with self._database.write(if_absent=True) as connection:
            self._database.lock(connection, BMC_LOCK_KEY)
            self._check_bmc(connection, name, bmc)
            new = NodeRecord(name, driver, bmc=bmc)
            connection.execute(self._sql.add_node, {column: getattr(new, column) for column in COLUMNS})
            self._add_history(connection, HistoryEntry(node=name, event="create", to_state=states.INITIAL_STATE))
        record = self.get(name)
        if record is None:
            raise StoreError(f"The record of node {name} vanished while it was made.", node=name)
        return record

    def check_bmc(self, name: str, bmc: str | None) -> None:
        """Check that no other node has the BMC; one without a System's name stands for all that the BMC has.

        :raises InvalidRequestError: one has, and which.
        """
        with self._database.read() as connection:
            self._check_bmc(connection, name, bmc)

    def _check_bmc(self, connection: t.Any, name: str, bmc: str | None) -> None:
        host, slash, system = (bmc or "").partition("/")
        values = {"node": name, "which": bmc, "where": host + slash, "since": None, "before": None}
        if slash and not system:  # "0" comes after "/"
            values.update(since=bmc, before=f"{host}0")
        other = connection.execute(self._sql.of_bmc, values).scalar()
        if other is not None:
            raise InvalidRequestError(
                f"Node {name} has the BMC of node {other}: {bmc}.",
                node=name,
                hint="Correct bm_bmc.address or bm_bmc.system_id of one of them. If it is the same machine under a new"
                f" name, let the old one go: baremetal.lifecycle.release -l {name} -e release_node={other}.",
            )

    def claim_bmc(self, record: NodeRecord, bmc: str | None, owner: str, *entries: HistoryEntry) -> None:
        """Keep which machine a node is, or, with None, that it is none any more; and what is known of it; with history.

        :raises InvalidRequestError: another node has the BMC.
        :raises NodeLockedError: the reservation is not ``owner``'s.
        """
        name, info = record.name, record.driver_internal_info
        values = {"node": name, "holder": owner, "bmc": bmc, "driver_internal_info": info}
        with self._database.write() as connection:
            self._database.lock(connection, BMC_LOCK_KEY)
            self._check_bmc(connection, name, bmc)
            if not connection.execute(self._sql.save, values).rowcount:
                raise self._lost(name)
            self._add_history(connection, *entries)

    def save(
        self,
        record: NodeRecord,
        owner: str,
        *entries: HistoryEntry,
        evidence: t.Iterable[tuple[str, dict[str, t.Any]]] = (),
        release: bool = False,
    ) -> None:
        """Write a record, its new history and its evidence in one transaction.

        What others than the holder may change (allocation, request, maintenance) is left as it is in the store.

        :param evidence: what proves that a step was done, by step; it outlives the node's record.
        :param release: give the reservation up as well.
        :raises NodeLockedError: the reservation is no longer ``owner``'s; nothing is written.
        """
        values = {column: getattr(record, column) for column in SAVED}
        values["last_error"] = record.last_error and mask(record.last_error)
        if release:
            values.update(dict.fromkeys(RESERVATION))
        with self._database.write() as connection:
            done = connection.execute(self._sql.save, {**values, "node": record.name, "holder": owner})
            if self._was_done(connection, *entries):
                return
            if done.rowcount != 1:
                raise self._lost(record.name)
            for step, content in evidence:
                row = {"node": record.name, "at": time.time(), "step": step, "content": content}
                connection.execute(self._sql.add_evidence, row)
            self._add_history(connection, *entries)

    def set_maintenance(self, name: str, value: bool, reason: str | None, entry: HistoryEntry) -> None:
        """Set or clear maintenance, with its history, in one transaction; anybody may, whoever holds the node.

        A node that the store does not know stays unknown, and gets no history.
        """
        values = {"node": name, "maintenance": value, "maintenance_reason": reason}
        with self._database.write() as connection:
            if connection.execute(self._sql.change, values).rowcount:
                self._add_history(connection, entry)

    def request(self, name: str, what: str | None, by: str | None) -> None:
        """Ask the run that holds a node to abort or hold, or take that back with None; anybody may."""
        with self._database.write() as connection:
            connection.execute(self._sql.change, {"node": name, "requested": what, "requested_by": by})

    def evidence(self, name: str) -> list[dict[str, t.Any]]:
        """Return what was kept as evidence, oldest first: ``at``, ``step``, ``content``."""
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(self._sql.evidence_of, {"whose": name}).mappings()]

    def learnt(self, machine: str) -> dict[str, t.Any]:
        """Return what was learnt of the BMC of a machine (see ``Node.machine``), nothing if that is not known."""
        with self._database.read() as connection:
            return dict(connection.execute(self._sql.learnt, {"whose": machine}).scalar() or {})

    def keep_learnt(self, machine: str, learnt: t.Mapping[str, t.Any]) -> None:
        """Keep what was learnt of the BMC of a machine; whoever was last is right."""
        values = {"learnt": dict(learnt)}
        with self._database.write(if_absent=True) as connection:
            if not connection.execute(self._sql.change_learnt, {**values, "whose": machine}).rowcount:
                connection.execute(self._sql.add_learnt, {**values, "machine": machine})

    def delete(self, name: str, owner: str, entry: HistoryEntry) -> bool:
        """Remove a node's record; its history and evidence stay. Say whether it was ``owner``'s to remove."""
        with self._database.write() as connection:
            gone = connection.execute(self._sql.delete, {"node": name, "holder": owner}).rowcount
            if gone:
                self._add_history(connection, entry)
            return bool(gone) or self._was_done(connection, entry)

    def allocate(
        self, names: t.Sequence[str], allocation: str, *entries: HistoryEntry, held: t.Collection[str] = ()
    ) -> bool:
        """Keep available nodes for somebody, all or none in one transaction; say whether they could be had.

        :param held: what the allocation has already; where it has something else by now, nothing is taken.
        """
        with self._database.write() as connection:
            self._database.lock(connection, ALLOCATION_LOCK_KEY)
            has = connection.execute(self._sql.allocated, {"whose": allocation}).scalars().all()
            values = {"nodes": names, "allocation": allocation, "allocated_at": time.time()}
            taken = connection.execute(self._sql.allocate, values).rowcount
            if self._is_again and set(has) == {*held, *names}:
                return True
            if taken != len(names) or set(has) != set(held):
                connection.rollback()
                return False
            self._add_history(connection, *entries)
        return True

    def deallocate(self, names: t.Sequence[str], *entries: HistoryEntry, allocation: str | None = None) -> int:
        """Give allocated nodes back; return how many were allocated. Idempotent.

        :param entries: history; only of nodes that are given back.
        :param allocation: whose nodes; None for anybody's.
        """
        with self._database.write() as connection:
            self._database.lock(connection, ALLOCATION_LOCK_KEY)
            has = connection.execute(self._sql.allocated_of, {"nodes": names, "whose": allocation}).scalars().all()
            connection.execute(self._sql.deallocate, {"nodes": has})
            before = [entry for entry in entries if self._was_done(connection, entry)]
            self._add_history(connection, *(entry for entry in entries if entry.node in has))
        return len(has) or len(before)

    def _lost(self, name: str) -> NodeLockedError:
        return NodeLockedError(
            "The reservation was lost to another run while work went on.",
            node=name,
            hint="Look at the node's history, then run again.",
        )

    def _add_history(self, connection: t.Any, *entries: HistoryEntry) -> None:
        if not self._was_done(connection, *entries):
            for entry in entries:
                row = {**vars(entry), "message": entry.message and mask(entry.message)}
                connection.execute(self._sql.add_history, row)

    def _was_done(self, connection: t.Any, *entries: HistoryEntry) -> bool:
        """Say whether a transaction that is tried again was committed before: its history is there then."""
        if not self._is_again or not entries:
            return False
        last = {"whose": entries[-1].node, "when": entries[-1].at, "which": entries[-1].event}
        return bool(connection.execute(self._sql.has_history, last).scalar())
