"""What became of each node in a run: gathered from what the collection's actions return, told as a table."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import Outcome

COLUMNS = ("NODE", "STATE", "TIME", "REQUESTS", "POWER-ONS")

BEGINNING = ("bm_validate", "bm_prepare", "bm_deploy")
"""Actions that make a host a node of this run; so does bm_state, where it changes something: it reads, too."""

WORK = (*BEGINNING, "bm_state")
"""Actions that a node's work consists of."""


@dataclasses.dataclass
class NodeSummary:
    """A node in this run. Times are in seconds of ``time.monotonic``; ``cause`` and ``remedy`` are of its failure."""

    name: str
    began: float
    ended: float
    state: str = "unknown"
    requests: int = 0
    power_ons: int = 0
    cause: str = ""
    remedy: str = ""
    doing: str = ""

    @property
    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        return self.name, self.state, duration(self.ended - self.began), str(self.requests), str(self.power_ons)


def action_of(task: t.Any) -> str:
    """Return the name of a task's action, without its collection."""
    return str(task.action).rpartition(".")[2]


def duration(seconds: float) -> str:
    """Return a time for people: 8 s, 2 min 31 s, 1 h 4 min."""
    minutes, left = divmod(round(seconds), 60)
    hours, rest = divmod(minutes, 60)
    if hours:
        return f"{hours} h {rest} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


class Summary:
    """Gathers what a callback is told.

    :param clock: seconds since whenever.
    """

    def __init__(self, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.nodes: dict[str, NodeSummary] = {}

    def start(self, name: str, task: t.Any) -> NodeSummary | None:
        """Note that a task begins for a host; return its node, if it is one."""
        if action_of(task) in BEGINNING:
            self._know(name)
        return self.nodes.get(name)

    def _know(self, name: str) -> None:
        now = self._clock()
        self.nodes.setdefault(name, NodeSummary(name, now, now))

    def add(self, outcome: Outcome, *, failed: bool) -> NodeSummary | None:
        """Note what came of a task for a host; return its node, if it is one."""
        name, result = str(outcome.host.name), outcome.result
        if action_of(outcome.task) == "bm_state" and result.get("changed"):
            self._know(name)
        node = self.start(name, outcome.task)
        if node is None:
            return None
        node.ended = self._clock()
        if action_of(outcome.task) in WORK:
            node.state = str(result.get("provision_state") or node.state)
            node.requests += int(result.get("bmc_requests") or 0)
            node.power_ons += int(result.get("power_ons") or 0)
            if not failed and action_of(outcome.task) != "bm_state":  # that one is of the rescue, too
                node.cause = node.remedy = ""
        if failed and not node.cause:
            node.cause, node.remedy = _cause_of(outcome, node.name)
        return node

    def table(self) -> list[str]:
        """Return the lines of the table, the first with the names of the columns."""
        rows = [COLUMNS, *(node.row for node in self.nodes.values())]
        widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
        right = frozenset({2, 3, 4})
        return [
            "  ".join(
                cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(row)
            ).rstrip()
            for row in rows
        ]


def _cause_of(outcome: Outcome, name: str) -> tuple[str, str]:
    """Return cause and remedy of a failed task, each once and without the node's name."""
    result = outcome.result
    remedy = str((result.get("error") or {}).get("hint") or "")
    said = str(result.get("msg") or result.get("exception") or "it says nothing")
    cause = said.removeprefix(f"Node {name}: ").removesuffix(remedy).strip()
    return (cause if action_of(outcome.task) in WORK else f"{outcome.task_name}: {cause}"), remedy
