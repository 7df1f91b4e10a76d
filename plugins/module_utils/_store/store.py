"""The state store: node records, reservations and history. SQLAlchemy Core over SQLite or PostgreSQL."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import itertools
import time
import typing as t

from .._errors import NodeLockedError, StoreError
from .._states import states
from .._url import mask
from .database import Database, Scratch
from .record import Glance, HistoryEntry, NodeRecord
from .statements import COLUMNS, RESERVATION, SAVED

ALLOCATION_LOCK_KEY = 0x626D616C
"""Advisory lock of PostgreSQL that stands for all allocations ("bmal")."""

MOST_NAMES = 500
"""Names in one statement: databases limit its parameters."""


class Store:
    """An open store. Open it after the fork, close it before the process ends; it has at most one connection.

    Times of a reservation are those of the store's own clock, so that controllers may differ in theirs. A read
    never waits for who writes. A server that is away for a moment is waited for, at the start of a transaction.

    :raises StoreError: from every method, when the database is away or refuses.
    """

    def __init__(self, url: str, *, database: type[Database] = Database) -> None:
        self._database = database(url)
        self._sql = self._database.sql

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def now(self) -> float:
        """Return the time by the clock that reservations go by, in seconds since the epoch."""
        with self._database.read() as connection:
            return float(connection.execute(self._sql.now).scalar_one())

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
            for some in _portions(names):
                rows = connection.execute(self._sql.glance, {"nodes": some}).mappings()
                found.update((row["name"], Glance(**row)) for row in rows)
        return found

    def history(self, name: str) -> list[HistoryEntry]:
        """Return the history of a node, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(self._sql.history_of, {"whose": name}).mappings()
            return [HistoryEntry(**row) for row in rows]

    def ensure_node(self, name: str, driver: str) -> NodeRecord:
        """Return the record of a node, which is made in the state ``enroll`` if there is none. Idempotent."""
        record = self.get(name)
        if record is not None:
            return record
        with self._database.write(if_absent=True) as connection:
            new = NodeRecord(name, driver)
            connection.execute(self._sql.add_node, {column: getattr(new, column) for column in COLUMNS})
            self._add_history(connection, HistoryEntry(node=name, event="create", to_state=states.INITIAL_STATE))
        record = self.get(name)
        if record is None:
            raise StoreError(f"The record of node {name} vanished while it was made.", node=name)
        return record

    def reserve(
        self,
        name: str,
        owner: str,
        purpose: str,
        seconds: float,
        *,
        instead_of: str | None = None,
        only_expired: bool = True,
    ) -> bool:
        """Take or renew the reservation for ``seconds``; say whether the node is now ``owner``'s.

        One conditional UPDATE, so that of many runs exactly one gets the node. Free and one's own are taken.

        :param instead_of: another holder, whose reservation is taken over; where somebody else has it by now, nothing
            is taken.
        :param only_expired: take that over only where it has expired by the store's clock. False for a holder whose
            run is known to be dead, and for the caller that gives its own reservation to another.
        """
        return self.take(name, owner, purpose, seconds, instead_of=instead_of, only_expired=only_expired) is not None

    def take(
        self,
        name: str,
        owner: str,
        purpose: str,
        seconds: float,
        *,
        instead_of: str | None = None,
        only_expired: bool = True,
    ) -> NodeRecord | None:
        """Reserve a node as ``reserve`` does; return its record as it is then, None where it can't be had."""
        values = {
            "node": name,
            "holder": owner,
            "purpose": purpose,
            "seconds": seconds,
            "instead_of": instead_of,
            "only_expired": only_expired,
        }
        with self._database.write() as connection:
            if not connection.execute(self._sql.reserve, values).rowcount:
                return None
            return NodeRecord(**connection.execute(self._sql.get, {"node": name}).mappings().one())

    def renew(self, names: t.Collection[str], owner: str, seconds: float) -> set[str]:
        """Prolong for ``seconds`` the reservations that ``owner`` holds of these nodes; return the nodes it holds.

        One transaction; what each reservation is for stays.
        """
        held: set[str] = set()
        with self._database.write() as connection:
            for some in _portions(names):
                values = {"nodes": some, "holder": owner}
                renewed = connection.execute(self._sql.renew, {**values, "seconds": seconds}).rowcount
                held.update(some if renewed == len(some) else connection.execute(self._sql.held, values).scalars())
        return held

    def release(self, name: str, owner: str, *, only_expired: bool = False) -> bool:
        """Give the reservation up; say whether it was ``owner``'s. Idempotent.

        :param only_expired: only where it has expired by the store's clock: it is another run's.
        """
        values = {"node": name, "holder": owner, "only_expired": only_expired}
        with self._database.write() as connection:
            return bool(connection.execute(self._sql.release, values).rowcount)

    def save(self, record: NodeRecord, owner: str, *entries: HistoryEntry, release: bool = False) -> None:
        """Write a record and its new history in one transaction.

        What others than the holder may change (allocation, request, maintenance) is left as it is in the store.

        :param release: give the reservation up as well.
        :raises NodeLockedError: the reservation is no longer ``owner``'s; nothing is written.
        """
        values = {column: getattr(record, column) for column in SAVED}
        values["last_error"] = record.last_error and mask(record.last_error)
        if release:
            values.update(dict.fromkeys(RESERVATION))
        with self._database.write() as connection:
            done = connection.execute(self._sql.save, {**values, "node": record.name, "holder": owner})
            if done.rowcount != 1:
                raise NodeLockedError(
                    "The reservation was lost to another run while work went on.",
                    node=record.name,
                    hint="Look at the node's history, then run again.",
                )
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

    def add_evidence(self, name: str, step: str, content: dict[str, t.Any]) -> None:
        """Keep what proves that a step was done; it outlives the node's record."""
        row = {"node": name, "at": time.time(), "step": step, "content": content}
        with self._database.write() as connection:
            connection.execute(self._sql.add_evidence, row)

    def evidence(self, name: str) -> list[dict[str, t.Any]]:
        """Return what was kept as evidence, oldest first: ``at``, ``step``, ``content``."""
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(self._sql.evidence_of, {"whose": name}).mappings()]

    def delete(self, name: str, owner: str, entry: HistoryEntry) -> bool:
        """Remove a node's record; its history and evidence stay. Say whether it was ``owner``'s to remove."""
        with self._database.write() as connection:
            gone = connection.execute(self._sql.delete, {"node": name, "holder": owner}).rowcount
            if gone:
                self._add_history(connection, entry)
        return bool(gone)

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
            self._add_history(connection, *(entry for entry in entries if entry.node in has))
        return len(has)

    def _add_history(self, connection: t.Any, *entries: HistoryEntry) -> None:
        for entry in entries:
            message = entry.message and mask(entry.message)
            connection.execute(self._sql.add_history, {**vars(entry), "message": message})


def _portions(names: t.Collection[str]) -> t.Iterator[list[str]]:
    """Return the names, each once, in lists that one statement takes."""
    rest = iter(dict.fromkeys(names))
    while some := list(itertools.islice(rest, MOST_NAMES)):
        yield some


def warm_up() -> None:
    """Do what processes forked from this one would each do: compile SQLite's statements.

    Each statement of a call is used once, on a database in memory.
    """
    with contextlib.closing(Store("sqlite://", database=Scratch)) as store:
        record = store.ensure_node("node", "fake")
        entry = HistoryEntry(node="node", event="warm up")
        store.take("node", "run", "", 60)
        store.renew(["node"], "run", 60)
        store.save(record, "run", entry)
        store.request("node", None, None)
        store.set_maintenance("node", False, None, entry)
        store.glance(["node"])
        store.now()
        store.add_evidence("node", "", {})
        store.save(record, "run", entry, release=True)
        store.release("node", "run")
