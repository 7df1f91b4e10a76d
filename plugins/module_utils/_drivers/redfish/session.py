"""The session with a Redfish service: TLS, log-in, counting, and the translation of sushy's errors."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t
from urllib.parse import urlsplit

try:
    import sushy
    import sushy.auth
    import sushy.connector
    from requests.adapters import HTTPAdapter
except ImportError as exc:
    SUSHY_ERROR: ImportError | None = exc
    SessionAuth: t.Any = object
    Adapter: t.Any = object
else:
    SUSHY_ERROR = None
    SessionAuth = sushy.auth.SessionAuth
    Adapter = HTTPAdapter

from ..._contract.node import BMC
from ..._dependency import require
from ..._errors import (
    BareMetalError,
    BMCAuthenticationError,
    BMCConnectionError,
    BMCResponseError,
    InvalidRequestError,
    UnsupportedOperationError,
)
from ..base import Counters

CONNECT_TIMEOUT = 10
"""Seconds for the TCP connection; a silent address fails after three tries."""

MALFORMED = (LookupError, ValueError, TypeError, AttributeError)
"""What sushy raises, beside its own errors, on an answer that is not what the schema says."""


class _Auth(SessionAuth):  # type: ignore[misc]
    """A session where the service offers one, else basic authentication; refused credentials are sent once."""

    def _do_authenticate(self) -> None:
        root = self._root_resource.json
        if "SessionService" not in root and "Sessions" not in root.get("Links", {}):
            self._connector.set_http_basic_auth(self._username, self._password)
            return
        try:
            super()._do_authenticate()
        except (sushy.exceptions.AccessError, sushy.exceptions.ConnectionError):
            raise
        except sushy.exceptions.SushyError:  # offered and not there: seen on old firmware
            self.reset_session_attrs()
            self._connector.set_http_basic_auth(self._username, self._password)


class _PinAdapter(Adapter):  # type: ignore[misc]
    """Trusts exactly the certificate with one SHA-256 digest, whoever signed it."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, assert_fingerprint=self._fingerprint, **kwargs)


