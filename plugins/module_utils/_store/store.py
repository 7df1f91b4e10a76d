"""The state store: node records, reservations and history. SQLAlchemy Core over SQLite or PostgreSQL."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import time
import typing as t
from pathlib import Path

try:
    import sqlalchemy as sa
    from sqlalchemy import event
    from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
except ImportError as exc:
    SQLALCHEMY_ERROR: ImportError | None = exc
else:
    SQLALCHEMY_ERROR = None

from .._dependency import require
from .._errors import NodeLockedError, StoreError
from .._states import states
from .._wait import retry
from . import migrations
from .record import HistoryEntry, NodeRecord

BUSY_TIMEOUT = 30
"""Seconds to wait for another writer of the same SQLite file."""

ALLOCATION_LOCK_KEY = 0x626D616C
"""Advisory lock of PostgreSQL that stands for all allocations ("bmal")."""

_RESERVATION = ("reservation", "reservation_purpose", "reservation_since", "reservation_expires")
_ALLOCATION = ("allocation", "allocated_at")
_REQUEST = ("requested", "requested_by")
_NOT_SAVED = frozenset({*_RESERVATION, *_ALLOCATION, *_REQUEST})
"""Columns that others than the holder of the reservation write, each by an UPDATE of its own."""


def _engine(url: str) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url, **({"connect_args": {"timeout": BUSY_TIMEOUT}} if url.startswith("sqlite") else {})
        )
    except (ArgumentError, ImportError) as exc:
        raise StoreError(
            f"The store '{_without_password(url)}' can't be used: {exc}.",
            hint="Set bm_store to an SQLAlchemy URL such as sqlite:////var/lib/baremetal/store.db.",
            retryable=False,
        ) from exc
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            Path(engine.url.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://***@{tail}" if at else url


def _set_up_sqlite(connection: t.Any, dummy: t.Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event opens the transactions
    # The change to WAL fails at once where another run is just making it, in spite of the busy timeout.
    retry(lambda: connection.execute("PRAGMA journal_mode=WAL"), on=(sqlite3.OperationalError,), attempts=20, wait=0.02)
    connection.execute("PRAGMA synchronous=FULL")


def _begin_immediate(connection: sa.Connection) -> None:
    """Take the write lock first: a read that upgrades to a write fails at once when another writes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class Store:
    """An open store. Open it after the fork, close it before the process ends.

    :raises StoreError: from every method, when the database is away or refuses.
    """

    def __init__(self, url: str) -> None:
        require("sqlalchemy", SQLALCHEMY_ERROR)
        self._url = url
        with self._translated():
            self._engine = _engine(url)
            with self._engine.connect() as connection, connection.begin():
                if migrations.current_revision(connection) != migrations.HEAD:
                    migrations.upgrade(connection)
        metadata = sa.MetaData()
        self._nodes = sa.Table(
            "nodes", metadata, *(sa.Column(f.name, _column_type(f.name)) for f in dataclasses.fields(NodeRecord))
        )
        self._history = sa.Table(
            "history", metadata, sa.Column("id"), *(sa.Column(f.name) for f in dataclasses.fields(HistoryEntry))
        )
        self._evidence = sa.Table(
            "evidence",
            metadata,
            *(sa.Column(name) for name in ("id", "node", "at", "step")),
            sa.Column("content", sa.JSON()),
        )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _translated(self) -> t.Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as exc:
            reason = str(getattr(exc, "orig", None) or exc).splitlines()[0]
            raise StoreError(
                f"The store '{_without_password(self._url)}' does not answer: {reason}.",
                hint="Check bm_store, the database server, and the rights on the file and its folder.",
            ) from exc

    @contextlib.contextmanager
    def _transaction(self) -> t.Iterator[sa.Connection]:
        with self._translated(), self._engine.begin() as connection:
            yield connection

    def get(self, name: str) -> NodeRecord | None:
        """Return the record of a node, None where the store has never seen it."""
        with self._transaction() as connection:
            row = connection.execute(sa.select(self._nodes).where(self._nodes.c.name == name)).mappings().first()
        return NodeRecord(**row) if row else None

    def records(self) -> list[NodeRecord]:
        """Return all records, by name."""
        with self._transaction() as connection:
            rows = connection.execute(sa.select(self._nodes).order_by(self._nodes.c.name)).mappings().all()
        return [NodeRecord(**row) for row in rows]

    def history(self, name: str) -> list[HistoryEntry]:
        """Return the history of a node, oldest first."""
        query = sa.select(self._history).where(self._history.c.node == name).order_by(self._history.c.id)
        with self._transaction() as connection:
            rows = connection.execute(query).mappings().all()
        return [HistoryEntry(**{key: row[key] for key in row if key != "id"}) for row in rows]

    def ensure_node(self, name: str, driver: str) -> NodeRecord:
        """Return the record of a node, which is made in the state ``enroll`` if there is none. Idempotent."""
        with self._translated(), contextlib.suppress(IntegrityError), self._engine.begin() as connection:
            known = connection.execute(sa.select(self._nodes.c.name).where(self._nodes.c.name == name)).first()
            if known is None:
                connection.execute(self._nodes.insert().values(dataclasses.asdict(NodeRecord(name, driver))))
                entry = HistoryEntry(node=name, event="create", to_state=states.INITIAL_STATE)
                connection.execute(self._history.insert().values(dataclasses.asdict(entry)))
        record = self.get(name)
        if record is None:
            raise StoreError(f"The record of node {name} vanished while it was made.", node=name)
        return record

    def reserve(self, name: str, owner: str, purpose: str, seconds: float, *, instead_of: str | None = None) -> bool:
        """Take or renew the reservation for ``seconds``; say whether the node is now ``owner``'s.

        One conditional UPDATE, so that of many runs exactly one gets the node. Free and one's own are taken.

        :param instead_of: another holder whose reservation has ended: its run is dead, or it expired.
        """
        now = time.time()
        nodes = self._nodes
        takeable = [nodes.c.reservation.is_(None), nodes.c.reservation == owner]
        if instead_of is not None:
            takeable.append(nodes.c.reservation == instead_of)
        values = {
            "reservation": owner,
            "reservation_purpose": purpose,
            "reservation_expires": now + seconds,
            "reservation_since": sa.case((nodes.c.reservation == owner, nodes.c.reservation_since), else_=now),
        }
        with self._transaction() as connection:
            done = connection.execute(nodes.update().where(nodes.c.name == name, sa.or_(*takeable)).values(values))
        return done.rowcount == 1

    def release(self, name: str, owner: str) -> bool:
        """Give the reservation up; say whether it was ``owner``'s. Idempotent."""
        nodes = self._nodes
        query = nodes.update().where(nodes.c.name == name, nodes.c.reservation == owner)
        with self._transaction() as connection:
            return connection.execute(query.values(dict.fromkeys(_RESERVATION))).rowcount == 1

    def save(self, record: NodeRecord, owner: str, *entries: HistoryEntry) -> None:
        """Write a record and its new history in one transaction.

        :raises NodeLockedError: the reservation is no longer ``owner``'s; nothing is written.
        """
        values = {key: value for key, value in dataclasses.asdict(record).items() if key not in _NOT_SAVED}
        nodes = self._nodes
        with self._transaction() as connection:
            query = nodes.update().where(nodes.c.name == record.name, nodes.c.reservation == owner).values(values)
            if connection.execute(query).rowcount != 1:
                raise NodeLockedError(
                    "The reservation was lost to another run while work went on.",
                    node=record.name,
                    hint="Look at the node's history, then run again.",
                )
            for entry in entries:
                connection.execute(self._history.insert().values(dataclasses.asdict(entry)))

    def request(self, name: str, what: str | None, by: str | None) -> None:
        """Ask the run that holds a node to abort or hold, or take that back with None; anybody may."""
        values = {"requested": what, "requested_by": by}
        with self._transaction() as connection:
            connection.execute(self._nodes.update().where(self._nodes.c.name == name).values(values))

    def add_evidence(self, name: str, step: str, content: dict[str, t.Any]) -> None:
        """Keep what proves that a step was done; it outlives the node's record."""
        row = {"node": name, "at": time.time(), "step": step, "content": content}
        with self._transaction() as connection:
            connection.execute(self._evidence.insert().values(row))

    def evidence(self, name: str) -> list[dict[str, t.Any]]:
        """Return what was kept as evidence, oldest first: ``at``, ``step``, ``content``."""
        columns = self._evidence.c
        query = sa.select(columns.at, columns.step, columns.content).where(columns.node == name).order_by(columns.id)
        with self._transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings().all()]

    def delete(self, name: str, owner: str, entry: HistoryEntry) -> bool:
        """Remove a node's record; its history and evidence stay. Say whether it was ``owner``'s to remove."""
        nodes = self._nodes
        with self._transaction() as connection:
            gone = connection.execute(nodes.delete().where(nodes.c.name == name, nodes.c.reservation == owner)).rowcount
            if gone:
                connection.execute(self._history.insert().values(dataclasses.asdict(entry)))
        return gone == 1

    def allocate(
        self, names: t.Sequence[str], allocation: str, *entries: HistoryEntry, held: t.Collection[str] = ()
    ) -> bool:
        """Keep available nodes for somebody, all or none in one transaction; say whether they could be had.

        :param held: what the allocation has already; where it has something else by now, nothing is taken.
        """
        nodes = self._nodes
        free = (
            nodes.c.provision_state == states.AVAILABLE,
            nodes.c.allocation.is_(None),
            nodes.c.reservation.is_(None),
            nodes.c.maintenance.is_(False),
            nodes.c.retired.is_(False),
        )
        query = nodes.update().where(nodes.c.name.in_(names), *free)
        with self._translated(), self._engine.connect() as connection:
            _lock_allocations(connection)
            has = connection.execute(sa.select(nodes.c.name).where(nodes.c.allocation == allocation)).scalars().all()
            taken = connection.execute(query.values(allocation=allocation, allocated_at=time.time())).rowcount
            if taken != len(names) or set(has) != set(held):
                connection.rollback()
                return False
            for entry in entries:
                connection.execute(self._history.insert().values(dataclasses.asdict(entry)))
            connection.commit()
        return True

    def deallocate(self, names: t.Sequence[str], *entries: HistoryEntry, allocation: str | None = None) -> int:
        """Give allocated nodes back; return how many were allocated. Idempotent.

        :param entries: history; only of nodes that are given back.
        :param allocation: whose nodes; None for anybody's.
        """
        nodes = self._nodes
        whose = nodes.c.allocation.is_not(None) if allocation is None else nodes.c.allocation == allocation
        query = sa.select(nodes.c.name).where(nodes.c.name.in_(names), whose)
        with self._transaction() as connection:
            _lock_allocations(connection)
            has = connection.execute(query).scalars().all()
            connection.execute(nodes.update().where(nodes.c.name.in_(has)).values(dict.fromkeys(_ALLOCATION)))
            for entry in entries:
                if entry.node in has:
                    connection.execute(self._history.insert().values(dataclasses.asdict(entry)))
        return len(has)


def _lock_allocations(connection: sa.Connection) -> None:
    """Let one run at a time change allocations, to the end of its transaction."""
    if connection.dialect.name == "postgresql":  # SQLite's transaction has locked the whole file
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ALLOCATION_LOCK_KEY})


_JSON = frozenset({"instance_info", "driver_internal_info", "steps", "traits", "inventory"})
_BOOLEAN = frozenset({"maintenance", "protected", "retired"})


def _column_type(name: str) -> t.Any:
    return sa.JSON() if name in _JSON else sa.Boolean() if name in _BOOLEAN else None
