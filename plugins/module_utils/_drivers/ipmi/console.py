"""Serial over LAN (IPMI 2.0, section 15): what the machine says on its console, for as long as one listens."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
import typing as t

from .. import interfaces
from . import lan
from .session import Session

AGAIN_SECONDS = 10.0
"""After the end of a console, before it is opened again: BMCs restart, and let one in only."""

SEVERAL = threading.Lock()
"""Held by who runs pyghmi's event loop: it is one for the process."""


class IPMIConsole(interfaces.ConsoleInterface):
    """The console of one machine, in a session of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._take: t.Callable[[bytes], None] = lambda data: None
        self._lan: lan.LanSession | None = None
        self._console: t.Any = None
        self._outcome: lan.Outcome = {}
        self._due = float("inf")
        self._told = ""

    def listen(self, take: t.Callable[[bytes], None]) -> None:
        self._take, self._due = take, 0.0

    def attend(self) -> None:
        with SEVERAL:
            try:
                self._attend()
            except (lan.IpmiException, OSError, *lan.MALFORMED) as exc:
                self._end(str(exc) or type(exc).__name__)

    @classmethod
    def turn(cls, seconds: float) -> None:
        with SEVERAL:
            lan.turn(seconds)

    def close(self) -> None:
        with SEVERAL:
            self._end()
        self._due = float("inf")

    def _attend(self) -> None:
        if self._lan is None:
            if time.monotonic() >= self._due:
                self._outcome = {}
                self._due = time.monotonic() + self._session.timeout
                self._lan = self._session.begin(self._outcome)
        elif self._outcome.get("error"):
            refused = self._session.is_refusal(str(self._outcome["error"]))
            self._end(str(self._outcome["error"]))
            self._due = float("inf") if refused else self._due
        elif self._outcome and self._console is None:
            self._console = lan.console_of(self._session.credentials, self._lan, self._heard)
        elif not self._outcome and time.monotonic() >= self._due:
            self._end("nobody answers")

    def _heard(self, said: bytes | dict[str, t.Any]) -> None:
        if isinstance(said, bytes):
            self._take(said)
        elif said.get("error"):
            self._outcome["error"] = said["error"]

    def _end(self, why: str = "") -> None:
        """End the session, and begin again later; say why, once."""
        session, self._lan, self._console = self._lan, None, None
        if session is not None:
            session.sol_handler = None
            lan.end(session)
        self._due = time.monotonic() + AGAIN_SECONDS
        if why and why != self._told:
            self._told = why
            self._take(f"\n[the console can't be heard: {why}]\n".encode())
