"""bm_node_info: what the store knows, without a question to the BMC and without a trace."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import (
    deploy,
    node_info,
    prepare,
    state,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

ME = str(owners.current_owner(os.getpid()))
ALL = ["record", "history", "work", "evidence", "inventory"]
ERASED = [("deploy.erase_devices", {"device": "/dev/sda"})]


def call(fake_node: t.Any, operation: t.Any, **options: t.Any) -> t.Any:
    return runner.execute(operation.run, fake_node.params(operation.ARGUMENT_SPEC, **options), owner=ME)


@pytest.fixture
def store(fake_node: t.Any) -> t.Iterator[Store]:
    with contextlib.closing(Store(f"sqlite:///{fake_node.folder}/state/store.db")) as opened:
        yield opened


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_node_never_seen_is_no_failure_and_stays_unknown(fake_node: t.Any, store: Store, check_mode: bool) -> None:
    params = fake_node.params(node_info.ARGUMENT_SPEC, gather=ALL)
    result = runner.execute(node_info.run, params, owner=ME, check_mode=check_mode)
    assert "failed" not in result
    assert (result["known"], result["changed"], result["provision_state"]) == (False, False, None)
    assert (result["record"], result["history"], result["evidence"], result["phases"]) == (None, [], [], {})
    assert (result["work"]["verb"], result["work"]["step"], result["work"]["seconds"]) == (None, None, None)
    assert result["inventory"]["differences"] == []
    assert (store.records(), store.history("node01")) == ([], [])
    assert not fake_node.machine_path.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, {"record", "work"}),
        ({"gather": []}, set()),
        ({"gather": ALL}, set(ALL)),
    ],
)
def test_what_is_asked_for_is_told_and_nothing_else(
    fake_node: t.Any, store: Store, options: dict[str, t.Any], told: set[str]
) -> None:
    call(fake_node, prepare)
    calls, before = fake_node.machine["calls"], (store.records(), store.history("node01"))
    result = call(fake_node, node_info, **options)
    assert {name for name in ALL if name in result} == told
    assert (result["known"], result["provision_state"], result["bmc_requests"]) == (True, "deploying", 0)
    assert fake_node.machine["calls"] == calls
    assert (store.records(), store.history("node01")) == before


def test_the_record_is_that_of_bm_state(fake_node: t.Any) -> None:
    call(fake_node, prepare)
    record = call(fake_node, node_info)["record"]
    assert record == call(fake_node, state)["record"]
    assert (record["reservation"], record["reservation_is_alive"]) == (ME, True)


def test_the_work_is_told_while_it_goes_on_and_afterwards(fake_node: t.Any) -> None:
    call(fake_node, prepare)
    begun = call(fake_node, node_info)
    assert (begun["work"]["verb"], begun["work"]["step"]) == ("deploy", "deploy.deploy")
    assert (begun["work"]["phases"], begun["work"]["seconds"]) == ({}, None)
    assert begun["work"]["started_at"] > 0
    done = call(fake_node, deploy)
    told = call(fake_node, node_info)
    assert {key: told["work"][key] for key in done["work"]} == done["work"]
    assert told["work"]["step"] is None
    assert told["work"]["seconds"] >= 0
    assert list(told["phases"]) == ["deploy.deploy"]
    assert told["phases"] == told["work"]["phases"]


@pytest.mark.parametrize(("limit", "expected"), [(0, 5), (1, 1), (2, 2), (99, 5)])
def test_the_history_is_limited_to_the_newest_which_come_last(
    fake_node: t.Any, store: Store, limit: int, expected: int
) -> None:
    store.ensure_node("node01", "fake")
    for number in range(4):
        call(fake_node, state, maintenance=number % 2 == 0, reason=f"{number}")
    whole = store.history("node01")
    told = call(fake_node, node_info, gather=["history"], history_limit=limit)["history"]
    assert len(told) == expected
    assert [entry["at"] for entry in told] == [entry.at for entry in whole][-expected:]
    assert told[-1]["message"] == whole[-1].message


def test_a_negative_limit_is_refused(fake_node: t.Any) -> None:
    result = call(fake_node, node_info, history_limit=-1)
    assert (result["failed"], result["error"]["type"]) == (True, "InvalidRequestError")


def test_inventory_and_evidence_are_told_as_they_are_kept(fake_node: t.Any, store: Store) -> None:
    record = store.ensure_node("node01", "fake")
    store.reserve("node01", "me", "test", 60)
    record.inventory = {"properties": {"cpus": 80}, "differences": [{"message": "64 are declared."}]}
    store.save(record, "me", evidence=ERASED, release=True)
    result = call(fake_node, node_info, gather=["inventory", "evidence"])
    assert result["inventory"] == {"out_of_band": None, "in_band": None, **record.inventory}
    assert [(entry["step"], entry["content"]) for entry in result["evidence"]] == [*ERASED]


def test_a_removed_node_is_unknown_and_its_history_and_evidence_are_still_told(fake_node: t.Any, store: Store) -> None:
    record = store.ensure_node("node01", "fake")
    store.reserve("node01", "me", "test", 60)
    store.save(record, "me", evidence=ERASED, release=True)
    assert call(fake_node, state, remove=True)["changed"]
    result = call(fake_node, node_info, gather=ALL)
    assert (result["known"], result["record"]) == (False, None)
    assert [entry["event"] for entry in result["history"]] == ["create", "remove"]
    assert len(result["evidence"]) == 1
