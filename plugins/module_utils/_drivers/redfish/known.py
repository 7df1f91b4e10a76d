"""What is known of a service: documents that stay as they are, read once and kept in the store.

So a task asks for what changes, and finds its way to it without asking. What leads to nothing any more is forgotten.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ..memory import Memory

Document = dict[str, t.Any]

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


class Known(Memory):
    """The memory of a service, with its documents."""

    def find(self, path: str) -> Document | None:
        """Return a document that stays as it is, None where it was not read yet."""
        found: Document | None = (self["documents"] or {}).get(_key(path))
        return found

    def keep(self, path: str, document: Document) -> None:
        """Keep a document, if it is one that stays as it is."""
        schema = str(document.get("@odata.type") or "").lstrip("#").partition(".")[0]
        if schema in STAYS:
            names = (*ALWAYS, *STAYS[schema])
            self._all.setdefault("documents", {})[_key(path)] = {
                name: document[name] for name in names if name in document
            }
            self.changed()


def _key(path: str) -> str:
    return path.rstrip("/")
