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
else:
    SUSHY_ERROR = None

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
from .login import Login

MALFORMED = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What sushy and our own HTTP raise on an answer that is not what the schema says."""


class Session:
    """One session with one service; opened at the first use, always closed."""

    def __init__(self, bmc: BMC, node: str, counters: Counters) -> None:
        require("sushy", SUSHY_ERROR)
        self._bmc = bmc
        self.node = node
        self._counters = counters
        self._url, self._system_path = split_address(bmc, node)
        self._login = Login(bmc, self._url, node)
        self._connector: t.Any = None
        self._root: t.Any = None
        self._system: t.Any = None
        self._secure_boot: t.Any = None

    def system(self) -> t.Any:
        """Return the sushy System as it was read last, logging in at the first call."""
        if self._system is None:
            with self.translated("log in"):
                if self._root is None:
                    self._root = self._open()
            with self.translated("read its System"):
                self._system = self._find_system(self._root)
        return self._system

    def read_system(self, doing: str) -> t.Any:
        """Return the sushy System as it is now; logging in has just read it."""
        if self._system is None:
            return self.system()
        with self.translated(doing):
            # Not refresh(force=True): that reads all again that was ever reached from it, the managers, their drives.
            self._system.invalidate()
            self._system.refresh(force=False)
        return self._system

    def read_optional(self, doing: str, read: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        """Return what ``read`` gets from sushy's resources; None where the service has no such thing.

        :raises BMCError: see ``errors.py``; BMCResponseError for an answer that is not what Redfish prescribes.
        """
        with self.translated(doing):
            try:
                return read(*args)
            except (sushy.exceptions.MissingAttributeError, sushy.exceptions.ResourceNotFoundError):
                return None

    def read_boot(self, doing: str) -> dict[str, t.Any]:
        """Return ComputerSystem.Boot as it will be at the next start, empty where the System has none.

        What a service keeps for then in a resource of its own (DSP0266, 9.10) counts: sushy writes there.
        """
        system = self.read_system(doing)
        with self.translated(doing):
            boot = dict(system.json.get("Boot") or {})
            settings = system.json.get("@Redfish.Settings") or {}
            if "SettingsObject" in settings:
                pending = self._connector.get(settings["SettingsObject"]["@odata.id"]).json().get("Boot") or {}
                boot |= {key: value for key, value in pending.items() if value is not None}
        return boot

    def managers(self) -> list[t.Any]:
        """Return sushy's Managers of the System; where it names none, those of the service."""
        try:
            return list(self.system().managers)
        except sushy.exceptions.MissingAttributeError:
            return list(self._root.get_manager_collection().get_members())

    def reset(self, reset_type: str) -> None:
        """Ask for a reset, by its Redfish ResetType."""
        self.system().reset_system(sushy.ResetType(reset_type))

    def set_boot(self, target: str | None, enabled: str, mode: str | None, http_boot_uri: str | None = None) -> None:
        """Set the boot override, by Redfish's values of BootSourceOverrideTarget, -Enabled, -Mode and HttpBootUri."""
        system = self.system()
        if system.boot is not None and system.boot.allowed_values is None:
            system.boot.allowed_values = []  # optional in Redfish; sushy looks into it all the same
        system.set_system_boot_options(
            target=sushy.BootSource(target) if target else None,
            enabled=sushy.BootSourceOverrideEnabled(enabled),
            mode=sushy.BootSourceOverrideMode(mode) if mode else None,
            http_boot_uri=http_boot_uri,
        )

    def secure_boot(self) -> t.Any:
        """Return the sushy SecureBoot resource as it is now, None where the BMC has none or can't tell."""
        with self.translated("read its Secure Boot setting"):
            try:
                if self._secure_boot is None:
                    self._secure_boot = self.system().secure_boot  # which has just been read
                else:
                    self._secure_boot.refresh(force=True)
            except (sushy.exceptions.MissingAttributeError, sushy.exceptions.HTTPError):
                return None
            return self._secure_boot

    def switch_secure_boot(self, enabled: bool) -> None:
        """Switch Secure Boot from the next boot on."""
        self.system().secure_boot.set_enabled(enabled)

    def fence(self) -> None:
        """Check that this run may still change the machine.

        :raises NodeLockedError: it may not.
        """
        self._counters.fence()

    def write(self, doing: str, send: t.Callable[[], object]) -> list[Answer]:
        """Let ``send`` write, once, and return the answers to it.

        :raises BMCError: it was refused, also where sushy has kept that to itself; or it may have been done.
        """
        self.system()
        self._connector.written.clear()
        with self.translated(doing):
            send()
            for answer in self._connector.written[-1:]:
                raise_for("POST", self._url, answer)
        return list(self._connector.written)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the BMC wants to be asked again for what was written last; None: not told."""
        written = self._connector.written if self._connector is not None else ()
        return written[-1].retry_after if written and written[-1].status_code >= 400 else None

    def look(self, doing: str, target: str) -> Answer:
        """Return the answer to a GET, whatever it is."""
        with self.translated(doing):
            return t.cast("Answer", self._connector.look(target))

    def _open(self) -> t.Any:
        """Return sushy's service root, logged in."""
        if self._connector is None:
            self._connector = Connector(self._make_client(), self._login, self._counters)
        return sushy.Sushy(self._url, auth=self._connector, connector=self._connector, public_connector=self._connector)

    def _make_client(self) -> Client:
        try:
            return Client(self._url, self._bmc.verify, self._bmc.timeout)
        except OSError as exc:
            raise BMCConnectionError(
                f"The BMC {self._url} can't be verified: {self._bmc.verify}: {exc}.",
                node=self.node,
                hint="Check bm_bmc.verify.",
                retryable=False,
            ) from exc

    def _find_system(self, root: t.Any) -> t.Any:
        if self._system_path:
            return root.get_system(self._system_path)
        if self._bmc.system_id is not None:
            try:
                return root.get_system(f"{root.json['Systems']['@odata.id'].rstrip('/')}/{self._bmc.system_id}")
            except sushy.exceptions.ResourceNotFoundError as exc:
                known = root.get_system_collection().members_identities
                raise self._no_such_system(f"has no System '{self._bmc.system_id}'", known) from exc
        known = root.get_system_collection().members_identities
        if len(known) != 1:
            raise self._no_such_system(f"has {len(known) or 'no'} Systems, not exactly one", known)
        return root.get_system(known[0])

    def _no_such_system(self, what: str, paths: t.Iterable[str]) -> InvalidRequestError:
        known = ", ".join(path.rstrip("/").rpartition("/")[2] for path in paths) or "none"
        return InvalidRequestError(
            f"The BMC {self._url} {what}.", node=self.node, hint=f"Set bm_bmc.system_id to one of: {known}."
        )

    def close(self) -> None:
        """Delete the session on the BMC; a BMC that is away is not an error now."""
        if self._connector is not None:
            self._connector.log_out()
        self._system = self._secure_boot = self._root = None

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


def value_of(item: t.Any) -> str | None:
    """Return the wire value of a sushy enumeration."""
    return None if item is None else str(getattr(item, "value", item))


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
