"""HTTP with a BMC: one connection for each request, to one origin, within limits of time and size.

No proxy, no ~/.netrc, no cookies, no redirect to another origin: what a BMC is sent goes to that BMC. Connections are
not kept, since BMCs close them without a word.
"""

# pylint: disable=unused-import

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import io
import os
import socket
import ssl
import time
import typing as t
import zlib
from urllib.parse import quote, urljoin, urlsplit

try:
    import requests.certs as requests_certs
except ImportError:  # comes with sushy, whose absence is told elsewhere
    certs: t.Any = None
else:
    certs = requests_certs

from .answers import Answer, ElsewhereError, MalformedError

CONNECT_TIMEOUT = 10.0
"""Seconds for the TCP connection."""

LARGEST_BODY = 16 << 20
"""Bytes of an answer: the largest ones of real BMCs, lists of attributes, have less than 1 MiB."""

REDIRECTS = 3
AGAIN_AT = frozenset({301, 302, 307, 308})
"""Redirects that mean: the same request, there. Nothing has been done before it."""

SAFE = "!#$%&'()*+,/:;=?@[]~"
"""Characters of a link that are sent as they are."""

DISAGREEMENT = (
    *("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "HANDSHAKE_FAILURE", "NO_SHARED_CIPHER"),
    *("NO_CIPHERS", "INSUFFICIENT_SECURITY", "KEY_TOO_SMALL", "LEGACY", "WRONG_SIGNATURE_TYPE", "DIGEST_TOO"),
)
"""Words of OpenSSL's that mean that asking again is in vain; others come from a web server that is just restarting."""

PORTS = {"http": 80, "https": 443}


class UnreachableError(OSError):
    """No answer, or not a whole one: what was asked may have been done.

    ``kind``: certificate, tls, name, silent or connection. ``tries``: how often a request is sent that can be repeated.
    """

    TRIES: t.ClassVar[dict[str, int]] = {"certificate": 1, "tls": 1, "name": 1, "silent": 2, "connection": 3}

    def __init__(self, text: str, kind: str = "connection") -> None:
        super().__init__(text)
        self.kind = kind
        self.tries = self.TRIES[kind]


class Client:
    """Sends requests to the BMC at ``url``, ``scheme://host[:port]``.

    ``verify``: true, false, a CA file or folder, or ``sha256:`` and the digest of the one certificate that is trusted.
    ``timeout``: seconds for the whole of one request, from the connection to the last byte.

    :raises OSError: the CA file can't be read.
    """

    def __init__(self, url: str, verify: bool | str, timeout: float) -> None:
        self.url = url
        self._timeout = timeout
        self._pin = ""
        if isinstance(verify, str) and verify.startswith("sha256:"):
            self._pin = verify.removeprefix("sha256:").replace(":", "").lower()
        parts = urlsplit(url)
        self._origin = _origin(url)
        self._host, self._port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        self._context = _make_context(False if self._pin else verify) if parts.scheme == "https" else None

    def path_of(self, target: str, base: str = "/") -> str:
        """Return path and query of a link.

        :raises ElsewhereError: it is not on this BMC.
        """
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

    def _exchange(
        self, method: str, path: str, headers: t.Mapping[str, str], body: bytes | None, deadline: float
    ) -> Answer:
        with _named(), contextlib.closing(self._connect(deadline)) as sock:
            connection = (
                http.client.HTTPSConnection(self._host, self._port, context=self._context)
                if self._context
                else http.client.HTTPConnection(self._host, self._port)
            )
            connection.sock = _Limited(sock, deadline)
            connection.request(method, path, body, {**headers, "Connection": "close"})
            response = connection.getresponse()
            return Answer(response.status, response.headers, _read(response))

    def _connect(self, deadline: float) -> socket.socket:
        limit = min(CONNECT_TIMEOUT, deadline - time.monotonic())
        if limit <= 0:
            raise TimeoutError("no time is left to connect")
        with contextlib.ExitStack() as opened:
            sock = opened.enter_context(socket.create_connection((self._host, self._port), limit))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock.settimeout(_left(deadline))
                sock = opened.enter_context(self._context.wrap_socket(sock, server_hostname=self._host))
            if self._pin:
                self._check_pin(sock)
            opened.pop_all()
            return sock

    def _check_pin(self, sock: socket.socket) -> None:
        if not isinstance(sock, ssl.SSLSocket):
            raise UnreachableError("bm_bmc.verify names a certificate, and http has none", "certificate")
        digest = hashlib.sha256(sock.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(digest.encode(), self._pin.encode()):
            raise UnreachableError(f"its certificate is sha256:{digest}, not the one of bm_bmc.verify", "certificate")


class _Limited:
    """A socket whose every wait ends at one moment, however often a byte comes; closed by who made it."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, dummy: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))

    def close(self) -> None:
        """http.client closes it as soon as it has seen the headers."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)

    def readall(self) -> bytes:
        """Refuse what has no end: http.client asks for all where a size in the answer is negative."""
        raise http.client.HTTPException("a size that is none")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it was not answered in time")
    return left


def _origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL; ValueError for a port that is none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)


def _make_context(verify: bool | str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what a CA file holds is trusted, whoever signed it
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif verify is True:
        context.load_default_certs()
        context.load_verify_locations(certs.where())
    elif os.path.isdir(verify):
        context.load_verify_locations(capath=verify)
    else:
        context.load_verify_locations(verify)
    return context


def _read(response: http.client.HTTPResponse) -> bytes:
    """Return the body, whole."""
    too_large = MalformedError(f"an answer of more than {LARGEST_BODY >> 20} MiB", tries=1)
    if (response.length or 0) > LARGEST_BODY:
        raise too_large
    content = response.read(LARGEST_BODY + 1)
    if len(content) > LARGEST_BODY:
        raise too_large
    if response.length:
        raise http.client.IncompleteRead(content, response.length)
    if str(response.headers.get("Content-Encoding") or "").strip().lower() in ("gzip", "deflate"):
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 32)  # although it was asked not to
        content = unpacked.decompress(content, LARGEST_BODY + 1)
        if len(content) > LARGEST_BODY:
            raise too_large
    return content


@contextlib.contextmanager
def _named() -> t.Iterator[None]:
    """Turn what the standard library raises into UnreachableError and MalformedError; the most special first."""
    try:
        yield
    except UnreachableError:
        raise
    except ssl.SSLCertVerificationError as exc:
        raise UnreachableError(exc.verify_message or str(exc), "certificate") from exc
    except TimeoutError as exc:
        raise UnreachableError("no answer in time", "silent") from exc
    except ssl.SSLError as exc:
        reason = str(exc.reason or exc)
        kind = "tls" if any(word in reason for word in DISAGREEMENT) else "connection"
        raise UnreachableError(reason, kind) from exc
    except UnicodeError as exc:
        raise UnreachableError("its host name is none", "name") from exc
    except (OSError, http.client.IncompleteRead) as exc:
        raise UnreachableError(str(exc) or type(exc).__name__) from exc
    except http.client.HTTPException as exc:
        raise MalformedError(f"no HTTP: {type(exc).__name__} {exc}"[:200]) from exc
    except zlib.error as exc:
        raise MalformedError(f"compressed, and damaged: {exc}") from exc
