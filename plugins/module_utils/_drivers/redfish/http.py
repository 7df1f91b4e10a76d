"""HTTP with a BMC: one connection for all requests, to one origin, within limits of time and size.

No proxy, no ~/.netrc, no cookies, no redirect to another origin: what a BMC is sent goes to that BMC.
"""

# pylint: disable=unused-import

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
import time
import typing as t
from urllib.parse import quote, urljoin, urlsplit

from ..._contract.identity import PORTS
from .answers import Answer, ElsewhereError, MalformedError
from .connection import Connection, Place, UnreachableError
from .trust import make_context

REDIRECTS = 3
AGAIN_AT = frozenset({301, 302, 307, 308})
"""Redirects that mean: the same request, there. Nothing has been done before it."""

PLAIN = re.compile(r"(?:/(?![./])[\w.$~-]+)+/?", re.ASCII)
"""Links that are a path and nothing else, as nearly all are: they lead to where they say."""

SAFE = "!#$%&'()*+,/:;=?@[]~"
"""Characters of a link that are sent as they are."""


class Client:
    """Sends requests to the BMC at ``url``, ``scheme://host[:port]``.

    ``verify``: true, false, a CA file or folder, or ``sha256:`` and the digest of the one certificate that is trusted.
    ``timeout``: seconds for the whole of one request, from the connection to the last byte.
    ``reused``: how many requests were answered on a connection that was kept; ``peer``: see ``Connection``.

    :raises OSError: the CA file can't be read.
    """

    def __init__(self, url: str, verify: bool | str, timeout: float) -> None:
        self.url = url
        self._timeout = timeout
        self._origin = scheme, host, port = _origin(url)
        pin = ""
        if isinstance(verify, str) and verify.startswith("sha256:"):
            pin = verify.removeprefix("sha256:").replace(":", "").lower()
        context = make_context(False if pin else verify) if scheme == "https" else None
        self._place = Place(host, port, context, pin)
        self._connection: Connection | None = None
        self.keeps_alive = True
        self.reused = 0
        self.peer: tuple[str, bytes] | None = None

    def path_of(self, target: str, base: str = "/") -> str:
        """Return path and query of a link.

        :raises ElsewhereError: it is not on this BMC.
        """
        if PLAIN.fullmatch(target):
            return target
        try:
            url = urljoin(f"{self.url}{base}", target)
            parts, origin = urlsplit(url), _origin(url)
        except ValueError as exc:
            raise MalformedError(f"a link that is none: {exc}", tries=1) from exc
        if origin != self._origin:
            raise ElsewhereError(f"it points to {origin[0]}://{origin[1]}:{origin[2]}")
        return quote(parts.path or "/", SAFE) + (f"?{quote(parts.query, SAFE)}" if parts.query else "")

    def request(
        self, method: str, path: str, headers: t.Mapping[str, str], body: bytes | None = None, seconds: float = 0.0
    ) -> Answer:
        """Send a request and return its answer, whatever its status; follow redirects within this BMC.

        :param seconds: limit instead of the usual one.
        :raises UnreachableError: no answer, or not a whole one.
        :raises MalformedError: an answer that is none, too large, or points elsewhere.
        """
        deadline = time.monotonic() + (seconds or self._timeout)
        for dummy in range(REDIRECTS + 1):
            answer = self._exchange(method, path, headers, body, deadline)
            if answer.status_code != 303 and answer.status_code not in AGAIN_AT:
                return answer
            before, path = (method, path), self.path_of(str(answer.headers.get("Location") or ""), path)
            if answer.status_code == 303:
                method, body = "GET", None
            if (method, path) == before:
                raise MalformedError("it redirects to where it is", tries=1)
        raise MalformedError("it redirects again and again", tries=1)

    def _exchange(self, *request: t.Any) -> Answer:
        """Send a request over the connection that was kept, else over a new one; keep it, where the BMC does."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_clear():
            connection.close()
            connection = None
        was_kept = connection is not None
        connection = connection or Connection(self._place, request[-1])
        self.peer = connection.peer
        with contextlib.ExitStack() as opened:
            opened.callback(connection.close)
            try:
                answer = connection.ask(*request, keep=self.keeps_alive)
            except (UnreachableError, MalformedError):
                self.keeps_alive = self.keeps_alive and not was_kept  # some answer one request alone
                raise
            self.reused += was_kept
            if connection.is_kept:
                self._connection = connection
                opened.pop_all()
            return answer

    def close(self) -> None:
        """Close the connection that was kept; another request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL; ValueError for a port that is none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
