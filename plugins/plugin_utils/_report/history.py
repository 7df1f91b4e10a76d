"""What the history of a node tells of its works: from which state to which, how long each phase took. Pure."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import statistics
import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._states.machine import is_working
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry

LIMIT = 5
"""How many earlier works one is compared with."""

LABELS = {
    "bm_validate": ("validate", "validate"),
    "bm_prepare": ("prepare", "prepare"),
    "bm_deploy": ("work", "boot"),
    "bm_state": ("change state", "step"),
    "deploy": ("boot", "boot"),
    "start_ramdisk": ("boot", "boot"),
    "write_image": ("write image", "write"),
    "prepare_instance_boot": ("config drive, boot entry", "config"),
    "tear_down_agent": ("tear down", "down"),
    "boot_instance": ("boot instance", "instance"),
    "leave_ramdisk": ("leave ramdisk", "down"),
    "erase_devices_metadata": ("erase metadata", "erase"),
    "erase_devices_express": ("erase", "erase"),
    "erase_devices": ("erase", "erase"),
    "verify_bmc": ("verify BMC", "validate"),
    "inspect_bmc": ("inspect BMC", "inspect"),
    "inspect": ("inspect", "inspect"),
}
"""How a task's action or a step is called, and its kind, which has a colour; others are steps by their own name."""

WAITS = {
    "ramdisk": ("wait for ramdisk", "ramdisk"),
    "job": ("write or erase", "write"),
    "power_off": ("tear down", "down"),
    "pause": ("pause", "step"),
    "instance": ("wait for instance", "instance-wait"),
}
"""The same for what a node waits for."""

STARTS_RAMDISK = frozenset({"deploy", "start_ramdisk"})
"""Steps that switch on and then wait for the ramdisk, which is another phase."""


class Phase(t.NamedTuple):
    """A part of a node's work; times in seconds since the epoch. ``kind`` is one of ``LABELS`` or ``WAITS``."""

    label: str
    kind: str
    start: float
    end: float
    failed: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, self.end - self.start)


@dataclasses.dataclass
class Work:
    """What leads from one stable state to another, or to a failure. ``ended`` is None where it goes on.

    ``event`` is the one that it began with: deploy, rebuild, clean and so on.
    """

    event: str
    began: float
    entries: list[HistoryEntry]
    ended: float | None = None
    outcome: str = "goes on"
    from_state: str = ""
    to_state: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None where it goes on, and where it took more than one run: nobody worked in between."""
        runs = {entry.owner for entry in self.entries if entry.to_state}
        return self.ended - self.began if self.ended is not None and len(runs) == 1 else None


def works_of(entries: t.Iterable[HistoryEntry]) -> list[Work]:
    """Return the works of a node, oldest first."""
    found: list[Work] = []
    now: Work | None = None
    for entry in entries:
        to = entry.to_state
        if now is None and to and entry.from_state and not is_working(entry.from_state) and is_working(to):
            now = Work(entry.event, entry.at, [], from_state=entry.from_state)
            found.append(now)
        if now is None:
            continue
        now.entries.append(entry)
        if to and not is_working(to):
            now.ended, now.to_state = entry.at, to
            now.outcome = "failed" if _is_failure(entry) else "held" if entry.event == "hold" else "done"
            now = None
    return found


def earlier_of(work: Work, works: t.Iterable[Work]) -> list[Work]:
    """Return the last works of the same kind that were done before, oldest first."""
    same = [one for one in works if one.event == work.event and one.began < work.began]
    return [one for one in same if one.outcome == "done" and one.seconds is not None][-LIMIT:]


def medians(works: t.Iterable[Work]) -> dict[str, float]:
    """Return how long each phase took, by its label: the median of these works."""
    found: dict[str, list[float]] = {}
    for work in works:
        for label, seconds in by_label(phases_of(work.entries, work.ended or work.began)).items():
            found.setdefault(label, []).append(seconds)
    return {label: statistics.median(seconds) for label, seconds in found.items()}


def by_label(phases: t.Iterable[Phase]) -> dict[str, float]:
    """Return the seconds of phases, by their labels: what is done in parts is one."""
    found: dict[str, float] = {}
    for phase in phases:
        found[phase.label] = found.get(phase.label, 0.0) + phase.seconds
    return found


def phases_of(entries: t.Iterable[HistoryEntry], until: float) -> list[Phase]:
    """Return the phases of steps. One that was begun in another run begins with the first entry.

    :param until: the end of a step that goes on.
    """
    found: list[Phase] = []
    step: _Step | None = None
    first: float | None = None
    for entry in entries:
        first = entry.at if first is None else first
        key, dummy, what = (entry.message or "").rpartition(" ")
        if entry.event == "step" and what == "started":
            step = _Step(key, entry.at)
        elif entry.event == "step" and what == "done":
            step = step if step and step.key == key else _Step(key, first)
            found += step.phases(step.start + entry.seconds if entry.seconds is not None else entry.at)
            step = None
        elif step and entry.to_state and not is_working(entry.to_state):
            found += step.phases(entry.at, failed=_is_failure(entry))
            step = None
        elif step and entry.event == "wait":
            step.waited = step.waited or entry.at
    return found + (step.phases(until) if step else [])


@dataclasses.dataclass
class _Step:
    key: str
    start: float
    waited: float | None = None

    def phases(self, end: float, *, failed: bool = False) -> list[Phase]:
        """Return the step as one phase, or as two where it has waited for the ramdisk."""
        name = self.key.rpartition(".")[2].partition("#")[0]
        label, kind = LABELS.get(name, (name.replace("_", " "), "step"))
        if name in STARTS_RAMDISK and self.waited and self.waited < end:
            wait = Phase(*WAITS["ramdisk"], self.waited, end, failed)
            return [Phase(label, kind, self.start, self.waited), wait]
        return [Phase(label, kind, self.start, max(self.start, end), failed)]


def _is_failure(entry: HistoryEntry) -> bool:
    return entry.event in ("fail", "abort") or str(entry.to_state).endswith(" failed") or entry.to_state == "error"
