"""The stores of cells, and what happens to them: each trouble lasts as long as its block."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import sqlite3
import time
import typing as t
from pathlib import Path

import psycopg

from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.statements import REVISION
from tests.chaos import sandbox
from tests.chaos.ground import FOLDER, Ground
from tests.chaos.proxy import Proxy
from tests.postgresql import USER, PostgreSQL

STATE = FOLDER / "state"
FILE = STATE / "store.db"
PASSWORD = "Tr0ub4dor-and-3"
"""The database's; no output and no history may have it."""

_MS_BIND, _MS_REMOUNT, _MS_RDONLY = 0x1000, 0x20, 0x1

_SINCE_0004 = ("DROP TABLE bmcs",)
_SINCE_0003 = ("DROP INDEX ix_nodes_bmc", "ALTER TABLE nodes DROP COLUMN bmc")
_COLUMNS_0002 = (
    *("protected", "protected_reason", "retired", "retired_reason", "resource_class", "traits", "inventory"),
    *("allocation", "allocated_at", "requested", "requested_by"),
)
_SINCE_0002 = (
    "ALTER TABLE nodes RENAME COLUMN steps TO deploy_steps",
    *(f"ALTER TABLE nodes DROP COLUMN {column}" for column in _COLUMNS_0002),
    "DROP TABLE evidence",
)
BACK_TO = {
    "0003": _SINCE_0004,
    "0002": (*_SINCE_0004, *_SINCE_0003),
    "0001": (*_SINCE_0004, *_SINCE_0003, *_SINCE_0002),
}
"""What makes an older version's store of one, by its revision."""


class File:
    """A SQLite file in the state folder."""

    def __init__(self, dummy: Ground) -> None:
        STATE.mkdir(exist_ok=True)

    def execute(self, *statements: str) -> None:
        """Do it at once."""
        with contextlib.closing(sqlite3.connect(FILE, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)


class Server:
    """A database of a PostgreSQL server of the cell's own; few connections, no reserve."""

    SETTINGS: t.ClassVar[dict[str, str]] = {}

    def __init__(self, ground: Ground) -> None:
        self.server = PostgreSQL(FOLDER, dynamic_shared_memory_type="mmap", **self.SETTINGS)
        ground.spared.append(lambda: self.server.pid)
        self.url = self.server.new_database().replace(f"{USER}@", f"{USER}:{PASSWORD}@")
        ground.site.store_url = ground.site.variables["bm_store"] = self.url

    def connect(self) -> psycopg.Connection:
        """Return a connection."""
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True)

    def execute(self, *statements: str) -> None:
        """Do it at once."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())


class SmallServer(Server):
    """The same with four connections."""

    SETTINGS: t.ClassVar = {"max_connections": "4", "superuser_reserved_connections": "0", "max_wal_senders": "0"}


class Proxied(Server):
    """The same with a proxy before it, for the plays."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        folder = FOLDER / "proxy"
        server = Path(self.url.partition("?host=")[2])
        self.proxy = Proxy(server, folder)
        ground.site.variables["bm_store"] = self.url.replace(str(server), str(folder))


Trouble = t.Callable[[t.Any, Ground], t.ContextManager[None]]

# SQLite


