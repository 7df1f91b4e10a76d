"""The virtual CD drive of a Redfish BMC (VirtualMedia, DSP2046)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t

from ..._errors import BMCConnectionError, BMCError, BMCResponseError, UnsupportedOperationError
from ..._wait import wait_until
from .. import base
from .quirks import quirk_of
from .session import Session, value_of
from .writes import Limits, carry_through

MEDIA_TIMEOUT = 120
"""Seconds for a BMC to fetch boot media and report it as inserted."""

INSERT = Limits(attempts=3, wait=3.0, seconds=MEDIA_TIMEOUT, early=False)
EJECT = Limits(attempts=3, wait=3.0, seconds=MEDIA_TIMEOUT)
"""Ironic's measure: a drive may still be busy with what was in it. Media may be reported, and then not be fetched."""


class RedfishVirtualMedia(base.VirtualMediaInterface):
    """Boot media through VirtualMedia of the System or of its Manager.

    Of several drives the one that has something in it is used, else the first that takes it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._slots: list[t.Any] = []
        self._slot: t.Any = None

    def get_media(self) -> str | None:
        if self._slot is None:
            self._slots = self._find_slots()  # which have just been read
            self._slot = next((slot for slot in self._slots if _media_of(slot)), self._slots[0])
        else:
            with self._session.translated("read its virtual media"):
                self._slot.refresh(force=True)
        return _media_of(self._slot)

    def insert_media(self, url: str) -> None:
        media = self.get_media()
        if media == url:
            return None
        if media is not None:
            self._eject()
        first: BMCError | None = None
        for slot in [self._slot, *(slot for slot in self._slots if slot is not self._slot)]:
            self._slot = slot
            try:
                return self._insert(url)
            except (BMCResponseError, UnsupportedOperationError) as exc:
                first = first or exc
                if exc.retryable:  # not a drive for something else
                    break
        raise first or AssertionError("no drive")

    def eject_media(self) -> bool:
        if self.get_media() is None:
            return False
        self._eject()
        return True

    def _insert(self, url: str) -> None:
        carry_through(
            self._session,
            f"insert {url}",
            lambda: self._slot.insert_media(url),
            lambda: self.get_media() is not None,
            INSERT,
        )
        self._await("inserted")

    def _eject(self) -> None:
        doing = "eject its virtual media"

        def ask_again() -> None:
            with contextlib.suppress(BMCConnectionError, BMCResponseError):  # what is in it, tells the next look
                self._session.write(doing, self._slot.eject_media)

        carry_through(self._session, doing, lambda: self._slot.eject_media(), lambda: self.get_media() is None, EJECT)  # pylint: disable=unnecessary-lambda
        self._await("empty", ask_again)

    def _await(self, wanted: str, ask_again: t.Callable[[], object] | None = None) -> None:
        wait_until(
            lambda: "empty" if self.get_media() is None else "inserted",
            wanted,
            what="virtual media",
            node=self._session.node,
            timeout=MEDIA_TIMEOUT,
            ask_again=ask_again,
        )

    def _find_slots(self) -> list[t.Any]:
        with self._session.translated("list its virtual media"):
            slots = list({slot.path: slot for slot in self._list_slots()}.values())
        if not slots:
            raise UnsupportedOperationError(
                "The BMC has no virtual CD drive.",
                node=self._session.node,
                hint="Check its licence and that virtual media are enabled.",
            )
        return slots

    def _list_slots(self) -> t.Iterator[t.Any]:
        """Yield the drives that take boot media, the best first; newer services have them below the System."""
        system = self._session.system()
        members = system.virtual_media.get_members() if "VirtualMedia" in system.json else ()
        if not members:
            members = [slot for manager in self._session.managers() for slot in manager.virtual_media.get_members()]
        for wanted in quirk_of(system.manufacturer).media_types:
            yield from (slot for slot in members if wanted in map(value_of, slot.media_types))


def _media_of(slot: t.Any) -> str | None:
    """Return what is in a drive; some leave Inserted null and tell only how it is connected."""
    inserted = slot.inserted
    if inserted is None:
        inserted = slot.image and slot.json.get("ConnectedVia") not in (None, "NotConnected")
    return (slot.image or "unknown") if inserted else None
