"""The boot entries in the firmware, as efibootmgr shows and changes them."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..agent.command import run_command
from ..disk.partition_table import Partition
from .esp import Loader

_ENTRY = re.compile(r"^Boot([0-9A-Fa-f]{4})(\*?) ([^\t]*)(?:\t(.*))?$", re.MULTILINE)
_ORDER = re.compile(r"^BootOrder: *([0-9A-Fa-f,]*)", re.MULTILINE)
_PARTITION = re.compile(r"HD\(\d+,GPT,([0-9a-fA-F-]{36}),")
# Version 17 writes File(\EFI\…), version 18 only the path; the loader's own options follow without a mark.
_LOADER = re.compile(r"\)/(?:File\()?(\\.*?\.efi)", re.IGNORECASE)


@dataclass(frozen=True)
class BootEntry:
    """One Boot#### variable; GUID and loader are empty for what is not a file on a GPT partition."""

    number: str
    label: str
    active: bool
    partition_guid: str = ""
    loader: str = ""


@dataclass(frozen=True)
class BootEntries:
    """All entries, and the order in which the firmware tries them."""

    entries: tuple[BootEntry, ...]
    order: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What must be changed; ``use`` is the entry that is there already, empty if one must be made."""

    use: str
    delete: tuple[str, ...]
    activate: bool
    order: tuple[str, ...] | None

    @property
    def changed(self) -> bool:
        """Whether anything must be done."""
        return not self.use or bool(self.delete) or self.activate or self.order is not None


def parse(text: str) -> BootEntries:
    """Return what ``efibootmgr -v`` printed."""
    entries = []
    for number, star, label, path in _ENTRY.findall(text):
        guid, loader = _PARTITION.search(path), _LOADER.search(path)
        entries.append(
            BootEntry(
                number.upper(),
                label.strip(),
                bool(star),
                guid.group(1).lower() if guid else "",
                loader.group(1) if loader else "",
            )
        )
    order = _ORDER.search(text)
    numbers = order.group(1).upper().split(",") if order and order.group(1) else []
    return BootEntries(tuple(entries), tuple(numbers))


def plan(current: BootEntries, label: str, partition_guid: str, loader: str) -> Plan:
    """Return how to get one entry for this loader, first in the order, and no old one of the same label.

    An entry of another label that starts the same loader is used: the system made it itself.
    """
    same = [entry for entry in current.entries if _starts(entry, partition_guid, loader)]
    same.sort(key=lambda entry: entry.label != label)
    use = same[0] if same else None
    delete = tuple(entry.number for entry in current.entries if entry.label == label and entry is not use)
    if use is None:
        return Plan("", delete, activate=False, order=None)
    left = tuple(number for number in current.order if number not in delete)
    if left[:1] == (use.number,):
        return Plan(use.number, delete, not use.active, order=None)
    # Firmware leaves numbers of entries that are gone; efibootmgr refuses an order with one.
    there = {entry.number for entry in current.entries}
    rest = (number for number in left if number in there and number != use.number)
    return Plan(use.number, delete, not use.active, (use.number, *rest))


def _starts(entry: BootEntry, partition_guid: str, loader: str) -> bool:
    return entry.partition_guid == partition_guid.lower() and entry.loader.lower() == loader.lower()


def read_entries() -> BootEntries:
    """Read the firmware's entries."""
    return parse(run_command(["efibootmgr", "-v"]))


def carry_out(todo: Plan, path: str, partition: Partition, label: str, loader: Loader) -> None:
    """Change the firmware's entries as planned.

    :raises StepError: efibootmgr failed, for instance because the variable store is full or read-only.
    """
    # Deleting first makes room in a full variable store.
    for number in todo.delete:
        run_command(["efibootmgr", "-q", "-b", number, "-B"])
    if not todo.use:
        # A new entry is put first in the order, the others keep theirs.
        argv = ["efibootmgr", "-q", "-c", "-d", path, "-p", str(partition.number), "-L", label, "-l", loader.path]
        run_command(argv + (["-u", loader.options] if loader.options else []))
        return
    if todo.activate:
        run_command(["efibootmgr", "-q", "-b", todo.use, "-a"])
    if todo.order is not None:
        run_command(["efibootmgr", "-q", "-o", ",".join(todo.order)])


def to_result(entries: BootEntries) -> dict[str, t.Any]:
    """Return the entries as a module result shows them."""
    return {
        "order": list(entries.order),
        "entries": [{"number": entry.number, "label": entry.label} for entry in entries.entries],
    }
