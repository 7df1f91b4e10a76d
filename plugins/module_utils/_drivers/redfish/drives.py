"""The virtual drives of a Redfish BMC: which of them take boot media, what is in them, and what they want to be told.

DSP2046, VirtualMedia: MediaTypes, Inserted, ImageName are optional; InsertMedia and EjectMedia are actions, or PATCH.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import re
import typing as t
from urllib.parse import urlsplit

from ..._errors import BMCResponseError, UnsupportedOperationError
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


class Drives:
    """The drives of one System that take boot media. Each is read when it is needed; what stays as it is, is known."""

    def __init__(self, session: SystemSession) -> None:
        self._session = session
        self._unreadable: BMCResponseError | None = None
        self._why: list[str] = []

    @property
    def _known(self) -> Document:
        """What is known of them: those that take media, by path, with their actions; and those not read yet."""
        known = self._session.known
        if known["drives"] is None:
            known["drives"] = {"takes": {}, "unread": self._list(), "why": self._why}
        return t.cast("Document", known["drives"])

    def read(self, path: str) -> Drive:
        """Return a drive as it is now."""
        document = self._session.read("read its virtual media", path)
        return Drive(path, document, by_change=self._session.allows(path, "PATCH") or not document.get("Actions"))

    def only(self, url: str) -> Drive | None:
        """Return the drive, without what is in it, where it is known to be the only one, and not to have ``url``."""
        known, last = self._session.known["drives"] or {}, self._session.known["media"] or {}
        takes, tells_urls = known.get("takes") or {}, last.get("told") == last.get("url") != url
        if len(takes) != 1 or known["unread"] or not tells_urls:
            return None
        path, actions = next(iter(takes.items()))
        return Drive(path, {"Actions": actions}, by_change=False) if actions.get(INSERT) else None

    def best(self) -> Drive:
        """Return the drive to use, as it is now: the one that has something in it, else the first.

        :raises UnsupportedOperationError: there is none.
        """
        first: Drive | None = None
        for drive in self.all():
            if drive.media is not None:
                return drive
            first = first or drive
            if self._is_preferred(drive.path):
                break
        if first is None:
            raise self._none()
        return first

    def all(self) -> t.Iterator[Drive]:
        """Yield the drives that take media, as they are now: where media were last, then the best.

        Each is read when it is asked for: some BMCs have ten.
        """
        known, last = self._known, (self._session.known["media"] or {}).get("path")
        for path in sorted(known["takes"], key=lambda path: path != last):
            yield self.read(path)
        second: list[Drive] = []
        while known["unread"]:
            drive = self._read_new(known["unread"][0])
            del known["unread"][0]
            self._session.known.changed()
            if drive is None:
                continue
            if not drive.takes_media:
                known["why"] = [*known.get("why", ()), drive.lacks]
                continue
            if drive.types and self._session.quirk.media_types[0] not in drive.types:
                second.append(drive)
                continue
            yield self._learn(drive)
        for drive in second:
            yield self._learn(drive)
        if self._unreadable is not None and not known["takes"]:
            raise self._unreadable

    def check(self) -> None:
        """Check that there is one; nothing is asked where that is known.

        :raises UnsupportedOperationError: there is none.
        """
        if not self._known["takes"] and next(self.all(), None) is None:
            raise self._none()

    def remember(self, drive: Drive, url: str) -> None:
        """Remember under which name the BMC tells a URL that it was given."""
        self._session.known["media"] = {"path": drive.path, "url": url, "told": drive.media}

    def forget(self, drive: Drive) -> None:
        """Remember that nothing is in a drive any more."""
        self._session.known["media"] = {"path": drive.path, "url": None, "told": None}

    def url_of(self, drive: Drive) -> str | None:
        """Return what is in a drive, by the URL that it was given, if it is still that."""
        known = self._session.known["media"] or {}
        is_same = drive.media is not None and (known.get("path"), known.get("told")) == (drive.path, drive.media)
        return str(known["url"]) if is_same else drive.media

    def _list(self) -> list[str]:
        """Return the paths of all drives, those first whose names the quirks prefer.

        Newer services have them below the System; where there are none, they are below its Manager.
        """
        places: tuple[t.Callable[[], list[t.Any]], ...] = (lambda: [self._session.system()], self._managers)
        for resources in places:
            paths = [path for resource in resources() for path in self._members(resource)]
            if paths:
                return sorted(dict.fromkeys(paths), key=lambda path: not self._is_preferred(path))
        return []

    def _managers(self) -> list[t.Any]:
        try:
            found = self._session.read_managers("list its virtual media")
        except BMCResponseError as exc:
            if exc.retryable:
                raise
            self._why.append(exc.message.rstrip("."))
            return []
        if not found:
            self._why.append("it names no Manager")
        return found

    def _members(self, resource: t.Any) -> list[str]:
        """Return the paths of the drives below a System or Manager; where there are none, note why."""
        link = resource.json.get("VirtualMedia")
        path = link.get("@odata.id") if isinstance(link, dict) else None
        if not path:
            self._why.append(f"{resource.path} names no VirtualMedia")
            return []
        try:
            members = self._session.read("list its virtual media", str(path)).get("Members")
        except BMCResponseError as exc:  # a link that leads nowhere
            self._why.append(exc.message.rstrip("."))
            return []
        if not members:
            self._why.append(f"{path} has no members")
        return [str(item["@odata.id"]) for item in members or () if isinstance(item, dict) and item.get("@odata.id")]

    def _read_new(self, path: str) -> Drive | None:
        """Return a drive; None for one that can't be read, since there may be others."""
        try:
            return self.read(path)
        except BMCResponseError as exc:
            if exc.retryable:
                raise
            self._unreadable = self._unreadable or exc
            return None

    def _learn(self, drive: Drive) -> Drive:
        self._known["takes"][drive.path] = drive.document.get("Actions") or {}
        return drive

    def _is_preferred(self, path: str) -> bool:
        name = path.rstrip("/").rpartition("/")[2]
        return any(re.fullmatch(pattern, name) for pattern in self._session.quirk.media_slots)

    def _none(self) -> UnsupportedOperationError:
        why = "; ".join(self._known.get("why") or ())
        return UnsupportedOperationError(
            f"The BMC has no virtual CD drive that can be given a URL{f': {why}' if why else ''}.",
            node=self._session.node,
            hint="Switch virtual media on in the BMC, if it has them; or set bm_boot_interface to ipxe or http.",
        )
