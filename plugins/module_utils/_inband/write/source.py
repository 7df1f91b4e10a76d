"""Fetches over HTTP, HTTPS or from a file; a broken connection is resumed where it broke.

What the server has announced is what must arrive. The ramdisk fetches images by this, the controller all that it reads.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
import re
import ssl
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse

from ..._errors import ImageError, InvalidRequestError
from ..._url import shown
from .web import Opener, Pace

_PIECE = 1024 * 1024
_MAX_PAUSE = 10.0
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PROGRESS = 64 * 1024  # bytes; an attempt that brings less counts as one that brought nothing


@dataclass(frozen=True)
class SourceOptions:
    """How to fetch. ``timeout``: seconds without a byte; ``retries``: attempts in a row that bring nothing.

    ``deadline``: seconds for all; ``least_rate``: bytes a second; ``first``: bytes, where only the beginning is wanted;
    ``what``: what it is, in messages.
    """

    ca_path: str | None = None
    validate_certs: bool = True
    retries: int = 5
    timeout: float = 60
    pause: float = 0.5
    deadline: float | None = None
    least_rate: float = 4096
    first: int = 0
    what: str = "image"


class Source(t.Protocol):
    """An image that is being fetched; ``total`` is known after the first piece, if ever.

    ``location``: where it comes from, after redirects.
    """

    name: str
    location: str
    total: int | None
    fetched: int
    resumed: int

    def chunks(self) -> t.Generator[bytes, None, None]:
        """Yield the content in pieces of at most 1 MiB."""


def open_source(url: str, options: SourceOptions) -> Source:
    """Return the source for a URL; nothing is fetched before its first piece is taken.

    :raises InvalidRequestError: a scheme that is not supported.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme in ("http", "https") and parts.hostname:
        return HttpSource(url, options)
    if parts.scheme == "file" and parts.path:
        return FileSource(urllib.request.url2pathname(parts.path), options.what)
    raise InvalidRequestError(
        f"The URL of the {options.what}, {shown(url)}, can't be fetched.", hint="Use an http, https or file URL."
    )


class FileSource:
    """An image in a file of the node."""

    def __init__(self, path: str, what: str) -> None:
        self.name = self.location = f"file://{path}"
        self._what = what
        self.total: int | None = None
        self.fetched = 0
        self.resumed = 0
        self._path = path

    def chunks(self) -> t.Generator[bytes, None, None]:
        """Yield the content."""
        try:
            with open(self._path, "rb", buffering=0) as handle:
                self.total = handle.seek(0, 2)
                handle.seek(0)
                while piece := handle.read(_PIECE):
                    self.fetched += len(piece)
                    yield piece
        except OSError as exc:
            raise ImageError(
                f"The {self._what} {self.name} can't be read: {exc.strerror}.",
                hint="Is the file there, on the machine that reads it?",
            ) from exc


