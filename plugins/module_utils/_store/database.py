"""The database behind the store: how it is reached, its transactions, and what its errors mean."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import typing as t

try:
    import sqlalchemy as sa
    from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
    from sqlalchemy.pool import NullPool, QueuePool
except ImportError as exc:
    SQLALCHEMY_ERROR: ImportError | None = exc
else:
    SQLALCHEMY_ERROR = None

from .._dependency import require
from .._errors import StoreError
from .._wait import retry
from .statements import REVISION, statements_for

BUSY_TIMEOUT = 30
"""Seconds to wait for another writer of the same SQLite file."""

CONNECT_PATIENCE = 30.0
"""Seconds to go on connecting to a server that restarts or has no connection left."""

SCHEMA_LOCK_KEY = 0x626D6C63
"""Advisory lock of PostgreSQL that stands for the schema ("bmlc")."""

_ONE_CONNECTION: dict[str, t.Any] = {"pool_size": 1, "max_overflow": 0}
"""A call has one connection: what a server needs is as many as there are forks."""

_LIBPQ = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Settings of libpq, in seconds and the last in milliseconds: a server that vanished is found out in half a minute."""

_PASSING = (
    *("too many", "connection slots", "no more connections", "starting up", "shutting down", "recovery"),
    *("accepting connections", "administrator command", "cannot connect to server"),
)
"""What a server, or pgbouncer before it, says where it refuses a connection that it may grant soon."""

_LASTING = ("no password supplied", "does not support SSL", "certificate", "failed to resolve host")
"""What the client says where trying again is in vain."""

_CROWDED = ("too many", "connection slots", "no more connections")

_COMPILED: dict[t.Any, t.Any] = {}
"""Statements as SQLite takes them. Its engines share it with the dialect, and forks inherit both: see warm_up()."""


@functools.cache
def _sqlite_dialect() -> sa.Dialect:
    engine = sa.create_engine("sqlite://", poolclass=NullPool)
    engine.connect().close()  # the dialect learns what the library can do
    return engine.dialect


def _open_file(*arguments: t.Any, **options: t.Any) -> t.Any:
    connection: sqlite3.Connection = sqlite3.connect(*arguments, **options)
    connection.isolation_level = None  # write() begins the transactions, a read needs none
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        # The change to WAL fails at once where another run is just making it, in spite of the busy timeout.
        change = functools.partial(connection.execute, "PRAGMA journal_mode=WAL")
        retry(change, on=(sqlite3.OperationalError,), attempts=20, wait=0.02)
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    folder = os.path.dirname(os.path.expanduser(url.database or ""))
    if folder:
        os.makedirs(folder, exist_ok=True)
    dialect = _sqlite_dialect()
    arguments, options = dialect.create_connect_args(url)
    options["timeout"] = BUSY_TIMEOUT
    pool = QueuePool(lambda: _open_file(*arguments, **options), dialect=dialect, **_ONE_CONNECTION)
    # Not create_engine(), which makes a dialect of its own: that would compile all statements anew in each fork.
    return sa.Engine(pool, dialect, url, execution_options={"compiled_cache": _COMPILED})


def _server_engine(url: sa.URL) -> sa.Engine:
    options: dict[str, t.Any] = {}
    if url.drivername == "postgresql+psycopg":
        # Neither prepared statements nor settings of a session, which pgbouncer would give to somebody else.
        settings = {key: value for key, value in _LIBPQ.items() if key not in url.query}
        options = {"connect_args": {**settings, "prepare_threshold": None}, "use_native_hstore": False}
    return sa.create_engine(url, pool_pre_ping=True, **_ONE_CONNECTION, **options)


def without_password(url: str) -> str:
    """Return a database URL as it may be shown."""
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://***@{tail}" if at else url


def parse_url(url: str) -> sa.URL:
    """Return a database URL in its parts; sqlalchemy's ArgumentError for what is none."""
    return sa.make_url(url)


def is_passing(exc: Exception) -> bool:
    """Say whether a server that refused a connection may grant it soon."""
    text = str(exc)
    if "FATAL" in text:
        return any(said in text for said in _PASSING)
    return not any(said in text for said in _LASTING)


