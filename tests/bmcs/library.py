"""The BMCs that are data: a folder each with ``bmc.json``, and recorded trees where a folder of those is named.

``bmc.json``: ``about``; ``tree``, what differs from the usual service (null: no such thing); ``behaviour`` (see the
player); ``refuses``: what has to be refused, with a word of why, by name: boot (any override), cdrom, disk, bios (that
device, that mode), media (any), insert (when they are inserted). ``system_id``, where there are several Systems.
Adding a vendor is a folder. ``recorded.json`` has the same, without trees, for recorded ones by pattern.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import fnmatch
import json
import typing as t
from pathlib import Path

from tests.bmcs.player import Player
from tests.redfish import Document, make_tree

HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Known:
    """A BMC that can be played: recorded from a machine, or written by hand for what it shows."""

    name: str
    about: str
    tree: dict[str, Document]
    behaviour: Document
    refuses: dict[str, str]
    system_id: str | None
    is_recorded: bool = False

    def play(self, **options: t.Any) -> Player:
        """Return it as a service, not started yet."""
        return Player(self.tree, self.behaviour, system_id=self.system_id, **options)

    def at_once(self) -> Known:
        """Return the same BMC, which does all at once: what it is asked does not depend on how long it takes."""
        moments = ("seconds", "lingers", "post")
        does = {
            name: {key: value for key, value in told.items() if key not in moments}
            for name, told in self.behaviour.items()
        }
        return dataclasses.replace(self, behaviour=does)


def of_the_project() -> list[Known]:
    """Return the BMCs whose data are here."""
    return [_make(path.parent.name, json.loads(path.read_text())) for path in sorted(HERE.glob("*/bmc.json"))]


def recorded(folder: Path) -> list[Known]:
    """Return the BMCs whose trees are in a folder: files that hold documents by path."""
    patterns: Document = json.loads((HERE / "recorded.json").read_text())
    found = []
    for path in sorted(folder.glob("*.json")):
        tree = json.loads(path.read_text())
        if isinstance(tree, dict) and any(place.startswith("/redfish/v1") for place in tree):
            does = next((does for pattern, does in patterns.items() if fnmatch.fnmatch(path.stem, pattern)), {})
            found.append(_make(path.stem, {"about": "recorded", **does}, tree))
    return found


def _make(name: str, told: Document, tree: dict[str, Document] | None = None) -> Known:
    whole = _changed(make_tree(), told.get("tree", {})) if tree is None else tree
    rest = told.get("behaviour", {}), told.get("refuses", {}), told.get("system_id")
    return Known(name, told["about"], whole, *rest, is_recorded=tree is not None)


def _changed(tree: dict[str, Document], changes: dict[str, t.Any]) -> dict[str, Document]:
    for path, change in changes.items():
        name = path.rpartition("/")[2]
        if change is None:
            tree.pop(path, None)
        else:
            merged = {"@odata.id": path, "Id": name, "Name": name, **tree.get(path, {}), **change}
            tree[path] = {key: value for key, value in merged.items() if value is not None or key in _NULLS}
    return tree


_NULLS = frozenset({"Image", "PowerState"})
"""Properties that may be null; others are left out then."""
