"""``make bench``, or ``python -m tests.bench``: what the controller's own work costs; writes docs/performance.md.

All that a run makes lies in a temporary folder, which is removed also after Ctrl-C.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import dataclasses
import datetime
import itertools
import json
import os
import signal
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.bench import image, machine, page
from tests.bench.figures import Cell, Run, Sitting
from tests.bench.fleet import Checkout, RunFailedError
from tests.bench.scenarios import DEFAULT_FORKS, RAMDISK_SECONDS, SCENARIOS, Ground

ROOT = Path(__file__).resolve().parents[2]
BEFORE, NOW = "before", "now"
USUAL = [name for name in SCENARIOS if name != "waits-deploy"]
LARGE = 500
"""From how many nodes on ``--large-rounds`` counts."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="rounds of each scenario (5)")
    add("--large-rounds", type=int, help=f"rounds from {LARGE} nodes on (as --rounds, of memory 1)")
    add("--against", type=Path, metavar="PATH", help="a second checkout, measured in turn with this one")
    add("--only", nargs="+", choices=SCENARIOS, default=USUAL, metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    add("--sizes", nargs="+", type=int, default=[50, 200, 1000], metavar="NODES", help="of noop (50 200 1000)")
    add("--direct-nodes", type=int, default=50, metavar="NODES", help="of direct, and in the inventory of nothing (50)")
    add("--redfish-nodes", nargs="+", type=int, default=[50], metavar="NODES", help="of redfish (50)")
    add("--wait-nodes", type=int, default=200, metavar="NODES", help="of the waits (200)")
    add("--memory-nodes", type=int, default=1000, metavar="NODES", help="of memory (1000)")
    add("--out", type=Path, default=ROOT / "docs" / "performance.md", metavar="PATH", help="the page")
    add("--figures", type=Path, metavar="JSON", help="measure nothing, write the page of these figures")
    return parser.parse_args(arguments)


def show_command(options: argparse.Namespace) -> str:
    """Return the command of these options, with paths that are nobody's."""
    words = ["python -m tests.bench"]
    defaults = parse([])
    for name, value in vars(options).items():
        if name in ("out", "figures") or value == getattr(defaults, name):
            continue
        text = " ".join(map(str, value)) if isinstance(value, list) else value
        words.append(f"--{name.replace('_', '-')} {'CHECKOUT' if isinstance(value, Path) else text}")
    return f"`{' '.join(words)}`"


def plan(options: argparse.Namespace) -> t.Iterator[tuple[Cell, int]]:
    """Yield what is to be measured, and in how many rounds."""
    direct, waits = [options.direct_nodes], [options.wait_nodes]
    sizes = {"noop": options.sizes, "direct": direct, "nothing": direct, "memory": [options.memory_nodes]}
    sizes |= {"redfish": options.redfish_nodes, "waits-rescue": waits, "waits-deploy": waits}
    for scenario in (name for name in SCENARIOS if name in options.only):
        for nodes in sizes[scenario]:
            large = options.large_rounds or (1 if scenario == "memory" else options.rounds)
            yield Cell(scenario, nodes), large if nodes >= LARGE else options.rounds


class Bench:
    """Measures cells, one run after the other; each has a folder of its own, which goes when it has ended."""

    def __init__(self, folder: Path, url: str, checkouts: list[Checkout]) -> None:
        self._folder = folder
        self._url = url
        self._checkouts = checkouts
        self._numbers = itertools.count(1)

    def warm_up(self) -> None:
        """Run each checkout once: its files are read, its byte code is written."""
        for checkout in self._checkouts:
            self._run("direct", 2, checkout)

    def measure(self, cell: Cell, rounds: int) -> None:
        """Fill a cell; checkouts take turns, and who is first changes from round to round."""
        able = [checkout for checkout in self._checkouts if self._is_able(cell, checkout)]
        for number in range(rounds):
            for checkout in able if number % 2 else reversed(able):
                run = self._run(cell.scenario, cell.nodes, checkout)
                cell.runs.setdefault(checkout.label, []).append(run)
                shown = ", ".join(f"{key} {value}" for key, value in run.items())
                say(f"{cell.scenario}, {cell.nodes} nodes, {number + 1} of {rounds}, {checkout.label}: {shown}")
        cell.runs = {checkout.label: cell.runs[checkout.label] for checkout in able}

    def _is_able(self, cell: Cell, checkout: Checkout) -> bool:
        if cell.scenario == "memory":  # without waits that hold no fork, there are as many as forks
            return checkout.label == NOW
        if not cell.scenario.startswith("waits") or checkout.can_wait():
            return True
        cell.computed[checkout.label] = cell.nodes / DEFAULT_FORKS * RAMDISK_SECONDS
        return False

    def _run(self, scenario: str, nodes: int, checkout: Checkout) -> Run:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            ground = Ground(Path(folder) / f"run{next(self._numbers)}", checkout, nodes, self._url)
            return SCENARIOS[scenario](ground)


def say(text: str) -> None:
    """Print a line now."""
    print(text, flush=True)


def measure(options: argparse.Namespace) -> Sitting:
    """Measure all that is wanted."""
    checkouts = [Checkout.at(NOW, ROOT)]
    if options.against:
        checkouts.insert(0, Checkout.at(BEFORE, options.against.resolve()))
    about = {**machine.describe(), "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"}
    about["command"] = show_command(options)
    sitting = Sitting(about, {checkout.label: checkout.commit for checkout in checkouts}, [os.getloadavg()[0]])
    if sitting.load[0] > 0.5:
        say(f"The load average is {sitting.load[0]:.2f}: others are at work here, and the figures will show it.")
    with tempfile.TemporaryDirectory(prefix="baremetal-lifecycle-bench-") as name:
        folder = Path(name)
        images = folder / "images"
        images.mkdir()
        image.make_image(images)
        with image.serve(images) as url:
            bench = Bench(folder, url, checkouts)
            bench.warm_up()
            for cell, rounds in plan(options):
                bench.measure(cell, rounds)
                sitting.cells.append(cell)
    sitting.load.append(os.getloadavg()[0])
    return sitting


def load(path: Path) -> Sitting:
    """Read the figures of an earlier sitting."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Sitting(**{**content, "cells": [Cell(**cell) for cell in content["cells"]]})


def write(sitting: Sitting, out: Path) -> None:
    """Write the page, and beside it its plot and the raw figures."""
    out.write_text(page.write_page(sitting), encoding="utf-8")
    plot = page.write_plot(sitting)
    if plot:
        out.with_name("performance.svg").write_text(plot, encoding="utf-8")
    figures = json.dumps(dataclasses.asdict(sitting), indent=1)
    out.with_suffix(".json").write_text(f"{figures}\n", encoding="utf-8")
    say(f"{out}, its plot and its figures (JSON) are written.")


def _end(*_signal: object) -> t.NoReturn:
    sys.exit(143)


def main() -> None:
    """Measure, and write the page."""
    options = parse()
    signal.signal(signal.SIGTERM, _end)  # so that folders are removed
    try:
        write(load(options.figures) if options.figures else measure(options), options.out)
    except RunFailedError as exc:
        sys.exit(str(exc))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
