"""The store on a real database: reservations under contention, history, and what a killed run leaves."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import time
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as SQLiteDialect

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import (
    InvalidRequestError,
    NodeLockedError,
    StoreError,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import migrations, statements
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.database import BUSY_TIMEOUT, Database
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import Glance, HistoryEntry
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.reservations import MOST_NAMES
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.warm_up import compile_statements
from tests.processes import CONTEXT


@pytest.fixture
def store(url: str) -> t.Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def test_the_statements_are_for_the_newest_tables() -> None:
    assert list(migrations.REVISIONS)[-1] == statements.REVISION


def test_a_record_and_its_history_survive(store: Store, url: str) -> None:
    record = store.ensure_node("node01", "fake")
    assert record.provision_state == "enroll"
    assert store.reserve("node01", "me", "deploy", 60)
    record.instance_info = {"image_checksum": "sha256:00"}
    record.protected = True
    store.save(record, "me", HistoryEntry(node="node01", event="manage", from_state="enroll", to_state="verifying"))
    again = Store(url)
    loaded = again.get("node01")
    assert loaded is not None
    assert (loaded.instance_info, loaded.protected, loaded.reservation) == (
        {"image_checksum": "sha256:00"},
        True,
        "me",
    )
    assert [entry.event for entry in again.history("node01")] == ["create", "manage"]
    again.close()


def test_what_is_kept_in_words_has_no_secret_of_a_url(store: Store) -> None:
    secret = "https://user:MARKER@host/image.raw?sig=MARKER"
    record = store.ensure_node("node01", "fake")
    store.reserve("node01", "me", "deploy", 60)
    record.last_error = f"{secret} is away."
    store.save(record, "me", HistoryEntry(node="node01", event="fail", message=f"{secret} is away."))
    kept = store.get("node01")
    assert kept is not None
    assert kept.last_error == store.history("node01")[-1].message == "https://host/image.raw is away."


def test_a_database_of_the_first_revision_is_brought_to_the_newest(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        migrations.REVISIONS["0001"](Operations(context))
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('0001')"))
        columns = "name, driver, provision_state, maintenance, instance_info, driver_internal_info, deploy_steps"
        values = """'old', 'fake', 'active', false, '{"image_url": "x"}', '{}', '[{"step": "a", "status": "done"}]'"""
        query = f"INSERT INTO nodes ({columns}, created_at, provision_updated_at) VALUES ({values}, 1, 1)"
        connection.execute(sa.text(query.replace(":", r"\:")))
    engine.dispose()
    store = Store(url)
    record = store.get("old")
    assert record is not None
    assert (record.provision_state, record.instance_info) == ("active", {"image_url": "x"})
    assert record.steps == [{"step": "a", "status": "done"}]
    assert (record.protected, record.retired, record.traits, record.inventory) == (False, False, [], {})
    assert (record.allocation, record.requested, store.evidence("old")) == (None, None, [])
    store.close()


def test_a_store_of_a_newer_collection_is_refused(url: str) -> None:
    Store(url).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="9999 is that of a newer collection") as caught:
        Store(url)
    assert not caught.value.retryable


def test_evidence_and_history_outlive_the_record(store: Store) -> None:
    record = store.ensure_node("node01", "fake")
    entry = HistoryEntry(node="node01", event="remove")
    assert not store.delete("node01", "nobody", entry), "only who holds it removes it"
    assert store.reserve("node01", "me", "remove", 60)
    store.save(record, "me", evidence=[("deploy.erase_devices", {"serial": "S1", "result": "erased"})])
    assert store.delete("node01", "me", entry)
    assert store.get("node01") is None
    assert [row["content"]["serial"] for row in store.evidence("node01")] == ["S1"]
    assert [row.event for row in store.history("node01")] == ["create", "remove"]


def test_a_request_survives_what_the_holder_saves(store: Store) -> None:
    record = store.ensure_node("node01", "fake")
    store.reserve("node01", "me", "clean", 60)
    store.request("node01", "abort", "operator")
    store.save(record, "me")
    loaded = store.get("node01")
    assert loaded is not None
    assert (loaded.requested, loaded.requested_by) == ("abort", "operator")


def test_maintenance_is_set_by_others_and_survives_what_the_holder_saves(store: Store) -> None:
    record = store.ensure_node("node01", "fake")
    store.reserve("node01", "me", "clean", 60)
    store.set_maintenance("node01", True, "a fan is broken", HistoryEntry(node="node01", event="maintenance"))
    store.save(record, "me")
    loaded = store.get("node01")
    assert loaded is not None
    assert (loaded.maintenance, loaded.maintenance_reason) == (True, "a fan is broken")
    store.set_maintenance("node01", False, None, HistoryEntry(node="node01", event="maintenance"))
    loaded = store.get("node01")
    assert loaded is not None
    assert (loaded.maintenance, loaded.maintenance_reason) == (False, None)
    store.set_maintenance("node02", True, None, HistoryEntry(node="node02", event="maintenance"))
    assert (store.get("node02"), store.history("node02")) == (None, [])
    assert [entry.event for entry in store.history("node01")] == ["create", "maintenance", "maintenance"]


def test_many_reservations_are_renewed_at_once(store: Store) -> None:
    for name in ("node01", "node02", "node03", "node04"):
        store.ensure_node(name, "fake")
    for name, owner in (("node01", "me"), ("node02", "other"), ("node03", "me")):
        assert store.reserve(name, owner, f"deploy {name}", 60)
    assert store.renew(["node01", "node02", "node03", "node04", "node05"], "me", 6000) == {"node01", "node03"}
    assert store.renew([], "me", 6000) == set()
    left = {record.name: (record.reservation_expires or 0) - store.now() for record in store.records()}
    assert {name for name, seconds in left.items() if seconds > 5000} == {"node01", "node03"}
    assert 0 < left["node02"] <= 60
    loaded = store.get("node01")
    assert loaded is not None
    assert loaded.reservation_purpose == "deploy node01"


def test_a_glance_at_many_nodes(store: Store) -> None:
    names = [f"node{number:04}" for number in range(MOST_NAMES + 1)]
    for name in (names[0], names[-1], "another"):
        store.ensure_node(name, "fake")
    store.reserve(names[0], "me", "clean", 60)
    store.request(names[0], "abort", "operator")
    store.set_maintenance(names[-1], True, "a fan", HistoryEntry(node=names[-1], event="maintenance"))
    assert store.glance(names) == {
        names[0]: Glance(names[0], "enroll", "me", "abort", "operator", False, None),
        names[-1]: Glance(names[-1], "enroll", None, None, None, True, "a fan"),
    }
    assert store.glance(()) == {}
    assert store.renew(names, "me", 60) == {names[0]}


def test_a_node_is_taken_with_its_record(store: Store) -> None:
    store.ensure_node("node01", "fake")
    taken = store.take("node01", "me", "deploy", 60)
    assert taken is not None
    assert (taken.reservation, taken.reservation_expired) == ("me", False)
    assert store.take("node01", "other", "deploy", 60) is None
    assert store.take("node02", "me", "deploy", 60) is None
    store.save(taken, "me", release=True)
    assert store.take("node01", "other", "deploy", 60) is not None


def test_a_run_without_the_reservation_writes_nothing(store: Store) -> None:
    record = store.ensure_node("node01", "fake")
    store.reserve("node01", "other", "deploy", 60)
    record.last_error = "from the run that lost it"
    with pytest.raises(NodeLockedError):
        store.save(record, "me", HistoryEntry(node="node01", event="manage"))
    loaded = store.get("node01")
    assert loaded is not None
    assert loaded.last_error is None
    assert [entry.event for entry in store.history("node01")] == ["create"]


def test_a_reservation_is_renewed_and_released_by_its_holder_only(store: Store) -> None:
    store.ensure_node("node01", "fake")
    assert store.reserve("node01", "me", "deploy", 60)
    first = store.get("node01")
    assert store.reserve("node01", "me", "deploy", 600)
    second = store.get("node01")
    assert first is not None
    assert second is not None
    assert second.reservation_since == first.reservation_since
    assert (second.reservation_expires or 0) > (first.reservation_expires or 0)
    assert not store.reserve("node01", "other", "deploy", 60)
    assert not store.release("node01", "other")
    assert store.release("node01", "me")
    assert store.reserve("node01", "other", "deploy", 60)


@pytest.mark.parametrize("skew", [-600, 600])
def test_a_wrong_clock_neither_steals_nor_locks_out(url: str, monkeypatch: pytest.MonkeyPatch, skew: float) -> None:
    with contextlib.closing(Store(url)) as here, contextlib.closing(Store(url)) as there:
        here.ensure_node("node01", "fake")
        here.ensure_node("node02", "fake")
        assert here.reserve("node01", "here", "deploy", 60)
        with monkeypatch.context() as wrong:
            right = time.time
            wrong.setattr("time.time", lambda: right() + skew)
            seen = there.get("node01")
            assert seen is not None
            assert not seen.reservation_expired
            assert not there.reserve("node01", "there", "deploy", 60, instead_of="here")
            assert not there.release("node01", "here", only_expired=True)
            assert there.reserve("node02", "there", "deploy", 0.5)
        assert not here.reserve("node02", "here", "deploy", 60, instead_of="there")
        time.sleep(0.6)
        assert [record.reservation_expired for record in here.records()] == [False, True]
        assert not here.reserve("node02", "here", "deploy", 60, instead_of="somebody else")
        assert here.reserve("node02", "here", "deploy", 60, instead_of="there")


def test_a_dead_run_is_followed_at_once_and_a_reservation_can_be_handed_over(store: Store) -> None:
    store.ensure_node("node01", "fake")
    assert store.reserve("node01", "dead", "deploy", 60)
    assert store.reserve("node01", "me", "deploy", 60, instead_of="dead", only_expired=False)
    assert store.reserve("node01", "heir", "deploy", 60, instead_of="me", only_expired=False)
    record = store.get("node01")
    assert record is not None
    assert record.reservation == "heir"
    assert abs((record.reservation_since or 0) - store.now()) < 30
    assert not store.release("node01", "heir", only_expired=True)
    assert store.reserve("node01", "heir", "deploy", -1)
    assert store.release("node01", "heir", only_expired=True)


def test_a_read_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with contextlib.closing(Store(url)) as store:
        store.ensure_node("node01", "fake")
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE nodes SET last_error = 'not there yet'")
        started = time.monotonic()
        with contextlib.closing(Store(url)) as store:
            assert store.ensure_node("node01", "fake").last_error is None
            assert [record.name for record in store.records()] == list(store.glance(["node01"])) == ["node01"]
            assert (len(store.history("node01")), len(store.evidence("node01"))) == (1, 0)
            assert store.now() > 0
        assert time.monotonic() - started < BUSY_TIMEOUT / 3


def test_a_call_of_a_warm_process_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    Store(url).close()  # makes the tables, once in the life of a store
    compile_statements()
    monkeypatch.setattr(SQLiteDialect, "statement_compiler", None)
    with contextlib.closing(Store(url)) as store:
        record = store.ensure_node("node01", "fake")
        assert store.reserve("node01", "me", "deploy", 60)
        store.save(record, "me", HistoryEntry(node="node01", event="manage"), release=True)
        assert store.glance(["node01"])["node01"].reservation is None


def _claim(url: str, number: int, barrier: t.Any, results: t.Any) -> None:
    store = Store(url)
    barrier.wait()
    won = [name for name in (f"node{i:02}" for i in range(20)) if store.reserve(name, f"run{number}", "deploy", 60)]
    results.put((number, won))
    store.close()


def test_of_many_runs_exactly_one_gets_each_node(url: str) -> None:
    store = Store(url)
    for i in range(20):
        store.ensure_node(f"node{i:02}", "fake")
    barrier, results = CONTEXT.Barrier(8), CONTEXT.Queue()
    runs = [CONTEXT.Process(target=_claim, args=(url, number, barrier, results)) for number in range(8)]
    for run in runs:
        run.start()
    claims = dict(results.get(timeout=60) for dummy in runs)
    for run in runs:
        run.join(timeout=60)
    assert sorted(name for won in claims.values() for name in won) == [f"node{i:02}" for i in range(20)]
    for number, won in claims.items():
        for name in won:
            record = store.get(name)
            assert record is not None
            assert record.reservation == f"run{number}"
    store.close()


def _claim_forever(url: str, started: t.Any) -> None:
    store = Store(url)
    store.ensure_node("node01", "fake")
    while True:
        store.reserve("node01", "victim", "deploy", 60)
        started.set()
        store.release("node01", "victim")


def test_a_killed_run_leaves_the_database_whole(url: str) -> None:
    started = CONTEXT.Event()
    victim = CONTEXT.Process(target=_claim_forever, args=(url, started))
    victim.start()
    assert started.wait(timeout=30)
    os.kill(t.cast("int", victim.pid), signal.SIGKILL)
    victim.join(timeout=30)
    store = Store(url)
    if url.startswith("sqlite"):
        file = url.removeprefix("sqlite:///")
        assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    record = store.get("node01")
    assert record is not None
    assert store.reserve("node01", "next", "deploy", 60, instead_of=record.reservation, only_expired=False)
    store.close()


def _open_and_close(url: str, barrier: t.Any) -> None:
    barrier.wait()
    Store(url).close()


def test_many_runs_may_make_the_database_at_once(url: str) -> None:
    barrier = CONTEXT.Barrier(6)
    runs = [CONTEXT.Process(target=_open_and_close, args=(url, barrier)) for dummy in range(6)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(timeout=60)
    assert [run.exitcode for run in runs] == [0] * 6


@pytest.mark.parametrize(
    ("bad_url", "expected"),
    [
        ("nonsense", "can't be used"),
        ("sqlite:////proc/nowhere/store.db", "does not answer"),
        ("postgresql+nodriver://user:secret@localhost/x", "can't be used"),
    ],
)
def test_a_store_that_is_away_is_named_without_its_password(bad_url: str, expected: str) -> None:
    with pytest.raises(StoreError, match=expected) as caught:
        Store(bad_url)
    assert "secret" not in str(caught.value)


def test_a_store_whose_library_is_missing_names_it_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # what Python has for a module that can't be imported
    with pytest.raises(StoreError, match="psycopg") as caught:
        Store("postgresql+psycopg://user:secret@localhost/x")
    assert "psycopg[binary]" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_file_that_has_no_room_for_its_index_is_told_with_what_helps(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path}/store.db").close()
    (tmp_path / "store.db-shm").mkdir()  # as little can be written there as where SQLite says "disk I/O error" for it
    with pytest.raises(StoreError, match="does not answer") as caught:
        Store(f"sqlite:///{tmp_path}/store.db").ensure_node("node01", "fake")
    assert "the room of the file" in caught.value.hint


class Cut(Store):
    """A store whose server cuts the connection once, before or after the commit of the next transaction."""

    when: str | None = None

    def _add_history(self, connection: t.Any, *entries: HistoryEntry) -> None:
        super()._add_history(connection, *entries)
        if self.when == "before the commit":
            self.when = None
            connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
        elif self.when == "after the commit":
            self.when = None
            connection.exec_driver_sql("COMMIT")
            connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_a_connection_that_is_cut_in_a_transaction_loses_nothing_and_does_nothing_twice(
    postgresql: t.Any, when: str
) -> None:
    with contextlib.closing(Cut(postgresql.new_database())) as store:
        store.when = when
        record = store.ensure_node("node01", "fake")
        assert store.reserve("node01", "me", "deploy", 60)
        record.provision_state, store.when = "available", when
        store.save(record, "me", HistoryEntry(node="node01", event="provide"), evidence=[("step", {"disk": "sda"})])
        store.when = when
        store.release("node01", "me")
        assert store.allocate(["node01"], "web", HistoryEntry(node="node01", event="allocate"))
        store.when = when
        assert store.delete("node01", "me", HistoryEntry(node="node01", event="remove")) is False
        assert [entry.event for entry in store.history("node01")] == ["create", "provide", "allocate"]
        assert len(store.evidence("node01")) == 1
        found = store.get("node01")
        assert found is not None
        assert (found.provision_state, found.allocation, found.reservation) == ("available", "web", None)


class Unheard(Database):
    """A server that commits, and is gone before it says so: the next transaction's answer is lost."""

    is_cut = False

    @contextlib.contextmanager
    def write(self, **options: t.Any) -> t.Iterator[sa.Connection]:
        with super().write(**options) as connection:
            yield connection
        if Unheard.is_cut:
            Unheard.is_cut = False
            raise StoreError("The connection was cut.", is_lost=True)


