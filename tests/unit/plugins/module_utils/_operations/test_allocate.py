"""bm_allocate on a real store: idempotence, what may go wrong between two runs, and many runs at once."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import dataclasses
import os
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.store_request import StoreRequest
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import allocate
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry, NodeRecord
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store
from tests.processes import CONTEXT

ME = str(owners.current_owner(os.getpid()))


@pytest.fixture
def store(url: str) -> t.Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def add(store: Store, name: str, **changes: t.Any) -> None:
    """Make a node what is given; by default available compute."""
    record = store.ensure_node(name, "fake")
    store.reserve(name, "set-up", "set-up", 60)
    for key, value in {"provision_state": "available", "resource_class": "compute", **changes}.items():
        setattr(record, key, value)
    store.save(record, "set-up")
    if changes.get("maintenance"):
        store.set_maintenance(name, True, None, HistoryEntry(node=name, event="test"))
    store.release(name, "set-up")


def ask(
    url: str,
    *,
    operation: runner.StoreOperation = allocate.run,
    check_mode: bool = False,
    owner: str = ME,
    **params: t.Any,
) -> dict[str, t.Any]:
    defaults = {name: option.get("default") for name, option in allocate.ARGUMENT_SPEC.items()}
    given = {**defaults, "allocation": "web", "resource_class": "compute", "store": url, **params}
    return runner.execute_on_store(operation, given, owner=owner, check_mode=check_mode)


def held(store: Store) -> dict[str, list[str]]:
    """Return the nodes of each allocation."""
    found = collections.defaultdict(list)
    for record in store.records():
        if record.allocation:
            found[record.allocation].append(record.name)
    return dict(found)


def events(store: Store, name: str) -> list[tuple[str, str | None, str | None]]:
    return [(entry.event, entry.message, entry.owner) for entry in store.history(name) if entry.event != "create"]


def test_the_same_again_more_fewer_and_back(store: Store, url: str) -> None:
    for i in range(3):
        add(store, f"node{i}")
    first = ask(url, count=2)
    assert first["changed"]
    assert first["nodes"] == first["added"] == held(store)["web"]
    add(store, first["nodes"][0], provision_state="active")
    assert held(store)["web"] == first["nodes"], "a run that deploys does not touch the allocation"
    again = ask(url, count=2)
    assert (again["changed"], again["nodes"], again["added"]) == (False, first["nodes"], [])
    more = ask(url, count=3)
    assert (more["changed"], more["nodes"], len(more["added"])) == (True, ["node0", "node1", "node2"], 1)
    fewer = ask(url, count=1)
    assert fewer["failed"]
    assert "has 3 nodes, more than the 1" in fewer["msg"]
    assert held(store)["web"] == ["node0", "node1", "node2"]
    one = ask(url, state="absent", candidates=["node1", "nowhere"])
    assert (one["changed"], one["nodes"], one["released"]) == (True, ["node0", "node2"], ["node1"])
    back = ask(url, state="absent")
    assert (back["changed"], back["nodes"], back["released"]) == (True, [], ["node0", "node2"])
    assert held(store) == {}
    nothing = ask(url, state="absent")
    assert (nothing["changed"], nothing["nodes"], nothing["released"]) == (False, [], [])
    assert events(store, "node1") == [("allocate", "for web", ME), ("deallocate", "given back by web", ME)]
    deployed = store.get(first["nodes"][0])
    assert deployed is not None
    assert deployed.provision_state == "active", "it stays deployed"


def test_check_mode_tells_and_takes_nothing(store: Store, url: str) -> None:
    add(store, "node0")
    predicted = ask(url, check_mode=True)
    assert (predicted["changed"], predicted["nodes"]) == (True, ["node0"])
    assert predicted["diff"] == {
        "before": {"allocation": "web", "nodes": []},
        "after": {"allocation": "web", "nodes": ["node0"]},
    }
    assert held(store) == {}
    ask(url)
    back = ask(url, check_mode=True, state="absent")
    assert (back["changed"], back["released"]) == (True, ["node0"])
    assert held(store) == {"web": ["node0"]}
    assert [event for event, *dummy in events(store, "node0")] == ["allocate"]


def test_too_few_take_none_and_say_why(store: Store, url: str) -> None:
    add(store, "node0")
    add(store, "node1", provision_state="active")
    add(store, "node2", maintenance=True)
    result = ask(url, count=3)
    assert (result["failed"], result["changed"], result["nodes"], result["missing"]) == (True, False, [], 2)
    assert result["error"]["type"] == "InvalidRequestError"
    assert (
        "3 nodes are asked for and 1 is free. 3 known: 1 in maintenance, 1 not available (active: 1)." in result["msg"]
    )
    assert result["reasons"] == {
        "maintenance": {"nodes": 1, "by": {}},
        "state": {"nodes": 1, "by": {"active": 1}},
    }
    assert held(store) == {}


class MeddlingStore(Store):
    """A real store in which something happens right before nodes are chosen, or before they are taken."""

    tries = 0

    def __init__(
        self, url: str, *, before_taking: t.Callable[[], object], before_choosing: t.Callable[[], object] = int
    ) -> None:
        super().__init__(url)
        self.url = url
        self.before_taking = before_taking
        self.before_choosing = before_choosing

    def records(self) -> list[NodeRecord]:
        self.before_choosing()
        return super().records()

    def allocate(self, names: t.Sequence[str], *args: t.Any, **more: t.Any) -> bool:
        self.tries += 1
        self.before_taking()
        return super().allocate(names, *args, **more)

    def ask(self, **params: t.Any) -> dict[str, t.Any]:
        """Ask, with what happens in between."""

        def operation(request: StoreRequest) -> dict[str, t.Any]:
            return allocate.run(dataclasses.replace(request, store=self))

        return ask(self.url, operation=operation, **params)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"maintenance": True}, "maintenance"),
        ({"retired": True}, "retired"),
        ({"provision_state": "deploying"}, "state"),
    ],
)
def test_a_node_that_changes_after_it_was_chosen_is_not_taken(
    store: Store, url: str, change: dict[str, t.Any], reason: str
) -> None:
    add(store, "node0")
    result = MeddlingStore(url, before_taking=lambda: add(store, "node0", **change)).ask()
    assert list(result["reasons"]) == [reason]
    assert held(store) == {}


def test_the_same_allocation_by_two_runs_at_once_gets_its_nodes_once(store: Store, url: str) -> None:
    for i in range(6):
        add(store, f"node{i}")
    nodes = [f"node{i}" for i in range(6)]
    meddling = MeddlingStore(url, before_taking=lambda: ask(url, count=3, candidates=nodes[:3]))
    result = meddling.ask(count=3, candidates=nodes[3:])
    assert (result["changed"], meddling.tries) == (False, 1)
    assert result["nodes"] == held(store)["web"] == nodes[:3]


def test_who_is_slower_too_often_may_try_again(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocate, "ATTEMPTS", 3)
    add(store, "node0")

    meddling = MeddlingStore(
        url,
        before_choosing=lambda: store.deallocate(["node0"]),
        before_taking=lambda: store.allocate(["node0"], "db"),
    )
    result = meddling.ask()
    assert result["failed"]
    assert (result["error"]["type"], result["error"]["retryable"]) == ("NodeLockedError", True)
    assert meddling.tries == 3
    assert held(store) == {"db": ["node0"]}


def test_giving_back_takes_nothing_from_others(store: Store) -> None:
    add(store, "node0")
    add(store, "node1")
    assert store.allocate(["node0"], "web")
    assert store.allocate(["node1"], "db")
    assert store.deallocate(["node0", "node1"], allocation="web") == 1
    assert held(store) == {"db": ["node1"]}


def test_a_dead_run_keeps_no_node_from_being_allocated(store: Store, url: str) -> None:
    gone = CONTEXT.Process(target=int)
    gone.start()
    dead = str(owners.current_owner(t.cast("int", gone.pid)))
    gone.join(timeout=30)
    for name, owner, seconds in (("dead", dead, 900), ("mine", ME, 900), ("far", "away", 900), ("expired", "away", -1)):
        add(store, name)
        store.reserve(name, owner, "deploy", seconds)
    result = ask(url, count=3)
    assert result["reasons"] == {"reserved": {"nodes": 2, "by": {}}}
    assert result["error"]["retryable"]
    assert ask(url, count=2)["nodes"] == ["dead", "expired"]


def _compete(url: str, allocation: str, count: int, barriers: t.Any, results: t.Any) -> None:
    started, chosen = barriers

    def wait_for_the_others() -> None:
        if store.tries == 1:
            chosen.wait(timeout=60)

    store = MeddlingStore(url, before_taking=wait_for_the_others)
    started.wait(timeout=60)
    result = store.ask(allocation=allocation, count=count, owner=str(owners.current_owner(os.getpid())))
    store.close()
    results.put((allocation, result))


def _all_at_once(url: str, allocations: t.Sequence[str], count: int) -> list[tuple[str, dict[str, t.Any]]]:
    """Let a process for each allocation ask at the same time; return whose result is what.

    Nobody takes nodes before all have chosen theirs, so that they get into each other's way as much as they can.
    """
    barriers, queue = [CONTEXT.Barrier(len(allocations)) for dummy in range(2)], CONTEXT.Queue()
    runs = [CONTEXT.Process(target=_compete, args=(url, name, count, barriers, queue)) for name in allocations]
    for run in runs:
        run.start()
    results = [queue.get(timeout=120) for dummy in runs]
    for run in runs:
        run.join(timeout=60)
    return results


@pytest.mark.parametrize(("count", "winners"), [(10, 10), (12, 8), (100, 1), (101, 0)])
def test_many_runs_at_once_get_no_node_twice(store: Store, url: str, count: int, winners: int) -> None:
    for i in range(100):
        add(store, f"node{i:03}")
    results = _all_at_once(url, [f"run{number}" for number in range(10)], count)
    won = {name: result["nodes"] for name, result in results if not result.get("failed")}
    assert len(won) == winners
    assert held(store) == won
    assert {len(nodes) for nodes in won.values()} <= {count}
    given = [name for nodes in won.values() for name in nodes]
    assert len(set(given)) == len(given) == count * winners
    free = 100 - len(given)
    taken = {"allocated": {"nodes": len(given), "by": dict.fromkeys(won, count)}} if won else {}
    for dummy, result in results:
        if result.get("failed"):
            assert (result["nodes"], result["missing"], result["reasons"]) == ([], count - free, taken)
            assert f"{count} nodes are asked for and {free} are free. 100 known" in result["msg"]
    assert all([event for event, *dummy in events(store, name)] == ["allocate"] for name in given)


def test_many_runs_of_one_allocation_at_once_get_the_same_nodes(store: Store, url: str) -> None:
    for i in range(40):
        add(store, f"node{i:02}")
    results = [result for dummy, result in _all_at_once(url, ["web"] * 10, 4)]
    assert [result["nodes"] for result in results] == [held(store)["web"]] * 10
    assert sorted(result["changed"] for result in results) == [False] * 9 + [True]
