"""The virtual drives of a Redfish BMC: where they are, and which of them take boot media."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from ..._errors import BMCResponseError, UnsupportedOperationError
from . import iso_config
from .drive import INSERT, Drive
from .known import Document
from .system import SystemSession


class Drives:
    """The drives of one System that take boot media. Each is read when it is needed; what stays as it is, is known."""

    def __init__(self, session: SystemSession) -> None:
        self._session = session
        self._unreadable: BMCResponseError | None = None
        self._why: list[str] = []
        self._collections: list[str] = []

    @property
    def _known(self) -> Document:
        """What is known of them: those that take media, by path, with their actions; and those not read yet."""
        known = self._session.known
        if known["drives"] is None:
            known["drives"] = {"takes": {}, "unread": self._list(), "why": self._why}
        return t.cast("Document", known["drives"])

    def read(self, path: str) -> Drive:
        """Return a drive as it is now."""
        if iso_config.is_place(path):
            return iso_config.read(self._session, path, self._known["takes"].get(path))
        document = self._session.read("read its virtual media", path)
        by_change = self._session.allows(path, "PATCH") or not document.get("Actions")
        return Drive(path, document, by_change=by_change and not self._session.quirk.iso_config)

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
            is_needed = not (iso_config.is_place(known["unread"][0]) and (known["takes"] or second))
            drive = self._read_new(known["unread"][0]) if is_needed else None
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
                break
        own = [iso_config.place_in(path) for path in self._collections if self._session.quirk.iso_config]
        return sorted(dict.fromkeys([*paths, *own]), key=lambda path: not self._is_preferred(path))

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
        self._collections.append(str(path))
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
            if iso_config.is_place(path):  # it was not listed, so that it need not be there
                self._known["why"] = [*self._known.get("why", ()), exc.message.rstrip(".")]
            else:
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
