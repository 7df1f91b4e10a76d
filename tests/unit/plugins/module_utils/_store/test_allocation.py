"""Which nodes an allocation may have, and what is said where there are too few."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import allocation
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import NodeRecord

WANTED: dict[str, t.Any] = {"resource_class": "compute", "traits": ["CUSTOM_GPU"], "count": 1, "candidates": None}


def needs(**changes: t.Any) -> allocation.Needs:
    return allocation.Needs.from_params({"allocation": "web", **WANTED, **changes})


def node(name: str = "node01", **changes: t.Any) -> NodeRecord:
    fits = {"provision_state": "available", "resource_class": "compute", "traits": ["CUSTOM_GPU", "CUSTOM_NVME"]}
    return NodeRecord(name, "fake", **{**fits, **changes})


@pytest.mark.parametrize(
    ("wanted", "record", "reason", "detail"),
    [
        ({}, node(), None, None),
        ({"resource_class": None, "traits": []}, node(resource_class=None, traits=[]), None, None),
        ({"candidates": ["node01"]}, node(), None, None),
        ({"candidates": ["node02"]}, node(), "unknown", ""),
        ({}, node(resource_class="storage"), "resource_class", "storage"),
        ({}, node(resource_class=None), "resource_class", "none"),
        ({"resource_class": "Compute"}, node(), "resource_class", "compute"),
        ({}, node(traits=["CUSTOM_NVME"]), "traits", "CUSTOM_GPU"),
        ({"traits": ["B", "A", "CUSTOM_GPU"]}, node(), "traits", "A, B"),
        ({}, node(retired=True), "retired", ""),
        ({}, node(maintenance=True), "maintenance", ""),
        ({}, node(allocation="db"), "allocated", "db"),
        ({}, node(allocation="db", provision_state="active"), "allocated", "db"),
        ({}, node(provision_state="active"), "state", "active"),
        ({}, node(provision_state="enroll", reservation="somebody"), "state", "enroll"),
        ({}, node(reservation="somebody"), "reserved", ""),
    ],
)
def test_each_reason(wanted: dict[str, t.Any], record: NodeRecord, reason: str | None, detail: str | None) -> None:
    reserved = [record.name] if record.reservation else []
    found = allocation.survey([record], needs(**wanted), reserved=reserved)
    assert found.free == ([] if reason else ["node01"])
    assert {key: dict(value) for key, value in found.barred.items()} == ({reason: {detail: 1}} if reason else {})


def test_the_message_counts_each_node_once() -> None:
    records = [
        node("node01"),
        *(node(f"active{i}", provision_state="active") for i in range(3)),
        node("deploying", provision_state="deploying"),
        node("storage", resource_class="storage", maintenance=True),
        *(node(f"plain{i}", traits=[]) for i in range(2)),
        node("broken", maintenance=True),
        node("old", retired=True),
        *(node(f"shop{i}", allocation="shop") for i in range(2)),
        node("db", allocation="db"),
        node("held", reservation="somebody"),
    ]
    found = allocation.survey(records, needs(count=3), reserved=["held"])
    with pytest.raises(InvalidRequestError) as caught:
        found.choose()
    assert caught.value.message == (
        "Allocation web: 3 nodes are asked for and 1 is free. 14 known:"
        " 1 of another resource class (storage: 1), 2 without traits (CUSTOM_GPU: 2), 1 retired, 1 in maintenance,"
        " 3 allocated to others (db: 1, shop: 2), 4 not available (active: 3, deploying: 1),"
        " 1 reserved by running plays."
    )
    assert found.reasons()["state"] == {"nodes": 4, "by": {"active": 3, "deploying": 1}}
    assert found.reasons()["retired"] == {"nodes": 1, "by": {}}
    assert sum(entry["nodes"] for entry in found.reasons().values()) + len(found.free) == len(records)


@pytest.mark.parametrize(
    ("records", "wanted", "message"),
    [
        ([], {}, "Allocation web: 1 node is asked for and 0 are free. 0 known."),
        ([node()], {"count": 2}, "Allocation web: 2 nodes are asked for and 1 is free. 1 known."),
        (
            [node(allocation="web"), node("node02", allocation="web", provision_state="active")],
            {"count": 3, "candidates": ["node03"]},
            "Allocation web: 3 nodes are asked for, 2 are held already and 0 are free. 1 candidates: 1 never enrolled.",
        ),
    ],
)
def test_other_messages(records: list[NodeRecord], wanted: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        allocation.survey(records, needs(**wanted), reserved=()).choose()
    assert caught.value.message == message


@pytest.mark.parametrize(("count", "retryable"), [(2, True), (3, False)])
def test_what_running_plays_hold_may_be_had_later(count: int, retryable: bool) -> None:
    records = [node(), node("node02", reservation="somebody"), node("node03", provision_state="active")]
    with pytest.raises(InvalidRequestError) as caught:
        allocation.survey(records, needs(count=count), reserved=["node02"]).choose()
    assert caught.value.retryable is retryable


def test_nodes_of_the_allocation_count_whatever_became_of_them() -> None:
    records = [
        node("node03", allocation="web", provision_state="active"),
        node("node01", allocation="web", provision_state="deploy failed", maintenance=True, reservation="somebody"),
        node("node02"),
    ]
    same = allocation.survey(records, needs(count=2, candidates=["node02"]), reserved=["node01"])
    assert (same.held, same.choose()) == (["node01", "node03"], [])
    more = allocation.survey(records, needs(count=3), reserved=["node01"])
    assert (more.held, more.choose()) == (["node01", "node03"], ["node02"])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"count": 1}, ("has 2 nodes, more than the 1", "node01, node02")),
        ({"count": 2, "resource_class": "storage"}, ("node01", "of another resource class (compute)")),
        ({"count": 2, "traits": ["CUSTOM_FPGA"]}, ("node01", "without traits (CUSTOM_FPGA)")),
    ],
)
def test_what_it_has_must_go_with_what_is_asked(wanted: dict[str, t.Any], words: tuple[str, ...]) -> None:
    records = [node("node01", allocation="web"), node("node02", allocation="web")]
    with pytest.raises(InvalidRequestError) as caught:
        allocation.survey(records, needs(**wanted), reserved=())
    assert all(word in caught.value.message for word in words)
    assert "state: absent" in caught.value.hint


def test_nodes_that_fit_are_chosen_by_chance() -> None:
    found = allocation.survey([node(f"node{i:02}") for i in range(50)], needs(count=5), reserved=())
    choices = [tuple(found.choose()) for dummy in range(20)]
    assert all(len(set(choice)) == 5 and list(choice) == sorted(choice) for choice in choices)
    assert len(set(choices)) > 1


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"count": 0}, "asks for 0 nodes"),
        ({"allocation": " "}, "1 to 255 characters, not 0"),
        ({"allocation": "x" * 256}, "not 256"),
    ],
)
def test_needs_that_make_no_sense(wanted: dict[str, t.Any], expected: str) -> None:
    with pytest.raises(InvalidRequestError, match=expected):
        needs(**wanted)
