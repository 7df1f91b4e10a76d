"""The acts of a run, as tests/chaos/inject notes them, and how one of them is named and found again in another run."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import dataclasses
import json
import typing as t

REPEATED = ("bmc look", "commit update nodes")
"""Acts whose number changes from run to run, with time: such a one is counted from the last other act on."""

BOOTING = ("deploy.deploy", "deploy.start_ramdisk", "deploy.boot_instance", "power.reboot", "deploy.leave_ramdisk")


@dataclasses.dataclass(frozen=True)
class Act:
    """The nth act with a label, counted from the act ``after``, or from the start.

    ``boots``: whether a step that starts the machine is half done there, so that it may be started once more.
    """

    label: str
    nth: int
    after: tuple[str, int] | None = None
    boots: bool = False

    def __str__(self) -> str:
        count = f" ({self.nth})" if self.nth > 1 else ""
        after = f" after {self.after[0]}{f' ({self.after[1]})' if self.after[1] > 1 else ''}" if self.after else ""
        return f"{self.label}{count}{after}"

    def to_environment(self) -> str:
        """Return it as tests/chaos/inject reads it."""
        return json.dumps({"label": self.label, "nth": self.nth, "after": self.after})


def read(labels: t.Iterable[str]) -> list[Act]:
    """Return the acts of a run; of those that follow each other with the same label only the first."""
    seen: collections.Counter[str] = collections.Counter()
    since: collections.Counter[str] = collections.Counter()
    anchor, booting, before, found = None, False, None, []
    for label in labels:
        seen[label] += 1
        since[label] += 1
        boots = booting
        booting = _is_booting(label, booting)
        if label not in REPEATED:
            found.append(Act(label, seen[label], None, boots))
            anchor, since = (label, seen[label]), collections.Counter()
        elif label != before:
            found.append(Act(label, since[label], anchor, boots))
        before = label
    return found


def _is_booting(label: str, before: bool) -> bool:
    """Say whether a step that starts the machine is under way when an act has been done."""
    words = label.split()
    if "step" not in words or words[-1] not in ("started", "done"):
        return before
    return words[-1] == "started" and words[-2] in BOOTING