ACTS: dict[str, tuple[t.Callable[[Store, t.Any], object], object]] = {
    "save": (lambda store, record: store.save(record, "me", HistoryEntry("node01", "step")), None),
    "save and release": (
        lambda store, record: store.save(record, "me", HistoryEntry("node01", "step"), release=True),
        None,
    ),
    "release": (lambda store, dummy: store.release("node01", "me"), True),
    "release of another's": (lambda store, dummy: store.release("node01", "them"), False),
    "delete": (lambda store, dummy: store.delete("node01", "me", HistoryEntry("node01", "remove")), True),
    "deallocate": (lambda store, dummy: store.deallocate(["node01"], HistoryEntry("node01", "deallocate")), 1),
    "claim": (lambda store, record: store.claim_bmc(record, "bmc/1", "me", HistoryEntry("node01", "bmc")), None),
}


@pytest.mark.parametrize(("act", "expected"), ACTS.values(), ids=ACTS)
def test_what_was_committed_though_the_answer_was_lost_is_done_once(
    url: str, act: t.Callable[[Store, t.Any], object], expected: object
) -> None:
    with contextlib.closing(Store(url, database=Unheard)) as store:
        store.ensure_node("node01", "fake")
        assert store.reserve("node01", "set-up", "x", 60)
        record = store.get("node01")
        assert record is not None
        record.provision_state = "available"
        store.save(record, "set-up", HistoryEntry("node01", "provide"), release=True)
        assert store.allocate(["node01"], "web")
        assert store.reserve("node01", "me", "x", 60)
        before = len(store.history("node01"))
        Unheard.is_cut = True
        assert act(store, record) == expected
        assert not Unheard.is_cut
        assert len(store.history("node01")) - before == ("HistoryEntry" in act.__code__.co_names)


