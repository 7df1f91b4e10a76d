"""The page of a whole run: docs/reliability.md."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import operator
import time
import typing as t

from tests.bench import machine
from tests.chaos.cells import Result

INTRODUCTION = """\
# Reliability

What comes of runs that are killed, cut off and lied to. A cell is one play of the collection's own playbooks that is
disturbed once, at a known moment, and what has to come of it is stated beforehand. Plays are real `ansible-playbook`
processes with real stores. Machines are fake ones ([drivers.md](drivers.md)), whose ramdisk is the controller itself
and whose disks are files that are compared byte by byte, or a service that plays their BMC and counts what it is asked.
Lab machines under QEMU are in [matrix.md](matrix.md), not here.

In each cell, whatever else is stated: nothing that was done is done again (the machine's power-ons, writes to the BMC
and steps are counted), the disk holds what an undisturbed run leaves on it, the node is in no state that only a run
could end, nobody holds it, no session is left on the BMC, refused credentials were sent once, no process and no file
outlives the run but Ansible's own.

Written by `make chaos CHAOS="--page docs/reliability.md"`, which takes up where an earlier run was stopped;
`python -m tests.chaos --help` tells how to play some cells, as `make chaos CHAOS="kill --only undeploy"`.
"""

ABOUT = {
    "kill": "SIGKILL before each act of each verb: commits, calls of the BMC, programs, opened disks, renamed files.",
    "special": "A run dies, and something has changed before the next: controller, owner, image, machine, file.",
    "signal": "Signals to a run and to its processes, in named moments.",
    "power cut": "The controller loses its power, at each act of a deployment: its files are as a crash leaves them.",
    "redfish": "A Redfish BMC that fails, lies, is busy, slow or away, at each thing that it is asked.",
    "ipmi": "An IPMI BMC behind a network that loses, doubles, delays and changes packets.",
    "store": "The store is full, slow, restarted, deleted, shared by several controllers whose clocks differ.",
    "soak": "Many nodes, random faults at each act; then once more without them.",
}
"""What is done in a matrix."""

MATRIX, VERDICT = operator.attrgetter("matrix"), operator.attrgetter("verdict")


def write(results: t.Sequence[Result], command: str) -> str:
    """Return the page."""
    matrices = {name: list(found) for name, found in itertools.groupby(sorted(results, key=MATRIX), key=MATRIX)}
    ordered = {name: matrices[name] for name in ABOUT if name in matrices}
    lines = [INTRODUCTION, *_when(results, command), *_totals(ordered)]
    for name, found in ordered.items():
        lines += [f"## {name}", "", ABOUT[name], "", *_cells(found)]
    return "\n".join(lines).rstrip() + "\n"


def _when(results: t.Sequence[Result], command: str) -> list[str]:
    days = sorted({time.strftime("%Y-%m-%d", time.gmtime(result.at)) for result in results})
    seconds = sum(result.seconds for result in results)
    about = ", ".join(f"{name} {value}" for name, value in machine.describe().items())
    played = f"Played on {' to '.join(dict.fromkeys((days[0], days[-1])))} (UTC) with `{command}`"
    return [f"{played}; the cells' own times add up to {seconds / 3600:.1f} h. On {about}.", ""]


def _totals(matrices: t.Mapping[str, t.Sequence[Result]]) -> list[str]:
    rows = [(f"[{name}](#{name.replace(' ', '-')})", ABOUT[name], *_count(found)) for name, found in matrices.items()]
    every = _count([result for found in matrices.values() for result in found])
    return _table(("matrix", "what is done", "cells", "pass", "FAIL"), [*rows, ("all", "", *every)])


def _count(found: t.Sequence[Result]) -> tuple[int, int, int]:
    passed = sum(not result.wrong for result in found)
    return len(found), passed, len(found) - passed


def _cells(found: t.Sequence[Result]) -> list[str]:
    """Return the tables of a matrix, one for each thing that is expected."""
    lines: list[str] = []
    for expected in dict.fromkeys(result.expected for result in found):
        rows = [
            (result.cell.partition(": ")[2], result.seen, "; ".join((result.verdict, *result.wrong)))
            for result in found
            if result.expected == expected
        ]
        lines += [f"Expected: {expected}.", "", *_table(("cell", "seen", "verdict"), rows)]
    return lines


def _table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines] + [""]
