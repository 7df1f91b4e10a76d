"""sushy's connector over our HTTP: who asks, how often, and what was answered to what was written."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import time
import typing as t

try:
    import sushy
    import sushy.connector
except ImportError:  # told by session.py
    SushyConnector: t.Any = object
else:
    SushyConnector = sushy.connector.Connector

from ..base import Counters
from .answers import Answer, MalformedError
from .connection import UnreachableError
from .http import Client
from .known import Known
from .login import Login

TRIES, PAUSE, SECONDS = 4, 1.0, 30.0
"""How often a busy BMC is asked for what is only read, at which distance, and the limit for what it asks for itself."""

HEADERS = {
    "Accept": "application/json, */*",
    "Accept-Encoding": "identity",  # compression changes the ETag of some
    "OData-Version": "4.0",
    "User-Agent": "baremetal.lifecycle",
}


class Connector(SushyConnector):  # type: ignore[misc]
    """Sends what sushy's resources ask for, but for documents that are known.

    ``written``: the answers to what was not only read, the last one last. ``read``: the documents; ``etags``,
    ``allowed``: ETag and Allow of what was read last; by path.
    """

    def __init__(self, client: Client, login: Login, counters: Counters, known: Known) -> None:
        super().__init__(client.url)
        self.client = client
        self._login = login
        self._counters = counters
        self._known = known
        self.written: list[Answer] = []
        self.read: dict[str, dict[str, t.Any]] = {}
        self.etags: dict[str, str] = {}
        self.allowed: dict[str, str] = {}

    # What sushy's Sushy wants of its auth: it is this.

    def set_context(self, root: t.Any, dummy: object) -> None:
        """Learn from the service root."""
        self._login.learn(root.json)

    def authenticate(self) -> None:
        """Log in, unless that was done already."""
        if not self._login.headers:
            self._login.open(self.exchange)

    def close(self) -> None:
        """Keep the session: sushy closes when it is forgotten, whenever that is."""

    def log_out(self, *, keep: bool) -> None:
        """Delete the sessions, but for one that the next task goes on with, and close the connection."""
        self._login.close(self.exchange, keep=keep)
        self.client.close()

    def look(self, target: str) -> Answer:
        """Return the answer to a GET, whatever it is.

        :raises UnreachableError, MalformedError: see ``Client.request``.
        """
        return self._read(self.client.path_of(target), {}, is_sound=lambda dummy: None)

    def _op(
        self,
        method: str,
        path: str = "",
        data: t.Any = None,
        headers: t.Mapping[str, str | None] | None = None,
        **dummy: t.Any,
    ) -> Answer:
        """Do what sushy's own does, without its retries: a write is sent once, what is read is asked for again."""
        target = self.client.path_of(path)
        given = {key: value for key, value in (headers or {}).items() if value is not None}
        if method == "GET":
            known = self._known.find(target)
            if known is not None:
                return Answer(200, {}, json.dumps(known).encode())
            answer = self._read(target, given, is_sound=Answer.document)
            if answer.status_code == 200:
                self._learn(target, answer)
        else:
            answer = self._send(method, target, given, data)
            self.written.append(answer)
        raise_for(method, f"{self.client.url}{target}", answer)
        return answer

    def _read(self, target: str, headers: t.Mapping[str, str], is_sound: t.Callable[[Answer], object]) -> Answer:
        """Ask again while the BMC is busy, out of reach for a moment, or answers what it should not.

        :param is_sound: raises MalformedError for an answer with 200 that is no answer.
        """
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            pause: float | None = None
            try:
                answer = self._send("GET", target, headers)
                if answer.status_code == 200:
                    is_sound(answer)
            except (UnreachableError, MalformedError) as exc:
                if tries >= exc.tries:
                    raise
            else:
                if answer.status_code == 406 and "Accept-Encoding" not in headers:
                    headers = {**headers, "Accept-Encoding": "gzip"}  # HPE's refuse some documents as they are
                    continue
                pause = answer.retry_after
                late = time.monotonic() + (pause or 0.0) - started > SECONDS
                if not answer.is_busy or late or (pause is None and tries >= TRIES):
                    return answer
            time.sleep(max(pause or 0.0, PAUSE))

    def _learn(self, target: str, answer: Answer) -> None:
        document, path = answer.document(), target.rstrip("/")
        self._known.keep(target, document)
        self.read[path] = document
        self.etags[path] = str(answer.headers.get("ETag") or document.get("@odata.etag") or "")
        self.allowed[path] = str(answer.headers.get("Allow") or "")

    def _send(self, method: str, target: str, headers: t.Mapping[str, str], data: t.Any = None) -> Answer:
        """Send a request in our name; in a new session, once, where the BMC has forgotten the old one.

        :raises BMCAuthenticationError: the credentials are refused, now or before.
        """
        self._login.check()
        answer = self.exchange(method, target, {**headers, **self._login.headers}, data)
        if answer.status_code == 401 and "Authorization" not in self._login.headers:
            self._login.open(self.exchange)
            answer = self.exchange(method, target, {**headers, **self._login.headers}, data)
        if answer.status_code == 401:
            raise self._login.refuse(answer)
        return answer

    def exchange(
        self, method: str, target: str, headers: t.Mapping[str, str], data: t.Any = None, seconds: float = 0.0
    ) -> Answer:
        """Send a request as it is."""
        self._counters.bmc_requests += 1
        body = None if data is None else json.dumps(data).encode()
        given = {**HEADERS, **({"Content-Type": "application/json"} if body is not None else {}), **headers}
        answer = self.client.request(method, self.client.path_of(target), given, body, seconds)
        return dataclasses.replace(answer, asked=f"{method} {target}")


def raise_for(method: str, url: str, answer: Answer) -> None:
    """Raise sushy's error for an answer that is one; ``response`` is that answer, as sushy itself expects."""
    sound = answer.with_sound_error()
    try:
        sushy.exceptions.raise_for_response(method, url, sound)
        if method != "GET" and answer.is_refusal:
            raise sushy.exceptions.HTTPError(method, url, sound)
    except sushy.exceptions.HTTPError as exc:
        exc.response = sound
        raise
