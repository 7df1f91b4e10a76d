"""One System of a Redfish service, over one session: what is read of it, as seldom as it can be, and what is set."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

try:
    import sushy
    from sushy.resources.system.system import System as SushySystem
except ImportError:  # told by session.py
    SushySystem = object

from ..._errors import BMCResponseError, InvalidRequestError, UnsupportedOperationError
from . import quirks
from .known import Document
from .override import MODE, OURS, Override
from .session import Session


class _MovedError(Exception):
    """What is known of the service does not lead to the System any more."""


class Resource(t.NamedTuple):
    """What was read of a resource."""

    path: str
    json: Document


class System(SushySystem):  # type: ignore[misc]
    """sushy's System, of which the JSON counts.

    sushy's own attributes are not made: they are dear, and for Boot the Settings resource is read along, each time.
    """

    def _parse_attributes(self, json_doc: Document) -> Document:
        return {}


class SystemSession(Session):
    """A session in which one System is read and set."""

    def __init__(self, *args: t.Any) -> None:
        super().__init__(*args)
        self._system: t.Any = None
        self._managers: list[Resource] | None = None
        self._read_at: float | None = None
        self._waiting: Document | None = None
        self._quirk: quirks.Quirk | None = None

    def system(self) -> t.Any:
        """Return the sushy System as it was read last, logging in at the first call."""
        if self._system is None:
            try:
                self._system = self._open_system()
            except _MovedError:
                self.known.forget()
                self._root = self._managers = None
                self._system = self._open_system()
            self._read_at = time.monotonic()
        return self._system

    def read_system(self, doing: str) -> t.Any:
        """Return the sushy System as it is now; logging in has just read it."""
        if self._system is None:
            return self.system()
        with self.translated(doing):
            # Not refresh(force=True): that reads all again that was ever reached from it, the managers, their drives.
            self._system.invalidate()
            self._system.refresh(force=False)
        self._read_at, self._waiting = time.monotonic(), None
        return self._system

    def recent_system(self, seconds: float) -> t.Any:
        """Return the sushy System, if it was read within ``seconds`` and nothing was written to it since; else None."""
        is_recent = self._read_at is not None and time.monotonic() - self._read_at <= seconds
        return self._system if is_recent else None

    @property
    def quirk(self) -> quirks.Quirk:
        """How this BMC wants to be treated."""
        if self._quirk is None:
            system = self.system()
            row = quirks.find_bmc(self.open().json, system.json, self._first_manager)
            self._quirk = row.quirk if row else quirks.DEFAULT
        return self._quirk

    def managers(self) -> list[Resource]:
        """Return the Managers of the System, read once; where it names none, those of the service, if there are any.

        What is raised where one can't be read is not translated.
        """
        if self._managers is None:
            links = self.system().json.get("Links") or {}
            named = _paths(links.get("ManagedBy")) or _paths(links.get("Managers"))
            if not named and "Managers" in self.open().json:
                named = self.members("Managers")
            self._managers = [Resource(path, self.get(path)) for path in named]
        return self._managers

    def read_managers(self, doing: str) -> list[Resource]:
        """Return the same.

        :raises BMCResponseError: one that is named can't be read.
        """
        with self.translated(doing):
            return self.managers()

    def members(self, name: str) -> list[str]:
        """Return the paths of what is in a collection of the service root; what is raised is not translated."""
        link = self.open().json.get(name)
        if not (isinstance(link, dict) and link.get("@odata.id")):
            raise sushy.exceptions.MissingAttributeError(attribute=f"{name}/@odata.id", resource=self.open().path)
        return _paths(self.get(str(link["@odata.id"])).get("Members"))

    def _first_manager(self) -> Document:
        try:
            found = self.read_managers("tell what it is")
        except BMCResponseError:
            found = []  # what it is like is then what most are like
        return found[0].json if found else {}

    def read_override(self, doing: str, *, within: float = 0.0, pending: str = "known") -> Override:
        """Return the boot override.

        :param within: a System that was read so many seconds ago is good enough, where nothing was written to it since.
        :param pending: when a Settings resource is read: "always"; "known": unless it is known to have nothing of Boot;
            "device": nor where it has nothing but the boot mode.
        """
        system = self.recent_system(within) or self.read_system(doing)
        with self.translated(doing):
            boot = dict(system.json.get("Boot") or {})
            path = _settings_of(system.json)
        names, ignored = self.known["settings"], {"always": None, "known": set(), "device": {MODE}}[pending]
        if path is None or (names is not None and ignored is not None and {*names} <= ignored):
            return Override(boot, waits=self.waits)
        if self._waiting is None or not self.recent_system(within):
            document = self.read(doing, path)
            with self.translated(doing):
                self._waiting = dict(document.get("Boot") or {})
        self.known["settings"] = sorted({name.partition("@")[0] for name in self._waiting} & {*OURS})
        return Override(boot, self._waiting, self.waits)

    @property
    def waits(self) -> bool:
        """Whether what a Settings resource has of Boot is set there, and counts: as was found out, else by quirk."""
        found: bool | None = self.known["waits"]
        return self.quirk.settings if found is None else found

    def reset_types(self, *, ask: bool = False) -> list[str] | None:
        """Return the ResetTypes that the System offers; None where it does not tell.

        :param ask: read the ActionInfo (DSP2046) where they stand in that, if it is not known yet.
        :raises UnsupportedOperationError: it has no such action.
        """
        action = self._reset_action()
        told = action.get("ResetType@Redfish.AllowableValues")
        info = action.get("@Redfish.ActionInfo")
        if not told and info and (ask or self.known.find(str(info))):
            document = self.read_optional("tell how it can be reset", self._connector.get, str(info))
            parameters = document.json().get("Parameters") if document is not None else ()
            told = next(
                (item.get("AllowableValues") for item in parameters or () if item.get("Name") == "ResetType"), None
            )
        return [str(value) for value in told] if told else None

    def reset(self, reset_type: str) -> None:
        """Ask for a reset, by its Redfish ResetType."""
        self._read_at = None
        self._connector.post(self._reset_action()["target"], data={"ResetType": reset_type})

    def _reset_action(self) -> Document:
        action = (self.system().json.get("Actions") or {}).get("#ComputerSystem.Reset")
        if not isinstance(action, dict) or not action.get("target"):
            raise UnsupportedOperationError(
                f"The System of the BMC {self._url} has no action Reset.", node=self.node, hint="Switch it by hand."
            )
        return action

    def set_boot(self, waiting: Document, at_once: Document) -> None:
        """Set properties of Boot: in the Settings resource, and on the System; each only where there are some."""
        self._read_at = None
        system = self.system()
        for path, values in ((_settings_of(system.json), waiting), (system.path, at_once)):
            if path and values:
                self.change(path, {"Boot": values})

    def close(self, *, keep: bool = False) -> None:
        super().close(keep=keep)
        self._system = self._managers = self._read_at = None

    def _open_system(self) -> t.Any:
        """Return the System, logged in.

        :raises _MovedError: what is known of the service does not lead to it any more.
        """
        root = self.open()
        with self.translated("read its System"):
            try:
                return System(self._connector, self._find_system(root), root=root)
            except sushy.exceptions.ResourceNotFoundError as exc:
                if self.known.is_recalled:
                    raise _MovedError from exc
                if self._bmc.system_id is None:
                    raise
                known = self.members("Systems")
                raise self._no_such_system(f"has no System '{self._bmc.system_id}'", known) from exc

    def _find_system(self, root: t.Any) -> str:
        """Return the path of the System."""
        if self._system_path:
            return self._system_path
        if self._bmc.system_id is not None:
            return f"{root.json['Systems']['@odata.id'].rstrip('/')}/{self._bmc.system_id}"
        known = self.members("Systems")
        if len(known) != 1:
            raise self._no_such_system(f"has {len(known) or 'no'} Systems, not exactly one", known)
        return str(known[0])

    def _no_such_system(self, what: str, paths: t.Iterable[str]) -> InvalidRequestError:
        known = ", ".join(path.rstrip("/").rpartition("/")[2] for path in paths)
        hint = f"Set bm_bmc.system_id to one of: {known}." if known else "Check bm_bmc.address; restart the BMC."
        return InvalidRequestError(f"The BMC {self._url} {what}.", node=self.node, hint=hint)


def _paths(links: t.Any) -> list[str]:
    """Return where links lead."""
    found = (item.get("@odata.id") for item in links or () if isinstance(item, dict))
    return [str(path) for path in found if path]


def _settings_of(system: Document) -> str | None:
    """Return the path of the resource that keeps what changes at the next start (DSP0266, 9.10), None without one."""
    settings = system.get("@Redfish.Settings")
    found = settings.get("SettingsObject") if isinstance(settings, dict) else None
    return str(found["@odata.id"]) if isinstance(found, dict) and found.get("@odata.id") else None
