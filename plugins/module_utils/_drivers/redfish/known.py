"""What was learnt of a service before: documents that stay as they are, read once and kept with the store's nodes.

So a task asks for what changes, and finds its way to it without asking. What is known is forgotten after a day, and
where it leads to nothing any more.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

Document = dict[str, t.Any]

LASTS = 86400.0
"""Seconds after which all is learnt anew: a BMC may get other firmware."""

STAYS: dict[str, tuple[str, ...]] = {
    "ServiceRoot": (
        *("RedfishVersion", "Vendor", "Product", "Systems", "Managers", "Chassis", "SessionService", "Links", "Tasks"),
    ),
    "ComputerSystemCollection": ("Members",),
    "ManagerCollection": ("Members",),
    "VirtualMediaCollection": ("Members",),
    "Manager": ("ManagerType", "Manufacturer", "Model", "FirmwareVersion", "VirtualMedia"),
    "ActionInfo": ("Parameters",),
}
"""Schemas (DSP2046) of documents that stay as they are, and the properties of them that are of use."""

ALWAYS = ("@odata.id", "@odata.type", "Id", "Name")


class Known:
    """What is known of one service, and what was learnt of it since.

    :param recall: returns what ``learnt`` was before, whenever that was; called once, at the first question.
    :param of: which service it is; what was learnt of another one is of no use.
    """

    def __init__(self, recall: t.Callable[[], t.Mapping[str, t.Any]], of: str) -> None:
        self._recall = recall
        self._of = of
        self._facts: Document | None = None
        self._is_new = False
        self.is_recalled = False

    def find(self, path: str) -> Document | None:
        """Return a document that stays as it is, None where it was not read yet."""
        found: Document | None = self._all["documents"].get(_key(path))
        return found

    def keep(self, path: str, document: Document) -> None:
        """Keep a document, if it is one that stays as it is."""
        schema = str(document.get("@odata.type") or "").lstrip("#").partition(".")[0]
        if schema in STAYS:
            names = (*ALWAYS, *STAYS[schema])
            self._all["documents"][_key(path)] = {name: document[name] for name in names if name in document}
            self._is_new = True

    def __getitem__(self, fact: str) -> t.Any:
        """Return something else that was learnt, None for what was not."""
        return self._all.get(fact)

    def __setitem__(self, fact: str, value: t.Any) -> None:
        if self._all.get(fact) != value:
            self._all[fact] = value
            self._is_new = True

    def changed(self) -> None:
        """Say that a fact was changed in its place."""
        self._is_new = True

    def forget(self) -> None:
        """Forget all: it is learnt anew from now on."""
        self._facts = {"of": self._of, "at": time.time(), "documents": {}}
        self._is_new, self.is_recalled = True, False

    @property
    def learnt(self) -> Document | None:
        """What is to be remembered; None where nothing is new."""
        return self._facts if self._is_new else None

    @property
    def _all(self) -> Document:
        if self._facts is None:
            before = dict(self._recall())
            if before.get("of") == self._of and 0 <= time.time() - before.get("at", 0.0) < LASTS:
                self._facts, self.is_recalled = before, True
            else:
                self._facts = {"of": self._of, "at": time.time(), "documents": {}}
        return self._facts


def _key(path: str) -> str:
    return path.rstrip("/")
