"""One HTTP request, by the rules of all fetches: the ramdisk's of an image, the controller's of whatever it reads.

A password goes to the origin it was given for and to no other; a redirect leads from https to https only; what comes
too slowly ends, however steadily it drips.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import functools
import io
import ssl
import string
import time
import typing as t
import urllib.parse
import urllib.request
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection

from ..._errors import ImageError, InvalidRequestError

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Pace:
    """How fast bytes must come. Only the time of waiting for the server counts, not what the reader does in between.

    :param subject: what is fetched, for messages.
    :param timeout: seconds without a byte.
    :param least_rate: bytes a second, over each span of waiting that is as long as ``timeout``.
    :param deadline: seconds for all; None sets no limit.
    """

    def __init__(self, subject: str, timeout: float, least_rate: float, deadline: float | None) -> None:
        self._subject = subject
        self._timeout = timeout
        self._least_rate = least_rate
        self._deadline = deadline
        self._ends = None if deadline is None else time.monotonic() + deadline
        self._bytes = self._span_bytes = 0
        self._span = 0.0

    def limit(self) -> float:
        """Return for how many seconds the next byte may be waited for.

        :raises ImageError: the time is up.
        """
        if self._ends is None:
            return self._timeout
        left = self._ends - time.monotonic()
        if left <= 0:
            raise self._too_slow(self._bytes, self._deadline or 0)
        return min(left, self._timeout)

    def count(self, size: int, seconds: float) -> None:
        """Take in that ``size`` bytes came after ``seconds``.

        :raises ImageError: that was too slow.
        """
        self._bytes += size
        self._span_bytes += size
        self._span += seconds
        if self._span >= self._timeout:
            if self._span_bytes < self._least_rate * self._span:
                raise self._too_slow(self._span_bytes, self._span)
            self._span, self._span_bytes = 0.0, 0

    def _too_slow(self, size: int, seconds: float) -> ImageError:
        return ImageError(
            f"{self._subject} comes too slowly: {size} bytes in {seconds:.0f} s.",
            hint="Look at the server and the network between, or publish it nearer.",
            retryable=True,
        )


class _PacedStream(io.RawIOBase):
    """A socket's stream, each read of which is bounded."""

    def __init__(self, raw: t.Any, sock: t.Any, pace: Pace) -> None:
        super().__init__()
        self._raw, self._sock, self._pace = raw, sock, pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int | None:
        began = time.monotonic()
        self._sock.settimeout(self._pace.limit())
        size: int | None = self._raw.readinto(buffer)
        self._pace.count(size or 0, time.monotonic() - began)
        return size

    def readall(self) -> bytes:
        """Refuse what has no end: http.client asks for all where a size in the answer is negative."""
        raise HTTPException("a size that is none")

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedResponse(HTTPResponse):
    def __init__(self, sock: t.Any, *args: t.Any, pace: Pace, **options: t.Any) -> None:
        super().__init__(sock, *args, **options)
        # From here on all is read through this: status line, headers, chunk sizes, content.
        self.fp = io.BufferedReader(_PacedStream(self.fp.detach(), sock, pace))


def _connection(kind: type[HTTPConnection], pace: Pace, *args: t.Any, **options: t.Any) -> HTTPConnection:
    connection = kind(*args, **options)
    connection.response_class = t.cast("type[HTTPResponse]", functools.partial(_PacedResponse, pace=pace))
    return connection


class _Handler(urllib.request.AbstractHTTPHandler):
    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def __init__(self, pace: Pace, ca_path: str | None, validate_certs: bool) -> None:
        super().__init__()
        self._pace, self._validate_certs = pace, validate_certs
        # Reading the system's CAs takes longer than an answer: only where one is needed. A file that is none is told.
        self._context = _build_context(ca_path, validate_certs) if ca_path else None

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(functools.partial(_connection, HTTPConnection, self._pace), req)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        connect = functools.partial(_connection, HTTPSConnection, self._pace)
        self._context = self._context or _build_context(None, self._validate_certs)
        return self.do_open(connect, req, context=self._context)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows at most ten redirects, from https to https only; the account is for its own origin."""

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302  # Python 3.9 does not know it

    def redirect_request(
        self, req: urllib.request.Request, fp: t.Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        fp.close()  # else all of its body would be read, however long
        parts = urllib.parse.urlsplit(newurl)
        if parts.scheme not in _DEFAULT_PORTS or (req.type == "https" and parts.scheme != "https"):
            raise ImageError(
                f"{req.full_url} redirects from {req.type} to {parts.scheme or 'nowhere'}, which is not followed.",
                hint="Give the URL that it leads to, if that is to be trusted.",
            )
        clean, authorization = split_credentials(newurl)
        new = super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, clean)
        if new is not None and not authorization and _origin(clean) == _origin(req.full_url):
            authorization = req.get_header("Authorization") or ""
        if new is not None and authorization:
            new.add_unredirected_header("Authorization", authorization)
        return new


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)


class Opener:
    """Opens URLs of http and https, and nothing else, wherever a redirect leads."""

    def __init__(self, pace: Pace, *, ca_path: str | None, validate_certs: bool) -> None:
        self._pace = pace
        self._director = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(),
            _Handler(pace, ca_path, validate_certs),
        ):
            self._director.add_handler(handler)

    def open(self, url: str, headers: t.Mapping[str, str]) -> HTTPResponse:
        """Send a GET; return the answer, whose status is of the 200s.

        :raises ImageError: too slow, or redirected to where it must not be.
        :raises OSError, HTTPException, ValueError: as of urllib.
        """
        clean, authorization = split_credentials(url)
        # What is not ASCII is encoded; what is encoded already stays so.
        request = urllib.request.Request(
            urllib.parse.quote(clean, safe=string.punctuation),
            headers={"User-Agent": "baremetal.lifecycle", "Accept-Encoding": "identity", **headers},
        )
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        return t.cast(HTTPResponse, self._director.open(request, timeout=self._pace.limit()))


def split_credentials(url: str) -> tuple[str, str]:
    """Return the URL without ``user:password@``, and the header that says the same (RFC 7617)."""
    parts = urllib.parse.urlsplit(url)
    userinfo, separator, host = parts.netloc.rpartition("@")
    if not separator:
        return url, ""
    token = base64.b64encode(urllib.parse.unquote(userinfo).encode()).decode("ascii")
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), f"Basic {token}"


def _build_context(ca_path: str | None, validate_certs: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_path)
    except OSError as exc:
        raise InvalidRequestError(
            f"The CA file {ca_path} can't be used: {exc}.", hint="Give a PEM file that is where this is fetched."
        ) from exc
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