class HttpSource:
    """A file on a web server. Resumes by Range requests (RFC 9110, sections 13.1.5 and 14)."""

    def __init__(self, url: str, options: SourceOptions) -> None:
        self.total: int | None = None
        self.fetched = 0
        self.resumed = 0
        self.name = shown(url)
        self.location = self._url = url
        self._options = options
        self._subject = f"The {options.what} {self.name}"
        self._response: HTTPResponse | None = None
        self._end: int | None = None  # where the answer that is being read must end
        self._validator = ""
        self._failures = self._reached = 0
        pace = Pace(self._subject, options.timeout, options.least_rate, options.deadline)
        self._opener = Opener(pace, ca_path=options.ca_path, validate_certs=options.validate_certs)

    def chunks(self) -> t.Generator[bytes, None, None]:
        """Yield the content.

        :raises ImageError: refused by the server, changed meanwhile, or the connection breaks again and again.
        """
        try:
            while piece := self._read():
                self.fetched += len(piece)
                yield piece
        finally:
            self._drop()

    def _read(self) -> bytes:
        """Return the next piece, over a new connection if need be; empty at the end."""
        while True:
            try:
                if self._response is None:
                    self._response = self._connect()
                piece = self._response.read(min(_PIECE, self._left()))
            except urllib.error.HTTPError as exc:
                cause = self._judge_status(exc)
            except (OSError, HTTPException, ValueError) as exc:
                cause = self._judge_failure(exc)
            else:
                if piece or self._end is None or not self._left():
                    return piece
                cause = f"the connection ended after {self.fetched} of {self._end} bytes"
            self._drop()
            self._pause_or_give_up(cause)

    def _left(self) -> int:
        """Return how many bytes are still to come, as far as that is known."""
        ends = [end for end in (self._end, self._options.first or None) if end is not None]
        return max(0, min(ends) - self.fetched) if ends else _PIECE

    def _pause_or_give_up(self, cause: str) -> None:
        self._failures = 1 if self.fetched - self._reached >= _PROGRESS else self._failures + 1
        self._reached = self.fetched
        if self._failures > self._options.retries:
            raise ImageError(
                f"{self._subject} could not be fetched in {self._failures} attempts ({self.fetched} of "
                f"{self._end if self._end is not None else 'an unknown number of'} bytes): {cause}.",
                hint="Check that the server is reachable from the machine that fetches, and that the file is whole.",
                retryable=True,
            )
        _pause(self._options.pause, self._failures)

    def _connect(self) -> HTTPResponse:
        headers = {}
        if self.fetched or self._options.first:
            headers["Range"] = f"bytes={self.fetched}-{self._options.first - 1 if self._options.first else ''}"
        if self.fetched and self._validator:
            headers["If-Range"] = self._validator
        response = self._opener.open(self._url, headers)
        if response.status == HTTPStatus.PARTIAL_CONTENT and headers:
            self._check_part(response)
        elif self.fetched:
            raise self._not_resumed(response)
        elif response.status == HTTPStatus.OK:
            self.total = self._end = self._announced(response)
        else:
            response.close()
            raise self._refused(f"HTTP {response.status} {str(response.reason)[:200]}")
        if not self.fetched:
            self.location = response.geturl()
            etag = response.headers.get("ETag", "")
            # A weak ETag does not promise the same bytes (RFC 9110, section 8.8.1).
            self._validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
        return response

    def _announced(self, response: HTTPResponse) -> int | None:
        """Return the length that the server has announced; None where it announces none."""
        lengths = set(response.headers.get_all("Content-Length", []))
        if not lengths or response.headers.get("Transfer-Encoding"):
            return None
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdigit()):
            response.close()
            raise self._refused("its Content-Length is no number")
        return int(length)

    def _check_part(self, response: HTTPResponse) -> None:
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        length = self._announced(response)
        if found is None or int(found[1]) != self.fetched or length not in (None, int(found[2]) + 1 - self.fetched):
            raise self._not_resumed(response)
        if self.fetched and not self._options.first and found[3] not in ("*", str(self.total)):
            raise self._not_resumed(response)
        if self.fetched:
            self.resumed += 1
        elif found[3] != "*":
            self.total = int(found[3])
        self._end = self.total if self.total is not None else int(found[2]) + 1

    def _not_resumed(self, response: HTTPResponse) -> ImageError:
        response.close()
        return ImageError(
            f"The connection to {self.name} broke after {self.fetched} bytes and could not be resumed: "
            f"the server answered {response.status} to a Range request."
            if self.fetched
            else f"{self._subject} can't be fetched: the server announces another part of it than was asked for.",
            hint="Either the file changed meanwhile, or the server lacks Range support: run again, use another server.",
            retryable=True,
        )

    def _judge_status(self, exc: urllib.error.HTTPError) -> str:
        """Return the cause in words if another attempt makes sense, else raise."""
        exc.close()
        if exc.code in _RETRIED:
            return f"HTTP {exc.code} {str(exc.reason)[:200]}"
        if exc.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise ImageError(
                f"{self._subject} is truncated: the server promised {self.total} bytes and has {self.fetched}."
                if self.fetched
                else f"{self._subject} is empty.",
                hint="Publish it again.",
            ) from exc
        raise self._refused(" ".join(f"HTTP {exc.code} {str(exc.reason)[:200]}".split())) from exc

    def _refused(self, why: str) -> ImageError:
        return ImageError(
            f"The server refused the {self._options.what} {self.name}: {why}.",
            hint="Check its URL, whether the file is there, and what the server allows.",
        )

    def _judge_failure(self, exc: Exception) -> str:
        """Return the cause in words if another attempt makes sense, else raise."""
        reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ImageError(
                f"The certificate of {self.name} is not trusted: {reason.verify_message}.",
                hint="Give the CA that signed it as ca_path, or set the clock right where it is fetched.",
            ) from exc
        return f"{type(reason).__name__}: {reason}"

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def _pause(base: float, attempt: int) -> None:
    # Jitter: a thousand nodes must not come back to a restarted server in the same moment.
    time.sleep(min(base * 2.0 ** (attempt - 1), _MAX_PAUSE) * random.uniform(0.5, 1.0))