class Session:
    """One session with one service; opened at the first use, always closed."""

    def __init__(self, bmc: BMC, node: str, counters: Counters) -> None:
        require("sushy", SUSHY_ERROR)
        self._bmc = bmc
        self._node = node
        self._counters = counters
        self._url, self._system_path = split_address(bmc, node)
        self._auth: t.Any = None
        self._connector: t.Any = None
        self._system: t.Any = None
        self._secure_boot: t.Any = None

    def system(self) -> t.Any:
        """Return the sushy System as it was read last, logging in at the first call."""
        if self._system is None:
            with self.translated("log in"):
                self._system = self._open()
        return self._system

    def read_system(self, doing: str) -> t.Any:
        """Return the sushy System as it is now; logging in has just read it."""
        if self._system is None:
            return self.system()
        with self.translated(doing):
            self._system.refresh(force=True)
        return self._system

    def read_optional(self, doing: str, read: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        """Return what ``read`` gets from sushy's resources; None where the service has no such thing.

        :raises BMCError: see ``translate``; BMCResponseError for an answer that is not what Redfish prescribes.
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

    def reset(self, reset_type: str) -> None:
        """Ask for a reset, by its Redfish ResetType."""
        with self.translated(f"reset the machine ({reset_type})"):
            self.system().reset_system(sushy.ResetType(reset_type))

    def set_boot(self, target: str | None, enabled: str, mode: str | None, http_boot_uri: str | None = None) -> None:
        """Set the boot override, by Redfish's values of BootSourceOverrideTarget, -Enabled, -Mode and HttpBootUri."""
        with self.translated(f"boot from {target}" if target else "remove the boot override"):
            self.system().set_system_boot_options(
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
            except sushy.exceptions.AccessError:
                raise
            except (sushy.exceptions.MissingAttributeError, sushy.exceptions.HTTPError):
                return None
            return self._secure_boot

    def set_secure_boot(self, enabled: bool) -> None:
        """Switch Secure Boot from the next boot on."""
        with self.translated("switch Secure Boot"):
            self.system().secure_boot.set_enabled(enabled)

    def _open(self) -> t.Any:
        pin = str(self._bmc.verify).removeprefix("sha256:") if str(self._bmc.verify).startswith("sha256:") else None
        self._connector = sushy.connector.Connector(
            self._url,
            verify=False if pin else self._bmc.verify,
            response_callback=self._count,
            server_side_retries=3,
            server_side_retries_delay=1,
            default_request_timeout=self._bmc.timeout,
            connect_timeout=min(CONNECT_TIMEOUT, self._bmc.timeout),
        )
        if pin:
            self._connector._session.mount("https://", _PinAdapter(pin.replace(":", "")))
        self._auth = _Auth(self._bmc.username, self._bmc.password)
        root = sushy.Sushy(self._url, auth=self._auth, connector=self._connector)
        if self._system_path or self._bmc.system_id is None:
            return root.get_system(self._system_path)
        try:
            return root.get_system(f"{root.json['Systems']['@odata.id'].rstrip('/')}/{self._bmc.system_id}")
        except sushy.exceptions.ResourceNotFoundError as exc:
            raise self._no_such_system(root) from exc

    def _no_such_system(self, root: t.Any) -> InvalidRequestError:
        paths = root.get_system_collection().members_identities
        known = ", ".join(path.rstrip("/").rpartition("/")[2] for path in paths) or "none"
        return InvalidRequestError(
            f"The BMC {self._url} has no System '{self._bmc.system_id}'.",
            node=self._node,
            hint=f"Set bm_bmc.system_id to one of: {known}.",
        )

    def _count(self, dummy: object) -> None:
        self._counters.bmc_requests += 1

    def close(self) -> None:
        """Delete the session on the BMC and close the connection; a BMC that is away is not an error now."""
        if self._auth is not None:
            with contextlib.suppress(sushy.exceptions.SushyError, OSError, *MALFORMED):
                self._auth.close()
        if self._connector is not None:
            self._connector.close()
        self._system = self._secure_boot = self._auth = self._connector = None

    @contextlib.contextmanager
    def translated(self, doing: str) -> t.Iterator[None]:
        """Turn sushy's errors into ours, naming what was being done."""
        failed = f"The BMC {self._url} could not {doing}"
        try:
            yield
        except sushy.exceptions.SushyError as exc:
            raise translate(exc, failed, self._node) from exc
        except MALFORMED as exc:
            raise BMCResponseError(
                f"{failed}: its answer is not what Redfish prescribes ({type(exc).__name__}: {exc}).",
                node=self._node,
                hint="Check bm_bmc.address; update or restart the BMC.",
            ) from exc
        except OSError as exc:  # a CA file that can't be read; the network's errors are sushy's
            raise BMCConnectionError(
                f"{failed}: {exc}.", node=self._node, hint="Check bm_bmc.verify.", retryable=False
            ) from exc


def split_address(bmc: BMC, node: str) -> tuple[str, str | None]:
    """Return the URL of the service and, where the address names a System, its path.

    :raises InvalidRequestError: it can't be understood.
    """
    scheme, separator, rest = bmc.address.partition("://")
    if not separator:
        scheme, rest = "https", bmc.address
    host, slash, path = rest.partition("/")
    scheme = {"redfish": "https", "redfish+http": "http"}.get(scheme, scheme)
    url = f"{scheme}://{host}"
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise InvalidRequestError(
            f"bm_bmc.address '{bmc.address}' is not https://host or https://host:port.",
            node=node,
            hint="An IPv6 address stands in brackets: https://[2001:db8::10].",
        )
    return url, f"{slash}{path}" if "/Systems/" in path else None


def translate(exc: t.Any, failed: str, node: str) -> BareMetalError:
    """Return our error for one of sushy's; the most special first."""
    errors = sushy.exceptions
    reason = str(exc).splitlines()[0]
    if isinstance(exc, errors.AccessError):
        return BMCAuthenticationError(
            f"{failed}: it refused the credentials.",
            node=node,
            hint="Correct bm_bmc.username and bm_bmc.password; they are not tried again, since accounts lock out.",
        )
    if isinstance(exc, errors.ConnectionError):
        return _connection_error(reason, failed, node)
    if isinstance(exc, (errors.InvalidParameterValueError, errors.MissingActionError, errors.MissingAttributeError)):
        return UnsupportedOperationError(f"{failed}: {reason}", node=node, hint="This BMC does not offer it.")
    status = getattr(exc, "status_code", None)
    busy = isinstance(exc, errors.ServerSideError) or status in (409, 429)
    return BMCResponseError(f"{failed}: {reason}", node=node, hint="See the BMC's own log.", retryable=busy)


def _connection_error(reason: str, failed: str, node: str) -> BMCConnectionError:
    if "certificate" in reason.lower() or "fingerprint" in reason.lower():
        return BMCConnectionError(
            f"{failed}: its certificate is not trusted: {reason}",
            node=node,
            retryable=False,
            hint="Set bm_bmc.verify to the CA's file, or to sha256:<digest of the certificate>.",
        )
    return BMCConnectionError(
        f"{failed}: it can't be reached: {reason}",
        node=node,
        hint="Check bm_bmc.address, the BMC's network and its power.",
    )
