"""The session with a Redfish service: sushy's resources, opened at the first use, and the translation of errors."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t
from urllib.parse import urlsplit

try:
    import sushy
except ImportError as exc:
    SUSHY_ERROR: ImportError | None = exc
    SushyRoot: t.Any = object
else:
    SUSHY_ERROR = None
    SushyRoot = sushy.Sushy

from ..._contract.identity import SCHEMES
from ..._contract.node import BMC
from ..._dependency import require
from ..._errors import BMCConnectionError, InvalidRequestError
from ..base import Counters
from .answers import Answer
from .connection import UnreachableError
from .connector import Connector, raise_for
from .errors import malformed, translate, unreachable
from .http import Client
from .known import Document, Known
from .login import Login

PRECONDITION = frozenset({412, 428})
"""Statuses of a change that wants to be told of which version it is (RFC 9110, If-Match; RFC 6585)."""

MALFORMED = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What sushy and our own HTTP raise on an answer that is not what the schema says."""


class Root(SushyRoot):  # type: ignore[misc]
    """sushy's service root, of which the JSON counts: its own attributes are dear."""

    def _parse_attributes(self, json_doc: Document) -> None:
        """Make none."""


class Session:
    """One session with one service; opened at the first use, always closed.

    :param recall: returns what was learnt of the service before.
    """

    def __init__(self, bmc: BMC, node: str, counters: Counters, recall: t.Callable[[], Document]) -> None:
        require("sushy", SUSHY_ERROR)
        self._bmc = bmc
        self.node = node
        self._counters = counters
        self._url, self._system_path = split_address(bmc, node)
        self.known = Known(recall, of=f"{self._url} {self._system_path or bmc.system_id or ''}")
        self._login = Login(bmc, self._url, node)
        self._connector: t.Any = None
        self._root: t.Any = None

    def read(self, doing: str, path: str) -> Document:
        """Return a document of the service.

        :raises BMCError: see ``errors.py``.
        """
        self.open()
        with self.translated(doing):
            return self.get(path)

    def get(self, path: str) -> Document:
        """Return a document of the service, for ``read_optional``: what it raises is not translated."""
        self.open()
        return t.cast("Document", self._connector.get(path).json())

    def read_optional(self, doing: str, read: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        """Return what ``read`` gets from sushy's resources; None where the service has no such thing.

        :raises BMCError: see ``errors.py``; BMCResponseError for an answer that is not what Redfish prescribes.
        """
        with self.translated(doing):
            try:
                return read(*args)
            except (sushy.exceptions.MissingAttributeError, sushy.exceptions.ResourceNotFoundError):
                return None

    def change(self, path: str, values: Document) -> None:
        """Set properties of a resource, as it was when it was read last; if it is another one by now, of that."""
        etags, key = self._connector.etags, path.rstrip("/")
        try:
            self._connector.patch(path, data=values, etag=etags.get(key))
        except sushy.exceptions.HTTPError as exc:
            if exc.status_code not in PRECONDITION:
                raise
            self._connector.get(path)
            self._connector.patch(path, data=values, etag=etags.get(key) or "*")

    def act(self, target: str, parameters: Document, asked_for: t.Callable[[str], Document] = lambda dummy: {}) -> None:
        """Ask for an action.

        :param asked_for: returns the parameters that a refusal (400) asks for in its words; they are sent along then,
            each once.
        """
        while True:
            try:
                self._connector.post(target, data=parameters)
                return
            except sushy.exceptions.HTTPError as exc:
                more = asked_for(exc.response.content.decode(errors="replace")) if exc.status_code == 400 else {}
                if not more:
                    raise
                parameters.update(more)

    def allows(self, path: str, method: str) -> bool:
        """Say whether a resource that was read before may be sent a request (RFC 9110, Allow)."""
        return method in self._connector.allowed.get(path.rstrip("/"), "").upper()

    def fence(self) -> None:
        """Check that this run may still change the machine.

        :raises NodeLockedError: it may not.
        """
        self._counters.fence()

    def write(self, doing: str, send: t.Callable[[], object]) -> list[Answer]:
        """Let ``send`` write, once, and return the answers to it.

        :raises BMCError: it was refused, also where sushy has kept that to itself; or it may have been done.
        """
        self.open()
        self._connector.written.clear()
        with self.translated(doing):
            send()
            for answer in self._connector.written[-1:]:
                raise_for("POST", self._url, answer)
        return list(self._connector.written)

    @property
    def documents(self) -> dict[str, Document]:
        """What was read, by path."""
        return self._connector.read if self._connector is not None else {}

    @property
    def has_session(self) -> bool:
        """Whether the log-in has made a session; else the password goes with each request."""
        return "X-Auth-Token" in self._login.headers

    @property
    def keeps_alive(self) -> bool:
        """Whether the BMC answers more than one request on a connection."""
        return self._connector is not None and self._connector.client.reused > 0

    @property
    def peer(self) -> tuple[str, bytes] | None:
        """Version of TLS, and the BMC's certificate (DER); None for http."""
        return self._connector.client.peer if self._connector is not None else None

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the BMC wants to be asked again for what was written last; None: not told."""
        written = self._connector.written if self._connector is not None else ()
        return written[-1].retry_after if written and written[-1].status_code >= 400 else None

    def read_now(self, doing: str, path: str) -> Document | None:
        """Return a document as it is now, whatever is known of it; None where there is none, or nothing in it.

        :raises BMCError: see ``errors.py``.
        """
        self.open()
        answer = self.look(doing, path)
        with self.translated(doing):
            if answer.status_code == 404 or (answer.status_code == 200 and not answer.content.strip()):
                return None
            raise_for("GET", f"{self._url}{path}", answer)
            return answer.document()

    def look(self, doing: str, target: str) -> Answer:
        """Return the answer to a GET, whatever it is."""
        with self.translated(doing):
            return t.cast("Answer", self._connector.look(target))

    def open(self) -> t.Any:
        """Return sushy's service root, logged in.

        :raises BMCAuthenticationError: the credentials are refused.
        :raises BMCError: the BMC is away, or answers what it should not.
        """
        if self._root is None:
            with self.translated("log in"):
                if self._connector is None:
                    self._connector = self._make_connector()
                self._root = Root(
                    self._url, auth=self._connector, connector=self._connector, public_connector=self._connector
                )
        return self._root

    def _make_connector(self) -> Connector:
        try:
            client = Client(self._url, self._bmc.verify, self._bmc.timeout)
            return Connector(client, self._login, self._counters, self.known)
        except OSError as exc:
            raise BMCConnectionError(
                f"The BMC {self._url} can't be verified: {self._bmc.verify}: {exc}.",
                node=self.node,
                hint="Check bm_bmc.verify.",
                retryable=False,
            ) from exc

    def close(self, *, keep: bool = False) -> None:
        """Delete the session on the BMC, unless the next task goes on with it; a BMC that is away is no error now."""
        if self._connector is None and not keep and self._login.is_left:
            with contextlib.suppress(BMCConnectionError):
                self._connector = self._make_connector()
        if self._connector is not None:
            self._connector.log_out(keep=keep)
        self._root = None

    @contextlib.contextmanager
    def translated(self, doing: str) -> t.Iterator[None]:
        """Turn errors of sushy and of our HTTP into ours, naming what was being done."""
        failed = f"The BMC {self._url} could not {doing}"
        try:
            yield
        except sushy.exceptions.SushyError as exc:
            raise translate(exc, failed, self.node) from exc
        except UnreachableError as exc:
            raise unreachable(exc, failed, self.node) from exc
        except MALFORMED as exc:
            raise malformed(exc, failed, self.node) from exc


def split_address(bmc: BMC, node: str) -> tuple[str, str | None]:
    """Return the URL of the service and, where the address names a System, its path.

    :raises InvalidRequestError: it can't be understood.
    """
    scheme, separator, rest = bmc.address.partition("://")
    if not separator:
        scheme, rest = "https", bmc.address
    host, slash, path = rest.partition("/")
    scheme = SCHEMES.get(scheme.lower(), scheme.lower())
    url = f"{scheme}://{host}"
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.port != 0 and scheme in ("http", "https")
    except ValueError:
        known = False
    if not known:
        raise InvalidRequestError(
            f"bm_bmc.address '{bmc.address}' is not https://host or https://host:port.",
            node=node,
            hint="An IPv6 address stands in brackets: https://[2001:db8::10].",
        )
    return url, f"{slash}{path}" if "/Systems/" in path else None
