"""What a callback is told of a run, kept for its report: when each node was at what, and what came of it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import StepError
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.history import LABELS, WAITS, Phase
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._summary import (
    WORK,
    NodeSummary,
    Summary,
    action_of,
)
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import Outcome


@dataclasses.dataclass
class NodeRun:
    """A node in this run. ``phases``: as far as tasks tell; times in seconds since the epoch.

    ``began`` and ``ended`` are of the collection's own tasks. ``kind`` is the error's class, ``failed_in`` the task.
    ``place`` is where to ask for the node's variables: play, host and task.
    """

    name: str
    began: float
    ended: float
    phases: list[Phase] = dataclasses.field(default_factory=list)
    changed: bool = False
    kind: str = ""
    failed_in: str = ""
    place: tuple[t.Any, t.Any, t.Any] | None = None
    waits_for: str = ""


class Gathered:
    """Keeps what the report needs, and no result as a whole: of task arguments and output nothing is kept."""

    def __init__(self) -> None:
        self.playbook = ""
        self.check_mode = False
        self.nodes: dict[str, NodeRun] = {}
        self.others: dict[str, str] = {}
        self._summary = Summary()
        self._play: t.Any = None
        self._starts: dict[tuple[str, str], float] = {}

    def summary_of(self, name: str) -> NodeSummary:
        """Return the state, figures, cause and remedy of a node."""
        return self._summary.nodes[name]

    def play(self, play: t.Any) -> None:
        """Note which play begins."""
        self._play = play

    def start(self, host: t.Any, task: t.Any) -> None:
        """Note when a task begins for a host."""
        self._summary.start(str(host.name), task)
        if action_of(task) in WORK:
            self._starts[str(host.name), str(task._uuid)] = time.time()

    def add(self, told: Outcome, *, failed: bool) -> None:
        """Note what came of a task for a host."""
        name, now = str(told.host.name), time.time()
        before = self._summary.nodes.get(name)
        is_first = failed and not (before and before.cause)
        summary = self._summary.add(told, failed=failed)
        if summary is None:
            if failed:
                self.others[name] = f"{told.task_name}: {cause_of(told)}"
            return
        node = self.nodes.setdefault(name, NodeRun(name, now, now))
        if is_first:
            node.failed_in = told.task_name.rpartition(" : ")[2]
            node.kind = str((told.result.get("error") or {}).get("type") or StepError.__name__)
            if "censored" in told.result:
                summary.cause = f"{node.failed_in}: {cause_of(told)}"
        if action_of(told.task) in WORK:
            self._add_work(node, told, now, failed=failed)

    def _add_work(self, node: NodeRun, told: Outcome, now: float, *, failed: bool) -> None:
        action = action_of(told.task)
        start = self._starts.pop((node.name, str(told.task._uuid)), now)
        node.began, node.ended = min(node.began, start), now
        node.place = (self._play, told.host, told.task)
        self.check_mode = self.check_mode or bool(told.task.check_mode)
        if node.waits_for in WAITS and node.phases:
            node.phases.append(Phase(*WAITS[node.waits_for], node.phases[-1].end, start))
        if action != "bm_state" or told.result.get("transitions"):
            node.phases.append(Phase(*LABELS[action], start, now, failed))
        node.waits_for = str((told.result.get("wait") or {}).get("for") or "")
        node.changed = node.changed or bool(told.result.get("changed"))


def cause_of(told: Outcome) -> str:
    """Return what a failed task says, or that it says it to nobody."""
    result = told.result
    return str(result.get("msg") or result.get("censored") or "it says nothing")
