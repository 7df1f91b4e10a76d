"""What the report reads from a history, and from an error: tables of what happened and what is said of it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report import history
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.report import failure_of

Line = tuple[t.Any, ...]


def told(*lines: Line, owner: str = "a") -> list[HistoryEntry]:
    """Return a history: "(at, event, from, to)" is a change of state, "(at, step, what)" one of a step."""
    found = []
    for at, event, *more in lines:
        if len(more) == 2:
            found.append(HistoryEntry("node01", event, *more, owner=owner, at=at))
        else:
            found.append(HistoryEntry("node01", "step", message=f"deploy.{event} {more[0]}", owner=owner, at=at))
    return found


BEGUN: tuple[Line, ...] = ((0, "create", None, "enroll"), (10, "deploy", "available", "deploying"))
BOOTED: tuple[Line, ...] = (
    *BEGUN,
    (11, "deploy", "started"),
    (13, "wait", "deploying", "wait call-back"),
    (40, "resume", "wait call-back", "deploying"),
    (40, "deploy", "done"),
)

WORKS: dict[str, tuple[list[HistoryEntry], list[tuple[str, str, float | None]]]] = {
    "done": (told(*BOOTED, (50, "done", "deploying", "active")), [("deploy", "done", 40)]),
    "failed": (told(*BOOTED, (50, "fail", "deploying", "deploy failed")), [("deploy", "failed", 40)]),
    "aborted": (told(*BOOTED[:4], (20, "abort", "wait call-back", "deploy failed")), [("deploy", "failed", 10)]),
    "held": (told(*BOOTED, (50, "hold", "deploying", "deploy hold")), [("deploy", "held", 40)]),
    "goes on": (told(*BOOTED), [("deploy", "goes on", None)]),
    "killed, gone on with": (
        told(*BOOTED) + told((900, "done", "deploying", "active"), owner="b"),
        [("deploy", "done", None)],
    ),
    "cleaned on its way": (
        told(
            (10, "delete", "active", "deleting"),
            (20, "clean", "deleting", "cleaning"),
            (30, "done", "cleaning", "available"),
            (30, "deploy", "available", "deploying"),
            (70, "done", "deploying", "active"),
        ),
        [("delete", "done", 20), ("deploy", "done", 40)],
    ),
    "a flag": (told((5, "maintenance", None, None)), []),
}


@pytest.mark.parametrize(("entries", "expected"), WORKS.values(), ids=list(WORKS))
def test_works_are_what_leads_from_one_stable_state_to_another(
    entries: list[HistoryEntry], expected: list[tuple[str, str, float | None]]
) -> None:
    assert [(work.event, work.outcome, work.seconds) for work in history.works_of(entries)] == expected


PHASES: dict[str, tuple[list[HistoryEntry], list[tuple[str, float, float, bool]]]] = {
    "the wait is another": (told(*BOOTED), [("boot", 11, 13, False), ("wait for ramdisk", 13, 40, False)]),
    "failed while it waited": (
        told(*BOOTED[:4], (33, "fail", "wait call-back", "deploy failed")),
        [("boot", 11, 13, False), ("wait for ramdisk", 13, 33, True)],
    ),
    "goes on": (told(*BEGUN, (12, "write_image", "started")), [("write image", 12, 60, False)]),
    "begun by a run that died": (told((20, "write_image", "done")), [("write image", 20, 20, False)]),
    "yours": (
        told(*BEGUN, (12, "make_raid", "started"), (15, "make_raid", "done")),
        [("make raid", 12, 15, False)],
    ),
}


@pytest.mark.parametrize(("entries", "expected"), PHASES.values(), ids=list(PHASES))
def test_phases_are_steps_and_what_they_wait_for(
    entries: list[HistoryEntry], expected: list[tuple[str, float, float, bool]]
) -> None:
    found = history.phases_of(entries, 60.0)
    assert [(phase.label, phase.start, phase.end, phase.failed) for phase in found] == expected


def test_a_work_is_compared_with_the_last_five_of_its_kind_that_were_done() -> None:
    entries = []
    for number in range(7):
        began = number * 1000.0
        entries += told(
            (began, "deploy", "available", "deploying"),
            (began + 10 + number, "fail" if number == 3 else "done", "deploying", "active"),
            (began + 500, "delete", "active", "deleting"),
            (began + 510, "done", "deleting", "available"),
        )
    works = history.works_of(entries)
    last = [work for work in works if work.event == "deploy"][-1]
    assert [work.seconds for work in history.earlier_of(last, works)] == [10, 11, 12, 14, 15]


ERRORS = {
    "plain": ("It failed: 12:30.", ("It failed: 12:30.", [])),
    "console": (
        "No answer; power: on. Its console said (3 s ago):\n  Booting\n  panic: x",
        ("No answer; power: on.", [("Its console said (3 s ago)", ["Booting", "panic: x"])]),
    ),
    "two": (
        "No answer. Its console said:\n  one\nThe boot server was asked last:\n  GET /a 404",
        ("No answer.", [("Its console said", ["one"]), ("The boot server was asked last", ["GET /a 404"])]),
    ),
    "secret": ("http://me:word@host/x?token=y is away.", ("http://host/x is away.", [])),
}


@pytest.mark.parametrize(("error", "expected"), ERRORS.values(), ids=list(ERRORS))
def test_what_was_seen_stands_apart_from_the_cause(error: str, expected: tuple[str, t.Any]) -> None:
    failure = failure_of(error, "")
    assert (failure.cause, [(heading, list(lines)) for heading, lines in failure.evidence]) == expected
