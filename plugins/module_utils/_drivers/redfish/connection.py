"""One connection with a BMC, within limits of time and size: TCP, TLS, whom it is trusted to reach, and HTTP on it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import io
import socket
import ssl
import time
import typing as t
import zlib

from .answers import Answer, MalformedError

CONNECT_TIMEOUT = 10.0
"""Seconds for the TCP connection."""

LARGEST_BODY = 16 << 20
"""Bytes of an answer: the largest ones of real BMCs, lists of attributes, have less than 1 MiB."""

DISAGREEMENT = (
    *("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "HANDSHAKE_FAILURE", "NO_SHARED_CIPHER"),
    *("NO_CIPHERS", "INSUFFICIENT_SECURITY", "KEY_TOO_SMALL", "LEGACY", "WRONG_SIGNATURE_TYPE", "DIGEST_TOO"),
)
"""Words of OpenSSL's that mean that asking again is in vain; others come from a web server that is just restarting."""


UNTRUSTED = {9: "early", 10: "expired", 62: "name", 64: "name"}
"""OpenSSL's reasons not to trust a certificate (x509_vfy.h) whose remedy is another one than to trust it."""


class UnreachableError(OSError):
    """No answer, or not a whole one: what was asked may have been done.

    ``kind``: a row of errors.UNREACHABLE. ``tries``: how often a request is sent that can be repeated.
    """

    TRIES: t.ClassVar[dict[str, int]] = {"silent": 2, "connection": 3}

    def __init__(self, text: str, kind: str = "connection") -> None:
        super().__init__(text)
        self.kind = kind
        self.tries = self.TRIES.get(kind, 1)


class Place(t.NamedTuple):
    """Where a BMC is and who it must be. ``context``: None for http; ``pin``: SHA-256 of its certificate, or none."""

    host: str
    port: int
    context: ssl.SSLContext | None
    pin: str


class Connection:
    """A connection to a BMC, made at once; for one request after the other.

    :raises UnreachableError: it can't be made.
    """

    def __init__(self, place: Place, deadline: float) -> None:
        with named():
            self._sock = _connect(place, deadline)
        self._http = (
            http.client.HTTPSConnection(place.host, place.port, context=place.context)
            if place.context
            else http.client.HTTPConnection(place.host, place.port)
        )
        self._limited = _Limited(self._sock, deadline)
        self.is_kept = False

    def ask(
        self,
        method: str,
        path: str,
        headers: t.Mapping[str, str],
        body: bytes | None,
        deadline: float,
        *,
        keep: bool,
    ) -> Answer:
        """Send a request and return its answer; ``is_kept`` says then whether another one may follow.

        :param keep: whether another one may be wanted.
        :raises UnreachableError: no answer, or not a whole one.
        :raises MalformedError: an answer that is none, or too large.
        """
        self.is_kept = False
        self._limited.deadline = deadline
        self._http.sock = self._limited
        with named():
            self._http.request(method, path, body, {**headers, "Connection": "keep-alive" if keep else "close"})
            response = self._http.getresponse()
            content = _read(response)
            self.is_kept = keep and response.isclosed() and not response.will_close
            return Answer(response.status, response.headers, content)

    @property
    def peer(self) -> tuple[str, bytes] | None:
        """Version of TLS, and the BMC's certificate (DER); None for http."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return None
        return str(self._sock.version()), self._sock.getpeercert(binary_form=True) or b""

    def is_clear(self) -> bool:
        """Say whether it is still open, and nothing has come that was not asked for."""
        try:
            self._sock.settimeout(0)
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close it. Idempotent."""
        self._sock.close()


def _connect(place: Place, deadline: float) -> socket.socket:
    limit = min(CONNECT_TIMEOUT, deadline - time.monotonic())
    if limit <= 0:
        raise TimeoutError("no time is left to connect")
    with contextlib.ExitStack() as opened:
        sock = opened.enter_context(socket.create_connection((place.host, place.port), limit))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if place.context is not None:
            sock.settimeout(_left(deadline))
            sock = opened.enter_context(place.context.wrap_socket(sock, server_hostname=place.host))
        if place.pin:
            _check_pin(sock, place.pin)
        opened.pop_all()
        return sock


def _check_pin(sock: socket.socket, pin: str) -> None:
    if not isinstance(sock, ssl.SSLSocket):
        raise UnreachableError("bm_bmc.verify names a certificate, and http has none", "certificate")
    digest = hashlib.sha256(sock.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(digest.encode(), pin.encode()):
        raise UnreachableError(f"its certificate is sha256:{digest}, not the one of bm_bmc.verify", "certificate")


class _Limited:
    """A socket whose every wait ends at one moment, however often a byte comes; closed by who made it."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self.deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self.deadline))
        self._sock.sendall(data)

    def makefile(self, dummy: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self.deadline))

    def close(self) -> None:
        """http.client closes it when the last byte was read; who made the connection closes it for good."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self.deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        self._sock.settimeout(_left(self.deadline))
        return self._sock.recv_into(buffer)

    def readall(self) -> bytes:
        """Refuse what has no end: http.client asks for all where a size in the answer is negative."""
        raise http.client.HTTPException("a size that is none")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it was not answered in time")
    return left


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
def named() -> t.Iterator[None]:
    """Turn what the standard library raises into UnreachableError and MalformedError; the most special first."""
    try:
        yield
    except UnreachableError:
        raise
    except ssl.SSLCertVerificationError as exc:
        kind = UNTRUSTED.get(exc.verify_code, "certificate")
        raise UnreachableError(exc.verify_message or str(exc), kind) from exc
    except TimeoutError as exc:
        raise UnreachableError("no answer in time", "silent") from exc
    except ssl.SSLError as exc:
        reason = str(exc.reason or exc)
        kind = "tls" if any(word in reason for word in DISAGREEMENT) else "connection"
        raise UnreachableError(reason, kind) from exc
    except UnicodeError as exc:
        raise UnreachableError("its host name is none", "host") from exc
    except (OSError, http.client.IncompleteRead) as exc:
        raise UnreachableError(str(exc) or type(exc).__name__) from exc
    except http.client.HTTPException as exc:
        raise MalformedError(f"no HTTP: {type(exc).__name__} {exc}"[:200]) from exc
    except zlib.error as exc:
        raise MalformedError(f"compressed, and damaged: {exc}") from exc