def _make_node(url: str, name: str, bmc: str, results: t.Any) -> None:
    with contextlib.closing(Store(url)) as store:
        try:
            store.ensure_node(name, "redfish", bmc)
        except InvalidRequestError:
            results.put(False)
        else:
            results.put(True)


def test_of_two_who_have_a_bmc_at_once_one_gets_it(url: str, store: Store) -> None:
    for attempt in range(10):
        results, systems = CONTEXT.Queue(), ("", "1", "2", "3")
        runs = [
            CONTEXT.Process(target=_make_node, args=(url, f"node{attempt}-{system}", f"bmc{attempt}/{system}", results))
            for system in systems
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join(timeout=60)
        made = {results.get(timeout=60) for dummy in systems}
        found = {record.bmc for record in store.records() if str(record.bmc).startswith(f"bmc{attempt}/")}
        assert made == {True, False}
        assert found in ({f"bmc{attempt}/"}, {f"bmc{attempt}/{system}" for system in systems[1:]})


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("bmc/", "bmc/1", True),
        ("bmc/1", "bmc/", True),
        ("bmc/1", "bmc/2", False),
        ("bmc/1", "bmc:8000/", False),
        ("b_c/", "bmc/1", False),
        ("fake:///a", "fake:///a/b", False),
    ],
)
def test_a_bmc_without_a_system_is_that_of_all_its_systems(store: Store, first: str, second: str, is_one: bool) -> None:
    store.ensure_node("node01", "redfish", first)
    for dummy in range(2):  # what was refused has left nothing
        with pytest.raises(InvalidRequestError) if is_one else contextlib.nullcontext():
            store.ensure_node("node02", "redfish", second)
    record = store.ensure_node("node03", "redfish")
    assert store.reserve("node03", "me", "x", 60)
    for dummy in range(2):
        with pytest.raises(InvalidRequestError):
            store.claim_bmc(record, first, "me")
    with pytest.raises(NodeLockedError):
        store.claim_bmc(record, "other/1", "another")
    assert (store.get("node02") is None, getattr(store.get("node03"), "bmc", "")) == (is_one, None)
