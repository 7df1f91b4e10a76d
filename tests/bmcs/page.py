"""``make bmcs``, or ``python -m tests.bmcs.page``: plays each BMC that is data; writes docs/bmcs.md.

Without recorded trees (``--bmc-trees FOLDER``) their part of the page stays as it is.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import json
import tempfile
import typing as t
from pathlib import Path

from tests import conftest as _conftest  # noqa: F401 makes the checkout importable as the collection
from tests.bmcs import haste, library
from tests.bmcs.library import Known
from tests.bmcs.trial import MEDIA, OVERRIDE, Run, Trial, log_in_once, tried

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bmcs.md"

RECORDED, BY_HAND = "recorded", "by hand"

INTRODUCTION = """\
# BMCs

What works on which Redfish BMC, as far as that is known without having one: each that is data was played by
`tests/bmcs/player.py`, examined by the doctor (reading; then with a boot device set and taken back, and an ISO inserted
and ejected), and given a deployment with an ISO as the instance, by the operations that the role calls. No hardware was
touched for it.

- **recorded**: the documents of a real machine, of that model and firmware, as it answered them; serial numbers and
  addresses are replaced, and what no driver asks for is left out, so that less hardware may be told than it had. How
  such a BMC behaves beside its documents (what it answers to a change, how a log-in goes) is assumed, from vendors'
  documents and other projects' code: `tests/bmcs/recorded.json`. The recordings are not part of the project.
- **by hand**: a usual service with one BMC's peculiarities, and one thing that is to be shown: a folder in `tests/bmcs`
  that says what. Its vendor and firmware are what the peculiarity is known from, not a machine.

Left out is what is the player's own, or of the day of the recording: connection, certificate, clock. Requests are those
of a whole deployment (validate, prepare, deploy: one session, a connection each), log-in and log-out included: to a BMC
that is new to the store, and to one that the doctor has examined. A BMC that takes its time is asked more often.

Written by `make bmcs BMC_TREES=FOLDER`, with the folder of the recordings; without it, what is recorded stays as it is.
What a real BMC does tells `playbooks/bmc_doctor.yml` ([drivers.md](drivers.md)).

"""

COLUMNS = (
    *("BMC", "what it is", "vendor, model", "BMC firmware", "quirks", "virtual media", "HTTP boot", "boot override"),
    *("sessions", "requests (new, known)", "an ISO as the instance"),
)

OURS = ("connection", "certificate", "clock")
"""Findings that are not the BMC's."""


def row_of(trial: Trial) -> str:
    """Return the BMC's line of the table."""
    told, bmc = trial.inventory, trial.bmc
    quirks = trial.findings["BMC"].seen.partition("; treated as ")[2]
    runs = (trial.new, trial.known)
    return _row(
        f"[{bmc.name}](#{bmc.name.replace('.', '')})",
        RECORDED if bmc.is_recorded else BY_HAND,
        _machine(told["system"]),
        told["firmware"].get("bmc") or "not told",
        quirks or "-",
        _verdict(trial, "virtual media"),
        _verdict(trial, "HTTP boot"),
        _override(trial),
        {"ok": "yes", "note": "none: Basic"}.get(trial.findings["log-in"].verdict, "?"),
        ", ".join(str(run.requests) for run in runs) if trial.new.booted else "-",
        _outcome(trial.new),
    )


def section_of(trial: Trial) -> str:
    """Return what there is to be said of a BMC."""
    found = {item.seen: item for item in reversed(trial.findings.values()) if item.verdict != "ok"}
    told = [item for item in reversed(found.values()) if item.what not in OURS]
    lines = [f"### {trial.bmc.name}", ""]
    lines += [] if trial.bmc.is_recorded else [trial.bmc.about, ""]
    lines += [f"- {item.what}: {item.verdict}: {_sentence(item.seen)} {item.advice}".rstrip() for item in told]
    lines += [_deployment(trial, found)]
    wanted = [f"`{name}: {json.dumps(value)}`" for name, value in trial.variables.items()]
    return "\n".join([*lines, f"- to set: {', '.join(wanted)}" if wanted else "- to set: nothing", ""])


