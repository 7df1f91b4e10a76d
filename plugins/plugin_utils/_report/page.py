"""The report as one HTML page that needs nothing else: made by a template that escapes whatever it is given."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import statistics
import typing as t
from pathlib import Path

import jinja2  # Ansible's own template engine, which is wherever Ansible is

from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report import history
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.report import (
    DONE,
    FAILED,
    UNCHANGED,
    NodeReport,
    RunReport,
    moment_of,
    printable,
    seconds_of,
)

FOLDER = Path(__file__).parent

STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Seconds between two marks of a time axis."""

MARKS = 6
"""How many marks an axis has, at most."""

LAST_MARK = 94.0
"""Where the last one may be, in percent: its text stands to the right of it."""

AT_A_GLANCE = 20
"""From how many nodes on all of them are shown in one picture, too."""

REASONS = 5
"""How many causes of failures are shown before one asks for more."""

NOTABLE = 0.1, 1.0
"""How much a work must differ from earlier ones to be pointed out: a part of it, and seconds."""

OUTCOMES = {FAILED: "failed", DONE: "done", UNCHANGED: "nothing to do"}


class Bar(t.NamedTuple):
    """A phase as it is drawn: ``left`` and ``width`` in percent."""

    label: str
    kind: str
    failed: bool
    seconds: float
    left: float
    width: float


