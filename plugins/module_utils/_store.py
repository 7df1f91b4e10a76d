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

from . import _migrations as migrations
from . import _states as states
from ._dependency import require
from ._errors import NodeLockedError, StoreError
from ._wait import retry

BUSY_TIMEOUT = 30
"""Seconds to wait for another writer of the same SQLite file."""


@dataclasses.dataclass
class NodeRecord:
    """One node as the store knows it: never a secret in it. Times are seconds since the epoch, UTC."""

    name: str
    driver: str
    provision_state: str = states.INITIAL_STATE
    target_provision_state: str | None = None
    power_state: str | None = None
    last_error: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    reservation: str | None = None
    reservation_purpose: str | None = None
    reservation_since: float | None = None
    reservation_expires: float | None = None
    owner_controller: str | None = None
    instance_info: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    driver_internal_info: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    deploy_steps: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    created_at: float = dataclasses.field(default_factory=time.time)
    provision_updated_at: float = dataclasses.field(default_factory=time.time)


@dataclasses.dataclass(frozen=True)
class HistoryEntry:
    """One line of a node's history; append-only. ``seconds`` is how long the phase before it took."""

    node: str
    event: str
    from_state: str | None = None
    to_state: str | None = None
    seconds: float | None = None
    owner: str | None = None
    message: str | None = None
    at: float = dataclasses.field(default_factory=time.time)


_RESERVATION = ("reservation", "reservation_purpose", "reservation_since", "reservation_expires")


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
        values = {key: value for key, value in dataclasses.asdict(record).items() if key not in _RESERVATION}
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


def _column_type(name: str) -> t.Any:
    json_columns = {"instance_info", "driver_internal_info", "deploy_steps"}
    return sa.JSON() if name in json_columns else sa.Boolean() if name == "maintenance" else None