def page_of(rows: t.Iterable[str], recorded: str, by_hand: t.Iterable[str]) -> str:
    """Return the page.

    :param rows: lines of the table.
    :param recorded: sections of recorded BMCs.
    :param by_hand: ... and of those written by hand.
    """
    table = [_row(*COLUMNS), "|---" * len(COLUMNS) + "|", *rows]
    parts = ["## Recorded", "", recorded.strip(), "", "## Written by hand", "", "\n".join(by_hand).strip()]
    return INTRODUCTION + "\n".join([*table, "", *parts]) + "\n"


def recorded_of(page: str) -> tuple[list[str], str]:
    """Return the lines and the sections of recorded BMCs that a page has."""
    rows = [line for line in page.splitlines() if line.startswith("| [") and f"| {RECORDED} |" in line]
    return rows, page.partition("\n## Recorded\n")[2].partition("\n## Written by hand\n")[0]


def trial_of(bmc: Known) -> Trial:
    """Return what comes of a BMC that is played; with ``haste.counted``, the same on each machine."""
    with tempfile.TemporaryDirectory() as folder:
        return tried(bmc.at_once(), Path(folder))


def main() -> None:
    """Play them, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bmc-trees", type=Path, metavar="FOLDER", help="recorded trees; else their part stays")
    folder = parser.parse_args().bmc_trees
    haste.counted()
    log_in_once()
    by_hand = [trial_of(bmc) for bmc in library.of_the_project()]
    rows, sections = recorded_of(PAGE.read_text() if PAGE.exists() else "")
    if folder is not None:
        recorded = [trial_of(bmc) for bmc in library.recorded(folder)]
        rows, sections = [*map(row_of, recorded)], "\n".join(map(section_of, recorded))
    PAGE.write_text(page_of([*rows, *map(row_of, by_hand)], sections, map(section_of, by_hand)), encoding="utf-8")
    print(f"{PAGE.name}: {len(by_hand)} written by hand, {len(rows)} recorded{'' if folder else ', as they were'}")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _verdict(trial: Trial, what: str) -> str:
    verdict = trial.findings[what].verdict
    if what == "virtual media" and verdict in ("ok", "note") and trial.findings[MEDIA].verdict == "no":
        return "refused"
    return {"ok": "yes", "note": "yes"}.get(verdict, verdict)


def _override(trial: Trial) -> str:
    look, trying = trial.findings["boot override"], trial.findings[OVERRIDE]
    if look.verdict == "no":
        return "no"
    kept = "once" if "one start only" in look.advice else "once, persistent"
    return kept if trying.verdict == "ok" else f"{kept} ({trying.seen.partition(':')[0]})"


def _outcome(run: Run) -> str:
    if run.booted:
        return "boots"
    return "refused before anything was changed" if run.refused_by == "validate" else "fails, and is not switched on"


def _machine(system: dict[str, t.Any]) -> str:
    vendor, product = system.get("vendor") or "", system.get("product") or ""
    return (product if product.startswith(vendor) else f"{vendor} {product}").strip() or vendor or "not told"


def _deployment(trial: Trial, found: t.Collection[str]) -> str:
    new, known = trial.new, trial.known
    if not new.booted:
        where = {"validate": "bm_validate", "prepare": "bm_prepare", "deploy": "bm_deploy"}[new.refused_by]
        told = f"{new.requests} requests, {new.writes} changes"
        why = "for that" if new.error in found else f"{_sentence(new.error)} {new.hint}".strip()
        return f"- an ISO as the instance: refused by {where} ({told}): {why}"
    return (
        f"- an ISO as the instance: power off to power on, started once, from {new.booted};"
        f" {new.requests} requests where the BMC is new, {known.requests} where it is known;"
        f" {new.connections} connections, {new.logins or 'no'} session{'' if new.logins == 1 else 's'}"
    )


if __name__ == "__main__":
    main()