class Database:
    """An open database, brought to the newest revision; of one process, at most one connection.

    ``sql`` holds its statements.

    :raises StoreError: from every method, when the database is away or refuses.
    """

    def __init__(self, url: str) -> None:
        require("sqlalchemy", SQLALCHEMY_ERROR)
        self._name = without_password(url)
        self._engine = self._make_engine(url)
        self._is_file = self._engine.dialect.name == "sqlite"
        self.sql = statements_for(self._engine.dialect.name)
        if not self._is_current():
            self._upgrade()

    def _make_engine(self, url: str) -> sa.Engine:
        try:
            parsed = parse_url(url)
            with self._translated():
                return (_sqlite_engine if parsed.drivername == "sqlite" else _server_engine)(parsed)
        except ImportError as exc:
            raise StoreError(
                f"The store '{self._name}' needs a Python library that can't be imported: {str(exc).splitlines()[0]}.",
                hint="Install what its URL names into the Python that runs Ansible: for postgresql+psycopg that is"
                " psycopg[binary]. An image for AWX has it from the collection's meta/execution-environment.yml.",
                retryable=False,
            ) from exc
        except ArgumentError as exc:
            raise StoreError(
                f"The store '{self._name}' can't be used: {exc}.",
                hint="Set bm_store to an SQLAlchemy URL such as sqlite:////var/lib/baremetal/store.db.",
                retryable=False,
            ) from exc

    def _upgrade(self) -> None:
        with self.write() as connection:
            self.lock(connection, SCHEMA_LOCK_KEY)
            if not self._has_revision(connection):  # nobody else has made it meanwhile
                from . import migrations  # their library takes longer to import than most calls do

                migrations.upgrade(connection)

    def _is_current(self) -> bool:
        with self._translated(), self._connected() as connection:
            return self._has_revision(connection)

    def _has_revision(self, connection: sa.Connection) -> bool:
        try:
            with connection.begin_nested() if connection.in_transaction() else contextlib.nullcontext():
                return bool(connection.execute(self.sql.revision).scalar() == REVISION)
        except DBAPIError:  # no such table
            return False

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> t.Iterator[sa.Connection]:
        """Give a connection for one SELECT. It takes no lock, and never waits for who writes."""
        with self._translated(), self._connected() as connection:
            yield connection if self._is_file else connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextlib.contextmanager
    def write(self, *, if_absent: bool = False) -> t.Iterator[sa.Connection]:
        """Give a connection for one transaction, which an error of the block takes back.

        :param if_absent: pass over a row that is there already.
        """
        absorbed = contextlib.suppress(IntegrityError) if if_absent else contextlib.nullcontext()
        with self._translated(), absorbed, self._connected() as connection, connection.begin():
            if self._is_file:
                # Take the write lock first: a read that becomes a write fails at once where another one writes.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def lock(self, connection: sa.Connection, key: int) -> None:
        """Let one run at a time past this point, to the end of its transaction; SQLite's has locked the whole file."""
        if self.sql.lock is not None:
            connection.execute(self.sql.lock, {"key": key})

    def _connected(self) -> sa.Connection:
        """Return a connection that answers. Nothing was sent on it, so that it can be waited for."""
        try:
            return self._engine.connect()
        except OperationalError as exc:
            if self._is_file or not is_passing(exc):
                raise
        return retry(self._engine.connect, on=(OperationalError,), when=is_passing, seconds=CONNECT_PATIENCE, wait=0.1)

    @contextlib.contextmanager
    def _translated(self) -> t.Iterator[None]:
        try:
            yield
        except ArgumentError:
            raise
        except (SQLAlchemyError, OSError) as exc:
            reason = str(getattr(exc, "orig", None) or exc).splitlines()[0]
            hint = "Check bm_store, the database server, and the rights and the room of the file."
            if any(said in reason for said in _CROWDED):
                hint = (
                    "Each fork of each run needs a connection: raise max_connections, put pgbouncer before the server,"
                    " or run with fewer forks."
                )
            lost = bool(getattr(exc, "connection_invalidated", False))
            raise StoreError(f"The store '{self._name}' does not answer: {reason}.", hint=hint, is_lost=lost) from exc


class Scratch(Database):
    """A database in memory, whose tables are good for trying the statements."""

    def _upgrade(self) -> None:
        with self.write() as connection:
            for table in self.sql.metadata.tables.values():
                connection.exec_driver_sql(f"CREATE TABLE {table.name} ({', '.join(table.columns.keys())})")
