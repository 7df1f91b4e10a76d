"""A virtual drive of a Redfish BMC: whether it takes boot media, what is in it, and what it wants to be told.

DSP2046, VirtualMedia: MediaTypes, Inserted, ImageName are optional; InsertMedia and EjectMedia are actions, or PATCH.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import urlsplit

from ..._errors import UnsupportedOperationError
from .known import Document
from .system import SystemSession

INSERT, EJECT = "#VirtualMedia.InsertMedia", "#VirtualMedia.EjectMedia"

CDS = frozenset({"CD", "DVD"})

WANTED: dict[str, t.Callable[[str], t.Any]] = {
    "TransferProtocolType": lambda url: urlsplit(url).scheme.upper(),
    "TransferMethod": lambda dummy: "Stream",
    "Inserted": lambda dummy: True,
    "WriteProtected": lambda dummy: True,
    "UserName": lambda dummy: "none",
    "Password": lambda dummy: "none",
}
"""Parameters of InsertMedia that are told where a BMC asks for them; all are optional, and some refuse what they don't
know: sushy, resources/manager/virtual_media.py."""


@dataclasses.dataclass(frozen=True)
class Drive:
    """A virtual drive as it was read. ``by_change``: whether it is told by PATCH, where it has no actions."""

    path: str
    document: Document
    by_change: bool

    @property
    def media(self) -> str | None:
        """What is in it: the URL or a name, as the BMC tells it; "unknown" where it does not.

        Some leave Inserted behind and tell that nothing is connected; some tell only how it is connected.
        """
        inserted, image, via = (self.document.get(key) for key in ("Inserted", "Image", "ConnectedVia"))
        if via == "NotConnected" and (inserted is None or not image):
            return None
        if inserted is None:
            inserted = bool(image) and via is not None
        return str(image or self.document.get("ImageName") or "unknown") if inserted else None

    @property
    def contradiction(self) -> str:
        """What it tells of media that can't both be; empty where there is nothing of the kind."""
        inserted, via = self.document.get("Inserted"), self.document.get("ConnectedVia")
        if self.media is None or inserted is not True or via != "NotConnected":
            return ""
        return f"{self.path} tells Inserted true, Image {self.document.get('Image')}, and ConnectedVia NotConnected"

    @property
    def types(self) -> list[str]:
        """MediaTypes; empty where the BMC does not tell."""
        return [str(kind) for kind in self.document.get("MediaTypes") or []]

    @property
    def takes_media(self) -> bool:
        """Whether it can be given media by URL; what has no types may be anything."""
        return (not self.types or bool(CDS & {*self.types})) and (bool(self._target(INSERT)) or self.by_change)

    @property
    def lacks(self) -> str:
        """Why it can't be given media by URL."""
        has_type = not self.types or bool(CDS & {*self.types})
        return f"{self.path} {'has no InsertMedia' if has_type else 'takes ' + ', '.join(self.types) + ' alone'}"

    def insert(self, session: SystemSession, url: str) -> None:
        """Tell it what to insert; again with what it asks for, each once."""
        action = self._action(INSERT)
        told: Document = {"Image": url}
        if not action:
            session.change(self.path, {**told, "Inserted": True, "WriteProtected": True})
            return
        if "TransferProtocolType@Redfish.AllowableValues" in action:
            told["TransferProtocolType"] = WANTED["TransferProtocolType"](url)

        def asked_for(words: str) -> Document:
            return {name: value(url) for name, value in WANTED.items() if name in words and name not in told}

        session.act(str(action["target"]), told, asked_for)

    def eject(self, session: SystemSession) -> None:
        """Tell it to give back what is in it; some have that action only then."""
        target = self._target(EJECT)
        if target is None and self.by_change:
            session.change(self.path, {"Image": None, "Inserted": False})
        elif target is None:
            raise UnsupportedOperationError(
                f"The virtual drive {self.path} has media in it, and no way to take them out.",
                node=session.node,
                hint="Take them out in the BMC's own console, or restart the BMC.",
            )
        else:
            session.act(target, {})  # an action without parameters has an empty body: DSP0266, 7.11

    def _action(self, name: str) -> Document:
        actions = self.document.get("Actions")
        action = actions.get(name) if isinstance(actions, dict) else None
        return action if isinstance(action, dict) and action.get("target") else {}

    def _target(self, name: str) -> str | None:
        return self._action(name).get("target")
