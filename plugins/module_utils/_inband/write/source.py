"""Fetches an image over HTTP, HTTPS or from a file; a broken connection is resumed where it broke."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
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

_PIECE = 1024 * 1024
_MAX_PAUSE = 10.0
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class SourceOptions:
    """How to fetch. ``timeout``: seconds without a byte; ``retries``: attempts in a row that bring nothing."""

    ca_path: str | None = None
    validate_certs: bool = True
    retries: int = 5
    timeout: float = 60
    pause: float = 0.5


class Source(t.Protocol):
    """An image that is being fetched; ``total`` is known after the first piece, if ever."""

    name: str
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
        return FileSource(urllib.request.url2pathname(parts.path))
    raise InvalidRequestError(f"The image URL {url!r} can't be fetched.", hint="Use an http, https or file URL.")


class FileSource:
    """An image in a file of the node."""

    def __init__(self, path: str) -> None:
        self.name = f"file://{path}"
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
                f"The image {self.name} can't be read: {exc.strerror}.", hint="Is the file on the node?"
            ) from exc


class HttpSource:
    """An image on a web server. Resumes by Range requests (RFC 9110, sections 13.1.5 and 14)."""

    def __init__(self, url: str, options: SourceOptions) -> None:
        self.total: int | None = None
        self.fetched = 0
        self.resumed = 0
        self._options = options
        self._response: HTTPResponse | None = None
        self._validator = ""
        self._url, self._authorization = _split_credentials(url)
        # Queries may carry signatures: neither they nor a password belong in a log.
        self.name = self._url.partition("?")[0]
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=_build_context(options)))

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
        cause = ""
        for attempt in range(self._options.retries + 1):
            if attempt:
                _pause(self._options.pause, attempt)
            try:
                if self._response is None:
                    self._response = self._connect()
                piece = self._response.read(_PIECE)
            except urllib.error.HTTPError as exc:
                cause = self._judge_status(exc)
            except (OSError, HTTPException) as exc:
                cause = self._judge_failure(exc)
            else:
                if piece or self.total is None or self.fetched >= self.total:
                    return piece
                cause = f"the connection ended after {self.fetched} of {self.total} bytes"
            self._drop()
        raise ImageError(
            f"The image {self.name} could not be fetched in {self._options.retries + 1} attempts "
            f"({self.fetched} of {self.total if self.total is not None else 'an unknown number of'} bytes): {cause}.",
            hint="Check that the server is reachable from the node, and that the file is whole there.",
            retryable=True,
        )

    def _connect(self) -> HTTPResponse:
        headers = {"User-Agent": "baremetal.lifecycle", "Accept-Encoding": "identity"}
        if self.fetched:
            headers["Range"] = f"bytes={self.fetched}-"
            if self._validator:
                headers["If-Range"] = self._validator
        request = urllib.request.Request(self._url, headers=headers)
        if self._authorization:
            request.add_unredirected_header("Authorization", self._authorization)
        response = t.cast(HTTPResponse, self._opener.open(request, timeout=self._options.timeout))
        if self.fetched:
            self._check_resumed(response)
        else:
            self._remember(response)
        return response

    def _remember(self, response: HTTPResponse) -> None:
        length = response.headers.get("Content-Length", "")
        self.total = int(length) if length.isdigit() else None
        etag = response.headers.get("ETag", "")
        # A weak ETag does not promise the same bytes (RFC 9110, section 8.8.1).
        self._validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")

    def _check_resumed(self, response: HTTPResponse) -> None:
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        partial = response.status == HTTPStatus.PARTIAL_CONTENT
        if partial and found and int(found[1]) == self.fetched and found[2] in ("*", str(self.total)):
            self.resumed += 1
            return
        response.close()
        raise ImageError(
            f"The connection to {self.name} broke after {self.fetched} bytes and could not be resumed: "
            f"the server answered {response.status} to a Range request.",
            hint="Either the file changed meanwhile, or the server lacks Range support: run again, use another server.",
            retryable=True,
        )

    def _judge_status(self, exc: urllib.error.HTTPError) -> str:
        """Return the cause in words if another attempt makes sense, else raise."""
        exc.close()
        if exc.code in _RETRIED:
            return f"HTTP {exc.code} {exc.reason}"
        if exc.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise ImageError(
                f"The image {self.name} is truncated: the server promised {self.total} bytes and has {self.fetched}.",
                hint="Publish the image again.",
            ) from exc
        raise ImageError(
            f"The server refused the image {self.name}: HTTP {exc.code} {exc.reason}.",
            hint="Check the URL in bm_image, and what the server allows.",
        ) from exc

    def _judge_failure(self, exc: Exception) -> str:
        """Return the cause in words if another attempt makes sense, else raise."""
        reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ImageError(
                f"The certificate of {self.name} is not trusted: {reason.verify_message}.",
                hint="Give the CA that signed it as ca_path, or set the node's clock right.",
            ) from exc
        return f"{type(reason).__name__}: {reason}"

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def _pause(base: float, attempt: int) -> None:
    # Jitter: a thousand nodes must not come back to a restarted server in the same moment.
    time.sleep(min(base * 2.0 ** (attempt - 1), _MAX_PAUSE) * random.uniform(0.5, 1.0))


def _split_credentials(url: str) -> tuple[str, str]:
    """Return the URL without ``user:password@``, and the header that says the same (RFC 7617)."""
    parts = urllib.parse.urlsplit(url)
    userinfo, separator, host = parts.netloc.rpartition("@")
    if not separator:
        return url, ""
    token = base64.b64encode(urllib.parse.unquote(userinfo).encode()).decode("ascii")
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), f"Basic {token}"


def _build_context(options: SourceOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_path)
    except OSError as exc:
        raise InvalidRequestError(
            f"The CA file {options.ca_path} can't be used: {exc}.", hint="Give a PEM file that is on the node."
        ) from exc
    if not options.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
