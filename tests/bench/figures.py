"""Figures of runs: what a sitting has measured, and the median and spread of it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import statistics
import typing as t
from dataclasses import dataclass, field

Run = dict[str, t.Any]


@dataclass(frozen=True)
class Spread:
    """The median of some figures, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: t.Sequence[float]) -> Spread:
        """Take the median of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def show(self, digits: int = 0) -> str:
        """Return it as text, the spread only where there is one."""
        low, median, high = (f"{value:,.{digits}f}" for value in (self.low, self.median, self.high))
        return median if low == high else f"{median} ({low} to {high})"


@dataclass
class Cell:
    """One scenario at one size: the runs of each checkout, by its label; ``computed`` where none could be measured."""

    scenario: str
    nodes: int
    runs: dict[str, list[Run]] = field(default_factory=dict)
    computed: dict[str, float] = field(default_factory=dict)

    def spread(self, label: str, figure: t.Callable[[Run], float]) -> Spread:
        """Return the spread of what ``figure`` makes of each run of a checkout."""
        return Spread.of([figure(run) for run in self.runs[label]])

    def cpu_per_node(self, label: str) -> Spread:
        """Return the CPU time a node, in milliseconds."""
        return self.spread(label, lambda run: 1000 * run["cpu"] / self.nodes)

    def kernel_per_node(self, label: str) -> Spread:
        """Return what of that is system time: forks, most of all."""
        return self.spread(label, lambda run: 1000 * run["system"] / self.nodes)

    def wall(self, label: str) -> Spread:
        """Return the seconds that a run took."""
        return self.spread(label, lambda run: float(run["wall"]))

    def nodes_per_second(self, label: str) -> Spread:
        """Return how many nodes were done in a second."""
        return self.spread(label, lambda run: self.nodes / run["wall"])


@dataclass
class Sitting:
    """All that was measured in one go. ``commits``: of each checkout, by its label; ``load``: before, after."""

    machine: dict[str, str]
    commits: dict[str, str]
    load: list[float]
    cells: list[Cell] = field(default_factory=list)

    def of(self, *scenarios: str) -> list[Cell]:
        """Return the cells of scenarios that have figures."""
        return [cell for cell in self.cells if cell.scenario in scenarios and (cell.runs or cell.computed)]

    def growth(self, label: str) -> tuple[int, int, float] | None:
        """Return the fewest and the most nodes of noop, and what a node costs at the most against the fewest."""
        cells = sorted((cell for cell in self.of("noop") if cell.runs.get(label)), key=lambda cell: cell.nodes)
        if len(cells) < 2:
            return None
        first, last = cells[0], cells[-1]
        return first.nodes, last.nodes, last.cpu_per_node(label).median / first.cpu_per_node(label).median
