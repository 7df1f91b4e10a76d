"""How a database server is reached: few connections, none left, a restart, and what is not worth waiting for."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

import psycopg
import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import StoreError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import database
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.database import Database, is_passing
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store
from tests.postgresql import PostgreSQL
from tests.processes import CONTEXT

CONNECTIONS = 3


@pytest.fixture(scope="module")
def server() -> t.Iterator[PostgreSQL]:
    """A server of few connections, which a test may stop."""
    few = {"max_connections": str(CONNECTIONS), "superuser_reserved_connections": "0", "max_wal_senders": "0"}
    running = PostgreSQL(**few)
    yield running
    running.close()


@pytest.fixture
def url(server: PostgreSQL) -> str:
    made = server.new_database()
    Store(made).close()
    return made


def occupied(url: str, number: int) -> contextlib.ExitStack:
    """Take that many of the server's connections."""
    stack = contextlib.ExitStack()
    for dummy in range(number):
        stack.enter_context(psycopg.connect(url.replace("+psycopg", "")))
    return stack


@contextlib.contextmanager
def later(seconds: float, action: t.Callable[[], object]) -> t.Iterator[None]:
    timer = threading.Timer(seconds, action)
    timer.start()
    yield
    timer.join()


def test_a_call_has_one_connection_and_leaves_nothing_on_it(url: str) -> None:
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as watcher:

        def await_one() -> None:  # the server takes a moment to notice that one has left
            deadline = time.monotonic() + 10
            while watcher.execute(count).fetchone() != (1,):
                assert time.monotonic() < deadline, "a connection outlived its call"

        await_one()
        with contextlib.closing(Store(url)) as store:
            for dummy in range(10):  # psycopg prepares what it sees again and again
                record = store.ensure_node("node01", "fake")
                assert store.reserve("node01", "me", "deploy", 60)
                store.save(record, "me", HistoryEntry(node="node01", event="manage"))
            assert watcher.execute(count).fetchone() == (2,)
        await_one()
    with contextlib.closing(Database(url)) as opened:
        for dummy in range(10):
            with opened.read() as connection:
                connection.execute(opened.sql.records)
        with opened.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar() == 0
            assert connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").scalar() == 0


def test_a_server_without_a_connection_left_is_waited_for(url: str) -> None:
    stack = occupied(url, CONNECTIONS)
    with later(0.7, stack.close), contextlib.closing(Store(url)) as store:
        assert store.get("node01") is None


def test_a_server_that_stays_full_is_told_with_what_helps(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECT_PATIENCE", 0.5)
    with occupied(url, CONNECTIONS), pytest.raises(StoreError, match="too many clients already") as caught:
        Store(url)
    assert caught.value.retryable
    for word in ("max_connections", "pgbouncer", "forks"):
        assert word in caught.value.hint


def _work(url: str, number: int, results: t.Any) -> None:
    for round_number in range(3):
        with contextlib.closing(Store(url)) as store:
            name = f"node{number:02}-{round_number}"
            store.ensure_node(name, "fake")
            time.sleep(0.05)
            results.put((name, store.reserve(name, f"run{number}", "deploy", 60)))


def test_many_forks_share_few_connections(url: str) -> None:
    forks = 4 * CONNECTIONS
    results = CONTEXT.Queue()
    runs = [CONTEXT.Process(target=_work, args=(url, number, results)) for number in range(forks)]
    for run in runs:
        run.start()
    done = dict(results.get(timeout=60) for dummy in range(3 * forks))
    for run in runs:
        run.join(timeout=60)
    assert [run.exitcode for run in runs] == [0] * forks
    assert (len(done), set(done.values())) == (3 * forks, {True})


def test_a_restart_of_the_server_ends_no_run(server: PostgreSQL, url: str) -> None:
    with contextlib.closing(Store(url)) as store:
        record = store.ensure_node("node01", "fake")
        assert store.reserve("node01", "me", "deploy", 600)
        for ask in (
            lambda: store.get("node01"),
            lambda: store.save(record, "me", HistoryEntry(node="node01", event="manage")),
            lambda: contextlib.closing(Store(url)),
        ):
            server.stop()
            with later(1, server.start):
                ask()
        assert [entry.event for entry in store.history("node01")] == ["create", "manage"]


def _write_twice(opened: Database, between: t.Callable[[], None]) -> None:
    values = {"node": "node01", "event": "first", "at": 1}
    with opened.write() as connection:
        connection.execute(opened.sql.add_history, values)
        between()
        connection.execute(opened.sql.add_history, values)


def test_a_transaction_that_is_cut_is_not_done_again(server: PostgreSQL, url: str) -> None:
    def restart() -> None:
        server.stop()
        server.start()

    with contextlib.closing(Database(url)) as opened:
        with pytest.raises(StoreError, match="does not answer") as caught:
            _write_twice(opened, restart)
        assert caught.value.retryable
    with contextlib.closing(Store(url)) as store:
        assert store.history("node01") == []


def test_what_will_not_change_is_not_waited_for(url: str) -> None:
    started = time.monotonic()
    with pytest.raises(StoreError, match="does not exist"):
        Store(url.replace("postgres@", "nobody@"))
    assert time.monotonic() - started < database.CONNECT_PATIENCE / 3


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("connection failed: Connection refused\n\tIs the server running?", True),
        ("connection failed: Verbindungsaufbau abgelehnt", True),
        ("server closed the connection unexpectedly", True),
        ("connection failed: FATAL:  sorry, too many clients already", True),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", True),
        ("FATAL:  no more connections allowed (max_client_conn)", True),
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  terminating connection due to administrator command", True),
        ('FATAL:  password authentication failed for user "x"', False),
        ('FATAL:  database "x" does not exist', False),
        ("connection failed: fe_sendauth: no password supplied", False),
        ("failed to resolve host 'x': [Errno -2] Name or service not known", False),
    ],
)
def test_which_refusals_pass(said: str, expected: bool) -> None:
    assert is_passing(Exception(said)) is expected