class SmallFile(File):
    """A SQLite file on a small file system."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        sandbox.mount("small", str(STATE), "tmpfs", data="size=4m")


@contextlib.contextmanager
def full(dummy: SmallFile, _ground: Ground) -> t.Iterator[None]:
    """Leave no room."""
    filler = STATE / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@contextlib.contextmanager
def read_only(dummy: File, _ground: Ground) -> t.Iterator[None]:
    """Let nobody write who opens it from now on."""
    sandbox.mount(str(STATE), str(STATE), flags=_MS_BIND)
    sandbox.mount("none", str(STATE), flags=_MS_BIND | _MS_REMOUNT | _MS_RDONLY)
    yield
    sandbox.unmount(str(STATE), at_once=True)


@contextlib.contextmanager
def deleted(dummy: File, _ground: Ground) -> t.Iterator[None]:
    """Remove it."""
    for path in STATE.glob("store.db*"):
        path.unlink()
    yield


@contextlib.contextmanager
def locked(dummy: File, _ground: Ground) -> t.Iterator[None]:
    """Have somebody else write to it."""
    with contextlib.closing(sqlite3.connect(FILE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextlib.contextmanager
def no_database(dummy: File, ground: Ground) -> t.Iterator[None]:
    """Have another file in its place."""
    kept = FILE.with_name("kept")
    FILE.rename(kept)
    FILE.write_bytes(b"#!/bin/sh\n" * 999)
    yield
    ground.expect(FILE.read_bytes() == b"#!/bin/sh\n" * 999, "the file that is no store was changed")
    kept.rename(FILE)


def torn(name: str, change: t.Callable[[bytes], bytes]) -> Trouble:
    """Return what kills the run, and changes a file beside the database."""

    @contextlib.contextmanager
    def tear(dummy: File, ground: Ground) -> t.Iterator[None]:
        sandbox.kill_all(ground.processes)
        path = STATE / name
        content = path.read_bytes()
        ground.expect(len(content) > 4096, f"{name} is too small to be torn")
        path.write_bytes(change(content))
        yield

    return tear


# Both


def older(revision: str) -> Trouble:
    """Return what makes the store an older version's."""

    @contextlib.contextmanager
    def make(place: t.Any, ground: Ground) -> t.Iterator[None]:
        with ground.site.store():
            pass
        place.execute(*BACK_TO[revision], f"UPDATE alembic_version SET version_num = '{revision}'")
        yield

    return make


@contextlib.contextmanager
def newer(place: t.Any, ground: Ground) -> t.Iterator[None]:
    """Make the store a newer version's; then this one's again."""
    with ground.site.store() as store:
        known = store.records()
    place.execute("UPDATE alembic_version SET version_num = '0999'")
    yield
    place.execute(f"UPDATE alembic_version SET version_num = '{REVISION}'")
    with ground.site.store() as store:
        ground.expect(store.records() == known, "a newer store was changed")


# PostgreSQL


@contextlib.contextmanager
def stopped(place: Server, dummy: Ground) -> t.Iterator[None]:
    """Stop the server."""
    place.server.stop()
    yield
    place.server.start()


@contextlib.contextmanager
def table_locked(place: Server, dummy: Ground) -> t.Iterator[None]:
    """Have somebody else change the nodes' table."""
    with place.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE nodes IN ACCESS EXCLUSIVE MODE")
        yield


@contextlib.contextmanager
def cut(place: Server, ground: Ground) -> t.Iterator[None]:
    """Cut a connection in the middle of its transaction."""
    with table_locked(place, ground), place.connect() as other:
        yield
        deadline, victims = time.monotonic() + 20, list[t.Any]()
        while not victims and time.monotonic() < deadline:
            time.sleep(0.01)
            victims = other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            ).fetchall()
        ground.expect(victims, "nobody was cut off")


@contextlib.contextmanager
def answer_lost(place: Proxied, ground: Ground) -> t.Iterator[None]:
    """Lose the answer to the next commit."""
    place.proxy.lose_commit = True
    yield
    deadline = time.monotonic() + 20
    while not place.proxy.lost and time.monotonic() < deadline:
        time.sleep(0.05)
    ground.expect(place.proxy.lost == 1, f"{place.proxy.lost} answers were lost")


@contextlib.contextmanager
def slow(place: Proxied, dummy: Ground) -> t.Iterator[None]:
    """Have each message take its time."""
    place.proxy.delay = 0.1
    yield
    place.proxy.delay = 0


@contextlib.contextmanager
def crowded(place: Server, ground: Ground) -> t.Iterator[None]:
    """Take all connections that are left."""
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(place.connect())
        yield


def check(ground: Ground, *nodes: str) -> None:
    """Expect a history without a hole, the password nowhere, and nothing left over."""
    for node in nodes or ("node01",):
        history = ground.site.history(node)
        moves = [(entry.from_state, entry.to_state) for entry in history if entry.to_state]
        states = [None, *(after for dummy, after in moves)]
        holes = [f"{before} after {state}" for state, (before, dummy) in zip(states, moves) if before != state]
        ground.expect(not holes, f"the history of {node} has holes: {holes}")
        ground.expect(PASSWORD not in str(history), "the database's password is in the history")
    ground.expect(not any(PASSWORD in output for output in ground.outputs), "the database's password is in an output")
    ground.check_hygiene()
