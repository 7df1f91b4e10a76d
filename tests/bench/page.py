"""The page of a sitting: docs/performance.md, and the plot beside it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import operator
import typing as t

from tests.bench.figures import Cell, Sitting, Spread
from tests.bench.plot import Series, draw
from tests.bench.scenarios import DEFAULT_FORKS, RAMDISK_SECONDS, SAMPLES

PLOT_TITLE = "CPU time a node, a noop deployment, in milliseconds"
QUIET = 0.1
"""The share of the machine that others may take before it is called noisy."""

TITLES = {"waits-rescue": "rescue", "waits-deploy": "deploy with an image"}

INTRODUCTION = """\
What the controller's own work costs. The nodes are fake ([drivers.md](drivers.md)): a BMC that answers at once, a
ramdisk that is this machine, disks that are files. So this is Ansible, the collection and its store (a new SQLite
database each time), and neither hardware nor network. Real `ansible-playbook` processes; CPU time is user and system
time of the process and of all its descendants, daemons too. Figures are medians, with the lowest and the highest of
the rounds in brackets. Nothing here is asserted by a test: another machine has other figures.

Written by `make bench`; `make bench AGAINST=/path/to/checkout` measures a second checkout in turn with this one, round
by round, with the same Python and libraries. `python -m tests.bench --help` tells how to choose scenarios, sizes and
rounds, also as `make bench BENCH="--only noop --rounds 3"`.
"""

OTHERS = """\
## Other benches

They print, and write nothing down; `PYTHON` is `.venv/bin/python` in the checkout.

