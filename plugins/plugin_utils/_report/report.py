"""What the report shows: what was gathered of a run, and what the stores know, as plain data with nothing secret."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import re
import statistics
import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry, NodeRecord
from ansible_collections.baremetal.lifecycle.plugins.module_utils._url import mask
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report import history
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.gathered import Gathered, NodeRun
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.history import Phase, Work
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._summary import duration

Reader = t.Callable[[NodeRun], tuple[NodeRecord | None, list[HistoryEntry]]]

FAILED, DONE, UNCHANGED = "failed", "done", "unchanged"
"""What became of a node."""

FROM_TASKS = frozenset({"validate", "prepare", "wait for instance"})
"""Phases that tasks tell better than the history does; of the others it knows the steps."""

_EVIDENCE = re.compile(r"(?:^|(?<=[.!?]) )([^.!?\n]+):((?:\n  .*)+)", re.MULTILINE)
"""What was seen, in an error: a sentence and a colon, then lines that are set in."""

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010fffd]")
"""What HTML and XML 1.0 have no way to write, and what nobody can see."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a node failed. ``evidence``: what was seen, as headings with their lines."""

    cause: str
    remedy: str
    kind: str
    task: str
    evidence: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclasses.dataclass
class NodeReport:
    """A node in the report; times in seconds since the epoch. ``missing``: why its history is not known."""

    name: str
    outcome: str
    state: str
    began: float
    ended: float
    requests: int
    power_ons: int
    phases: list[Phase]
    failure: Failure | None = None
    work: Work | None = None
    earlier: list[Work] = dataclasses.field(default_factory=list)
    missing: str = ""

    @property
    def seconds(self) -> float:
        """How long it was worked on, or waited for."""
        return self.ended - self.began

    @property
    def usual(self) -> float | None:
        """What such a work took before: the median; None where it was never done."""
        return statistics.median(one.seconds or 0.0 for one in self.earlier) if self.earlier else None

    @property
    def change(self) -> float | None:
        """How much longer it took than that, as a part of it; None where there is nothing to compare."""
        if not self.usual or not self.work or self.work.seconds is None or self.work.outcome != "done":
            return None
        return self.work.seconds / self.usual - 1


@dataclasses.dataclass
class RunReport:
    """A run. ``others``: hosts that have failed and are no nodes, with their causes."""

    playbook: str
    began: float
    ended: float
    check_mode: bool
    nodes: list[NodeReport]
    others: dict[str, str]

    def count(self, outcome: str) -> int:
        """Return how many nodes had an outcome."""
        return sum(node.outcome == outcome for node in self.nodes)

    @property
    def missing(self) -> dict[str, int]:
        """Why histories are missing, each reason with the number of nodes."""
        found: dict[str, int] = {}
        for node in self.nodes:
            if node.missing:
                found[node.missing] = found.get(node.missing, 0) + 1
        return found

    @property
    def failures(self) -> list[list[NodeReport]]:
        """The nodes that have failed, those together that have failed for the same reason, the most first."""
        found: dict[tuple[str, str], list[NodeReport]] = {}
        for node in self.nodes:
            if node.failure:
                reason = re.sub(rf"\b{re.escape(node.name)}\b", "", node.failure.cause), node.failure.remedy
                found.setdefault(reason, []).append(node)
        return sorted(found.values(), key=len, reverse=True)


def report_of(gathered: Gathered, read: Reader) -> RunReport:
    """Return the report of a run, the nodes as they began: those that have failed first.

    :param read: what the store knows of a node; its BareMetalErrors are told in the report.
    """
    nodes = [_node_of(gathered, node, read) for node in gathered.nodes.values()]
    nodes.sort(key=lambda node: (node.outcome != FAILED, node.began, node.name))
    others = {name: mask(cause) for name, cause in gathered.others.items() if name not in gathered.nodes}
    began, ended = min(node.began for node in nodes), max(node.ended for node in nodes)
    return RunReport(gathered.playbook, began, ended, gathered.check_mode, nodes, others)


def _node_of(gathered: Gathered, run: NodeRun, read: Reader) -> NodeReport:
    summary = gathered.summary_of(run.name)
    node = NodeReport(
        run.name,
        DONE if run.changed else UNCHANGED,
        summary.state,
        run.began,
        run.ended,
        summary.requests,
        summary.power_ons,
        run.phases,
    )
    cause, remedy = summary.cause, summary.remedy
    try:
        record, entries = read(run)
    except BareMetalError as exc:
        node.missing = exc.message
    else:
        if not gathered.check_mode and record is not None:
            node.state = record.provision_state
        _add_past(node, entries)
        if not cause and record is not None and node.work and node.work.entries[-1].event == "fail":
            cause = record.last_error or ""  # recorded after its last task, as for a host that was lost to its play
    if cause:
        node.outcome = FAILED
        node.failure = failure_of(cause, remedy, run.kind, run.failed_in)
    return node


def _add_past(node: NodeReport, entries: t.Sequence[HistoryEntry]) -> None:
    """Make the phases finer, and find with what to compare this run."""
    now = [entry for entry in entries if entry.at >= node.began]
    steps = history.phases_of(now, node.ended)
    if steps:
        node.phases = [phase for phase in node.phases if phase.label in FROM_TASKS]
        node.phases = sorted([*node.phases, *steps], key=lambda phase: phase.start)
    works = history.works_of(entries)
    of_this_run = [work for work in works if (work.ended or node.ended) >= node.began]
    if of_this_run and now:
        node.work = of_this_run[-1]
        node.earlier = history.earlier_of(node.work, works)


def failure_of(cause: str, remedy: str, kind: str = "", task: str = "") -> Failure:
    """Return a failure whose evidence stands apart from its cause; in both are no secrets of URLs."""
    evidence: list[tuple[str, tuple[str, ...]]] = []

    def take(found: re.Match[str]) -> str:
        evidence.append((found[1].strip(), tuple(line.strip() for line in found[2].strip("\n").split("\n"))))
        return ""

    said = _EVIDENCE.sub(take, mask(cause)).strip()
    return Failure(said, mask(remedy), kind, task, tuple(evidence))


def printable(text: str) -> str:
    """Return a text as a page may have it: with a replacement character for each that none may have."""
    return _UNPRINTABLE.sub("\ufffd", text)


def seconds_of(seconds: float) -> str:
    """Return a time for people, short ones with a decimal: 0.4 s, 82 s, 2 min 31 s."""
    return f"{seconds:.1f} s" if seconds < 9.95 else duration(seconds)


def moment_of(at: float) -> str:
    """Return a time of the day for people, in UTC."""
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