def html_of(report: RunReport, core: str) -> str:
    """Return the page.

    :param core: the version of ansible-core that has run.
    """
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_finalize,
        loader=jinja2.FileSystemLoader(FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(seconds=seconds_of, moment=moment_of, change=change_of)
    script = environment.get_template("page.js").render()  # as the page includes it
    return environment.get_template("page.html.j2").render(
        report=report,
        core=core,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        title=title_of(report),
        outcomes=OUTCOMES,
        reasons=REASONS,
        figures=figures_of(report),
        legend=legend_of(report),
        overview=overview_of(report),
        marks=marks_of(report.ended - report.began),
        rows=[row_of(report, node) for node in report.nodes],
        index={node.name: number for number, node in enumerate(report.nodes)},
    )


def _finalize(value: t.Any) -> t.Any:
    """Clean whatever is filled in; what a macro returns was filled in before."""
    return printable(str(value)) if isinstance(value, str) and not hasattr(value, "__html__") else value


def title_of(report: RunReport) -> str:
    """Return what is to be said first."""
    nodes, failed = len(report.nodes), report.count(FAILED)
    if nodes == 1:
        node = report.nodes[0]
        return f"{node.name} has failed" if failed else f"{node.name} is {node.state}"
    return f"{failed} of {nodes:,} nodes have failed" if failed else f"{nodes:,} nodes, none has failed"


def figures_of(report: RunReport) -> list[tuple[str, str, str]]:
    """Return the figures of the run: what it is, how much, and what more there is to say of it."""
    nodes, many = report.nodes, len(report.nodes) > 1
    worked = [node.seconds for node in nodes if node.outcome == DONE]
    changes = [node.change for node in nodes if node.change is not None]
    counts = [f"{report.count(outcome):,} {word}" for outcome, word in OUTCOMES.items() if report.count(outcome)]
    first = ("Nodes", f"{len(nodes):,}") if many else ("State", nodes[0].state)
    found = [(*first, ", ".join(counts) if many else OUTCOMES[nodes[0].outcome])]
    found.append(
        ("The run", seconds_of(report.ended - report.began), f"{clock_of(report.began)} to {clock_of(report.ended)}")
    )
    if many and worked:
        found.append(
            ("A node, the median", seconds_of(statistics.median(worked)), f"the slowest {seconds_of(max(worked))}")
        )
    if changes:
        what = f"{len(changes):,} nodes, the median" if many else f"the median is {seconds_of(nodes[0].usual or 0)}"
        found.append(("Against earlier", change_of(statistics.median(changes)), what))
    for what, number in (
        ("BMC requests", sum(node.requests for node in nodes)),
        ("Power-ons", sum(node.power_ons for node in nodes)),
    ):
        found.append((what, f"{number:,}", f"{_rate(number / len(nodes))} a node" if many else "in this run"))
    return found


def legend_of(report: RunReport) -> list[tuple[str, str]]:
    """Return the phases that there are, as kind and label, in the order of a node's work; each kind once."""
    found: dict[str, str] = {}
    for node in report.nodes:
        for phase in node.phases:
            found.setdefault(phase.kind, "step" if phase.kind == "step" else phase.label)
    order = list(dict.fromkeys(kind for dummy, kind in (*history.LABELS.values(), *history.WAITS.values())))
    order.insert(order.index("boot") + 1, order.pop(order.index("ramdisk")))
    return [(kind, found[kind]) for kind in order if kind in found]


def marks_of(seconds: float) -> list[tuple[str, float]]:
    """Return the marks of a time axis, each with its place in percent."""
    step = next((step for step in STEPS if seconds / step <= MARKS), seconds / MARKS or 1.0)
    count = int(seconds / step + 1e-9)
    places = [(number * step, _percent(number * step, seconds)) for number in range(count + 1)]
    return [(seconds_of(at).removesuffix(" 0 s") if at else "0", place) for at, place in places if place <= LAST_MARK]


def overview_of(report: RunReport) -> list[tuple[str, str]]:
    """Return all nodes in one picture: by kind of phase the path of an SVG, 1000 wide, a line for each node."""
    found: dict[str, list[str]] = {}
    for number, node in enumerate(report.nodes if len(report.nodes) >= AT_A_GLANCE else []):
        for one in bars_of(node, report.began, report.ended):
            length = max(one.width * 10, 4.0)
            found.setdefault(one.kind, []).append(f"M{one.left * 10:.4g} {number + 0.5}h{length:.4g}")
            if one.failed:
                found.setdefault("bad", []).append(f"M{one.left * 10 + length - 2:.4g} {number + 0.5}h6")
    return [(kind, "".join(parts)) for kind, parts in sorted(found.items(), key=lambda item: item[0] == "bad")]


def row_of(report: RunReport, node: NodeReport) -> dict[str, t.Any]:
    """Return what the table has of a node, and what its details have."""
    now, before = history.by_label(node.phases), history.medians(node.earlier)
    seconds = node.work.seconds if node.work and node.change is not None else None
    longest = max((one.seconds or 0.0 for one in [*node.earlier, node.work] if one), default=0.0)
    return {
        "node": node,
        "bars": bars_of(node, report.began, report.ended),
        "own_bars": bars_of(node, node.began, node.ended),
        "told": ", ".join(f"{label} {seconds_of(seconds)}" for label, seconds in now.items()) or "nothing was done",
        "usual": before,
        "slower": {label: _verdict(seconds, before.get(label)) for label, seconds in now.items()},
        "verdict": _verdict(seconds, node.usual),
        "earlier": [(one.began, one.seconds, _percent(one.seconds or 0.0, longest)) for one in reversed(node.earlier)],
        "now": _percent(node.work.seconds or 0.0, longest) if node.work else 0.0,
    }


def _verdict(seconds: float | None, usual: float | None) -> str:
    """Return what is to be pointed out of a time, beside what it is usually; nothing where they don't differ much."""
    if seconds is None or usual is None:
        return ""
    part, least = NOTABLE
    is_notable = abs(seconds - usual) >= max(part * usual, least)
    return ("slower" if seconds > usual else "faster") if is_notable else ""


def bars_of(node: NodeReport, start: float, end: float) -> list[Bar]:
    """Return a node's phases as they are drawn between two times."""
    return [
        Bar(
            phase.label,
            phase.kind,
            phase.failed,
            phase.seconds,
            _percent(phase.start - start, end - start),
            _percent(phase.seconds, end - start),
        )
        for phase in node.phases
    ]


def clock_of(at: float) -> str:
    """Return a time of the day."""
    return moment_of(at).partition(" ")[2]


def change_of(change: float) -> str:
    """Return how much more it is, in percent, with a sign."""
    percent = round(change * 100)
    return f"{percent:+d} %".replace("-", "\u2212") if percent else "\u00b1 0 %"


def _rate(number: float) -> str:
    return f"{number:.1f}" if number >= 0.05 or not number else "less than 0.1"


def _percent(part: float, whole: float) -> float:
    return round(min(max(part / whole * 100, 0.0), 100.0), 2) if whole > 0 else 0.0
