"""Who we are to a BMC: sessions that are always deleted, else basic authentication (DSP0266, 13.3).

Credentials that were refused are not sent again by the same driver, in whatever way, since accounts lock out.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import time
import typing as t
from urllib.parse import urljoin, urlsplit

from ..._contract.node import BMC
from ..._errors import BareMetalError, BMCAuthenticationError, BMCResponseError
from . import sessions
from .answers import Answer, MalformedError
from .connection import UnreachableError

SESSIONS = "/redfish/v1/SessionService/Sessions"
"""Where sessions are, unless the service root says something else."""

NO_SESSIONS = frozenset({404, 405, 501})
"""Answers to a log-in that mean that the service has no sessions, though its root may name them."""

BASIC_WANTED = ("basic authentication", "ServiceDisabled")
"""... and words of a refusal that mean that sessions are switched off."""

SESSION_LIMIT = ("SessionLimitExceeded", "CreateLimitReachedForResource", "RAC0218", "maximum number of user sessions")
"""... and of one that has no session left, by MessageId or in words: basic authentication needs none."""

CREDENTIALS = ("unauthor", "credential", "password", "user name", "username", "access denied", "accessdenied", "log in")
"""Words of a 400 that mean that the credentials are wrong: iLO answers so."""

TRIES, PAUSE, SECONDS = 4, 1.0, 30.0
"""How often a busy BMC is asked for a session, at which distance, and the limit for what it asks for itself."""

LOG_OUT_TRIES, LOG_OUT_SECONDS = 3, 10.0
"""The same for the end of a session; it never fails the work that is done."""

Exchange = t.Callable[..., Answer]
"""Sends a request as it is: ``(method, path, headers, data, seconds=)``."""


class Login:
    """The log-in of one driver to one BMC. ``headers`` is what each request carries, empty before it."""

    def __init__(self, bmc: BMC, url: str, node: str) -> None:
        self._bmc = bmc
        self._url = url
        self._node = node
        self._place: str | None = SESSIONS
        self._sessions: list[tuple[str, str]] = []
        self._refusal: BareMetalError | None = None
        self._instead_of = ""
        self._key = sessions.key_of(url, bmc.username, bmc.password)
        self.headers: dict[str, str] = {}

    def learn(self, root: t.Mapping[str, t.Any]) -> None:
        """Take from the service root where sessions are, if there are any."""
        links, service = root.get("Links"), root.get("SessionService")
        found = links.get("Sessions") if isinstance(links, dict) else None
        if isinstance(found, dict) and found.get("@odata.id"):
            self._place = urlsplit(str(found["@odata.id"])).path
        elif "SessionService" not in root:
            self._place = None
        elif isinstance(service, dict) and service.get("@odata.id"):
            self._place = f"{urlsplit(str(service['@odata.id'])).path.rstrip('/')}/Sessions"

    @property
    def is_left(self) -> bool:
        """Whether a session of a task before stays for this node."""
        shared = sessions.find(self._key)
        return shared is not None and self._node in shared.nodes

    def check(self) -> None:
        """Raise the refusal again, if there was one."""
        if self._refusal is not None:
            raise self._refusal

    def open(self, exchange: Exchange) -> None:
        """Log in, with a session where there are some: that of the task before, if there is one.

        :raises BMCAuthenticationError: the credentials are refused.
        :raises BMCResponseError: it has no session for us.
        :raises UnreachableError, MalformedError: see ``Client.request``.
        """
        self.check()
        shared = sessions.find(self._key) if not self.headers else None
        self._drop_shared()
        self.headers = {}
        if shared is not None:
            self.headers = {"X-Auth-Token": shared.token}
            self._sessions.append((shared.place, shared.token))
            return
        answer = self._ask(exchange) if self._place is not None else None
        if answer is not None and answer.status_code < 400:
            self._use_session(answer)
        elif answer is None or answer.status_code in NO_SESSIONS:
            self._use_basic("")
        elif answer.mentions(*SESSION_LIMIT):
            self._use_basic(f"it has no session left ({self._words(answer)})")
        elif answer.status_code in (400, 401, 403) and answer.mentions(*CREDENTIALS):
            raise self.refuse(answer)
        elif answer.mentions(*BASIC_WANTED):
            self._use_basic("")
        elif answer.status_code in (401, 403):
            raise self.refuse(answer)
        else:
            error = BMCResponseError(
                f"The BMC {self._url} could not log in: HTTP {answer.status_code}: {self._words(answer)}",
                node=self._node,
                hint="See the BMC's own log; close sessions that nobody needs.",
                retryable=answer.is_busy,
            )
            self._refusal = None if answer.is_busy else error
            raise error

    def refuse(self, answer: Answer) -> BareMetalError:
        """Return the error for credentials that were refused; they are not sent again."""
        failed = f"The BMC {self._url} could not log in"
        self._refusal = (
            BMCResponseError(
                f"{failed}: {self._instead_of}, and it refuses basic authentication.",
                node=self._node,
                hint="Close sessions that nobody needs, or wait until they end.",
                retryable=True,
            )
            if self._instead_of
            else BMCAuthenticationError(
                f"{failed}: it refused the credentials: {self._words(answer)}",
                node=self._node,
                hint="Correct bm_bmc.username and bm_bmc.password; they are not tried again, since accounts lock out.",
            )
        )
        return self._refusal

    def close(self, exchange: Exchange, *, keep: bool) -> None:
        """Delete all sessions that were made, each in its own name. Never raises.

        :param keep: leave the last one to the next task of this node.
        """
        shared = sessions.find(self._key) if not self._sessions and not keep and self.is_left else None
        if shared is not None:
            self._sessions.append((shared.place, shared.token))  # of a task before, that no other one goes on with
        for place, token in reversed(self._sessions):
            session = sessions.Shared(self._url, self._bmc.verify, place, token, [])
            if keep and sessions.keep(self._key, session, self._node):
                keep = False
            elif sessions.drop(self._key, token, self._node):
                self._delete(exchange, place, token)
        self._sessions.clear()
        self.headers = {}

    def _drop_shared(self) -> None:
        """Forget the session of the task before, where the BMC has ended it."""
        token = self.headers.get("X-Auth-Token")
        if token:
            sessions.forget(self._key, token)

    def _delete(self, exchange: Exchange, place: str, token: str) -> None:
        seconds = min(LOG_OUT_SECONDS, self._bmc.timeout)
        for number in range(LOG_OUT_TRIES):
            time.sleep(PAUSE / 2 * number)
            try:
                if not exchange("DELETE", place, {"X-Auth-Token": token}, None, seconds=seconds).is_busy:
                    return
            except UnreachableError as exc:
                if exc.kind != "connection":
                    return
            except ValueError:  # MalformedError, or a place that is none
                continue

    def _ask(self, exchange: Exchange) -> Answer:
        """Ask for a session until the BMC has time. A lost answer may leave one behind: nobody can tell which."""
        data = {"UserName": self._bmc.username, "Password": self._bmc.password}
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                answer = exchange("POST", self._place, {}, data)
            except UnreachableError as exc:
                if exc.kind != "connection" or tries >= exc.tries:
                    raise
                pause: float | None = None
            else:
                if not answer.is_busy or answer.mentions(*SESSION_LIMIT):
                    return answer
                pause = answer.retry_after
                late = time.monotonic() + (pause or 0.0) - started > SECONDS
                if late or (pause is None and tries >= TRIES):
                    return answer
            time.sleep(max(pause or 0.0, PAUSE))

    def _words(self, answer: Answer) -> str:
        """Return what the BMC says; some quote what they were given."""
        words = answer.words()
        return words.replace(self._bmc.password, "***") if self._bmc.password else words

    def _use_session(self, answer: Answer) -> None:
        token = answer.headers.get("X-Auth-Token")
        if not token:
            raise MalformedError("a session without X-Auth-Token", tries=1)
        self.headers = {"X-Auth-Token": token}
        place = str(answer.headers.get("Location") or "")
        with contextlib.suppress(ValueError):
            if not place:
                body = answer.document()
                place = str(body.get("@odata.id") or body.get("Id") or "")
            # Only its path: some name themselves otherwise than they are reached.
            path = urlsplit(urljoin(f"http://bmc{self._place}/", place)).path
            self._sessions.append((f"/{path.lstrip('/')}", token))

    def _use_basic(self, instead_of: str) -> None:
        self._instead_of = instead_of
        pair = f"{self._bmc.username or ''}:{self._bmc.password or ''}".encode()
        self.headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
