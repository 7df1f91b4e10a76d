"""The virtual CD drive of a Redfish BMC (VirtualMedia, DSP2046)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import itertools
import typing as t

from ..._errors import BMCConnectionError, BMCError, BMCResponseError, UnsupportedOperationError
from ..._wait import wait_until
from .. import interfaces
from .drive import Drive
from .drives import Drives
from .system import SystemSession
from .writes import Limits, carry_through

MEDIA_TIMEOUT = 120
"""Seconds for a BMC to fetch boot media and report it as inserted."""

INSERT = Limits(attempts=3, wait=3.0, seconds=MEDIA_TIMEOUT, early=False)
EJECT = Limits(attempts=3, wait=3.0, seconds=MEDIA_TIMEOUT)
"""Ironic's measure: a drive may still be busy with what was in it. Media may be reported, and then not be fetched."""

FIRST_LOOK, FIRST_LOOK_LATER = 0.3, 1.0
"""Seconds after which a drive is looked at that has taken media, or given them back; where it said that it will."""


class _OccupiedError(Exception):
    """There is something else in the drive."""


class RedfishVirtualMedia(interfaces.VirtualMediaInterface):
    """Boot media through VirtualMedia of the System or of its Manager.

    Of several drives the one that has something in it is used, else the first that takes it.
    """

    def __init__(self, session: SystemSession) -> None:
        self._session = session
        self._drives = Drives(session)
        self._drive: Drive | None = None

    def check(self) -> None:
        self._drives.check()
        if not self._session.quirk.boots_virtual_cd:
            raise UnsupportedOperationError(
                "This BMC's firmware boots the physical CD drive where it is told to boot from the virtual one.",
                node=self._session.node,
                hint="Update it (an iDRAC: to 6.00 or later); or set bm_boot_interface to ipxe.",
            )

    def get_media(self) -> str | None:
        self._drive = self._drives.best() if self._drive is None else self._drives.read(self._drive.path)
        return self._drives.url_of(self._drive)

    def insert_media(self, url: str) -> None:
        only = self._drives.only(url) if self._drive is None else None
        if only is not None and self._inserts_at_once(only, url):
            return None
        drive = self._drive = self._drives.best()
        if self._drives.url_of(drive) == url:
            return None
        if drive.media is not None:
            self._eject()
        first: BMCError | None = None
        others = (other for other in self._drives.all() if other.path != drive.path)
        for other in itertools.chain([drive], others):
            self._drive = other
            try:
                self._insert(url, lambda: self._look().media is not None, INSERT)
                return self._drives.remember(self._drive, url)
            except (BMCResponseError, UnsupportedOperationError) as exc:
                first = first or exc
                if exc.retryable:  # not a drive for something else
                    break
        raise first or AssertionError("no drive")

    def eject_media(self) -> bool:
        self._drive = self._drives.best()
        if self._drive.media is None:
            return False
        self._eject()
        return True

    def _look(self) -> Drive:
        """Return the chosen drive as it is now."""
        if self._drive is None:
            raise AssertionError("no drive was chosen")
        self._drive = self._drives.read(self._drive.path)
        return self._drive

    def _inserts_at_once(self, drive: Drive, url: str) -> bool:
        """Insert without a look at what is in the only drive; say whether it has that URL in it then."""

        def is_in() -> bool:
            media = self._look().media
            if media not in (None, url):
                raise _OccupiedError
            return media == url

        self._drive = drive
        try:
            self._insert(url, is_in, INSERT)
        except _OccupiedError:
            return False
        if self._drive.media != url:
            return False
        self._drives.remember(self._drive, url)
        return True

    def _insert(self, url: str, is_done: t.Callable[[], bool], limits: Limits) -> None:
        def send() -> None:
            if self._drive is not None:
                self._drive.insert(self._session, url)

        is_taken = carry_through(self._session, f"insert {url}", send, is_done, limits)
        self._await("inserted", FIRST_LOOK if is_taken else FIRST_LOOK_LATER)

    def _eject(self) -> None:
        doing = "eject its virtual media"

        def send() -> None:
            if self._drive is not None:
                self._drive.eject(self._session)

        def ask_again() -> None:
            with contextlib.suppress(BMCConnectionError, BMCResponseError):  # what is in it, tells the next look
                self._session.write(doing, send)

        before = self._drive
        try:
            carry_through(self._session, doing, send, lambda: self._look().media is None, EJECT)
        except BMCResponseError as exc:
            if before is None or not before.contradiction:
                raise
            raise BMCResponseError(
                f"{exc.message} {before.contradiction}.",
                node=exc.node,
                hint="Take the media out in the BMC's own console, or restart the BMC.",
                retryable=exc.retryable,
            ) from exc
        self._await("empty", FIRST_LOOK, ask_again)
        if self._drive is not None:
            self._drives.forget(self._drive)

    def _await(self, wanted: str, first_look: float, ask_again: t.Callable[[], object] | None = None) -> None:
        wait_until(
            lambda: "empty" if self._look().media is None else "inserted",
            wanted,
            what="virtual media",
            node=self._session.node,
            timeout=MEDIA_TIMEOUT,
            first_look=first_look,
            ask_again=ask_again,
        )