| command | what it measures |
|---|---|
| `PYTHON tests/bench/bench_enroll.py --nodes 300` | `enroll.yml` and `status.yml` for many nodes |
| `PYTHON tests/bench/bench_write_image.py 1024` | `bm_write_image` alone: an image of so many MiB in all its forms |
"""


def _table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[object]]) -> list[str]:
    head, *lines = (f"| {' | '.join(map(str, line))} |" for line in (head, *rows))
    return [head, f"|{'---|' * (head.count('|') - 1)}", *lines, ""]


def _noise(sitting: Sitting) -> list[str]:
    runs = [run for cell in sitting.cells for runs in cell.runs.values() for run in runs if "others" in run]
    if not runs:
        return []
    others = Spread.of([run["others"] for run in runs])
    word = "quiet" if others.high < QUIET else "quiet most of the time" if others.median < QUIET else "noisy"
    return [
        f"The machine was {word}: what did not belong to a run took {others.median:.0%} of it in the median run,",
        f"{others.high:.0%} in the worst. The load average (one minute) was {sitting.load[0]:.2f} before the first",
        f"run, {sitting.load[-1]:.2f} after the last.",
        "",
    ]


def _head(sitting: Sitting) -> list[str]:
    commits = {f"column {label}": f"commit {commit}" for label, commit in sitting.commits.items()}
    rows = {**sitting.machine, **commits}
    return [
        *("# Performance", "", INTRODUCTION),
        *_table(("measured on", ""), rows.items()),
        *_noise(sitting),
    ]


def _cost_rows(cells: t.Iterable[Cell]) -> t.Iterator[tuple[object, ...]]:
    for cell in cells:
        for label, runs in cell.runs.items():
            yield (
                f"{cell.nodes:,}",
                label,
                cell.cpu_per_node(label).show(),
                cell.kernel_per_node(label).show(),
                cell.wall(label).show(1),
                cell.nodes_per_second(label).show(2),
                f"{max(run['tasks'] for run in runs)}",
                len(runs),
            )


COST_HEAD = (
    "nodes",
    "checkout",
    "CPU ms a node",
    "of it kernel",
    "wall s",
    "deployments a second",
    "tasks a node",
    "rounds",
)


def _noop(sitting: Sitting) -> list[str]:
    cells = sitting.of("noop")
    if not cells:
        return []
    lines = ["## Deployments that write nothing", ""]
    lines += ["`bm_deploy_interface: noop`, `deploy.yml`, 20 forks. Tasks are `ok` and `skipped` of the recap.", ""]
    lines += _table(COST_HEAD, _cost_rows(cells))
    for label in sitting.commits:
        growth = sitting.growth(label)
        if growth:
            few, many, times = growth
            lines.append(f"- {label}: of {many:,} nodes one costs {times:.2f} times what one of {few:,} costs.")
    return [*lines, "", f"![{PLOT_TITLE}](performance.svg)", ""]


def _direct(sitting: Sitting) -> list[str]:
    cells = sitting.of("direct")
    if not cells:
        return []
    lines = ["## Deployments with an image", ""]
    lines += [
        "`direct` onto files, `deploy.yml`, 20 forks; a GPT image of 8 MiB over HTTP from this machine. What runs in",
        "the ramdisk otherwise (modules, the write itself) runs and counts here, too.",
        "",
    ]
    return [*lines, *_table(COST_HEAD, _cost_rows(cells))]


def _redfish(sitting: Sitting) -> list[str]:
    cells = sitting.of("redfish")
    if not cells:
        return []
    lines = ["## Deployments over Redfish", ""]
    lines += [
        "An ISO as the instance (`bm_deploy_interface: ramdisk`), `deploy.yml`, 50 forks; each node has a BMC of its",
        "own, over TLS with a certificate that is verified, and the store knows none of them. The emulated BMCs are",
        "one process on this machine: it is not in the CPU time of a node, and takes its part of the processors.",
        "",
    ]
    return [*lines, *_table(COST_HEAD, _cost_rows(cells))]


def _wait_rows(cells: t.Iterable[Cell], labels: t.Iterable[str]) -> t.Iterator[tuple[object, ...]]:
    for cell in cells:
        for label in labels:
            start = (TITLES[cell.scenario], f"{cell.nodes:,}", label)
            if label in cell.computed:
                minutes = cell.computed[label] / 60
                sum_ = f"{cell.nodes:,} / {DEFAULT_FORKS} x {RAMDISK_SECONDS} s"
                yield (*start, f"{minutes:.0f} min for the waits alone, computed, not measured: {sum_}", "-", "-")
            elif label in cell.runs:
                runs = len(cell.runs[label])
                yield (*start, cell.wall(label).show(1), cell.cpu_per_node(label).show(), runs)


def _waits(sitting: Sitting) -> list[str]:
    cells = sitting.of("waits-rescue", "waits-deploy")
    if not cells:
        return []
    lines = ["## Nodes that wait", ""]
    lines += [f"A ramdisk that takes {RAMDISK_SECONDS} s from power-on until it answers; {DEFAULT_FORKS} forks, the"]
    lines += ["default.", ""]
    head = ("verb", "nodes", "checkout", "wall s", "CPU ms a node", "rounds")
    return [*lines, *_table(head, _wait_rows(cells, sitting.commits))]


def _memory(sitting: Sitting) -> list[str]:
    cells = sitting.of("memory")
    if not cells:
        return []
    lines = ["## Many nodes waiting at once", ""]
    lines += [
        f"`deploy.yml`, {DEFAULT_FORKS} forks, a ramdisk that never answers. Looked at once a second for {SAMPLES} s",
        "when all machines that will be are switched on; memory is the sum of PSS of all processes of the run. Then",
        "the run gets one SIGINT.",
        "",
    ]
    figures = (
        ("processes", 0),
        ("pss_mib", 0),
        ("peak_mib", 0),
        ("cores", 2),
        ("start_seconds", 0),
        ("stop_seconds", 1),
    )
    rows = [
        (
            f"{cell.nodes:,}",
            label,
            min(run["waiting"] for run in runs),
            *(cell.spread(label, operator.itemgetter(name)).show(digits) for name, digits in figures),
        )
        for cell in cells
        for label, runs in cell.runs.items()
    ]
    head = ["nodes", "checkout", "waiting at once", "processes", "MiB while waiting", "MiB at most"]
    head += ["cores busy while waiting", "s until all wait", "s from SIGINT to the end"]
    return [*lines, *_table(head, rows)]


def _nothing(sitting: Sitting) -> list[str]:
    cells = sitting.of("nothing")
    if not cells:
        return []
    lines = ["## Nothing to do", "", "`deploy.yml -l NODE` for one that is active with the wanted image.", ""]
    rows = [
        (
            f"{cell.nodes:,}",
            label,
            cell.wall(label).show(2),
            cell.spread(label, lambda run: float(run["cpu"])).show(2),
            max(run["tasks"] for run in runs),
            len(runs),
        )
        for cell in cells
        for label, runs in cell.runs.items()
    ]
    return [*lines, *_table(("nodes in the inventory", "checkout", "wall s", "CPU s", "tasks", "rounds"), rows)]


def write_page(sitting: Sitting) -> str:
    """Return the page."""
    parts = (_head, _noop, _direct, _redfish, _waits, _memory, _nothing)
    return "\n".join([*(line for part in parts for line in part(sitting)), OTHERS])


def write_plot(sitting: Sitting) -> str | None:
    """Return the plot of the page, None where noop was not measured."""
    cells = sitting.of("noop")
    series = [
        Series(label, {cell.nodes: cell.cpu_per_node(label) for cell in cells if cell.runs.get(label)})
        for label in reversed(sitting.commits)  # this checkout is drawn first, and has the first colour
    ]
    series = [line for line in series if line.points]
    return draw(PLOT_TITLE, "nodes (logarithmic)", series) if series else None
