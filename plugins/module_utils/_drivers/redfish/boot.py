"""What a Redfish System boots from: the override in ComputerSystem.Boot, and its SecureBoot resource (DSP2046)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from ..._errors import BMCResponseError, BMCTimeoutError, UnsupportedOperationError
from ..._wait import wait_until
from .. import base
from .known import Document
from .override import ENABLED, MODE, TARGET, URI, WIRE_MODES, Override
from .system import SystemSession
from .writes import Limits, carry_through

SOURCES = {base.CDROM: ("Cd",), base.DISK: ("Hdd",), base.PXE: ("Pxe",)}
"""Ours to BootSourceOverrideTarget; of CDs, the quirks know more."""

SETTINGS = Limits(seconds=30.0)
"""For a boot override or Secure Boot to be taken, and to be reported."""

RECENT, JUST_NOW = 60.0, 2.0
"""Seconds for which what was read of the System is good enough: to decide what to set, and to tell."""

LOOKS, LOOK_PAUSE = 4, 1.0
"""How often, and how many seconds apart, a boot override is looked for that was taken."""

LONGEST_START = 600.0
"""Seconds for a machine to come to its firmware's jobs, and through them, once it is on."""


class RedfishManagement(base.ManagementInterface):
    """Boot override through ComputerSystem.Boot, Secure Boot through its SecureBoot resource."""

    def __init__(self, driver: base.Driver, session: SystemSession) -> None:
        super().__init__(driver)
        self._session = session
        self._pending: dict[str, tuple[t.Callable[[], object], object]] = {}

    def get_boot_device(self) -> base.BootDevice:
        override = self._session.read_override("read the boot device", within=JUST_NOW)
        if not override.boot and not override.pending:
            raise UnsupportedOperationError(
                "The BMC does not tell what the machine boots from: its System has no Boot.",
                node=self._node.name,
                hint="It can't be deployed over Redfish.",
            )
        return override.device

    def check_boot_device(self, device: str, *, mode: str) -> None:
        now = self._session.read_override("read what it can boot from", within=JUST_NOW)
        self._choose_source(device, now)
        self._check_mode(mode, now)

    def set_boot_device(self, device: str, *, mode: str, persistent: bool = False) -> None:
        now = self._session.read_override("read the boot device", within=RECENT, pending="device")
        source = self._choose_source(device, now)
        self._check_mode(mode, now)
        enabled = "Continuous" if persistent and "Continuous" in (now.allowed(ENABLED) or ["Continuous"]) else "Once"
        wanted = base.BootDevice(device, enabled == "Continuous", mode)
        if now.device in (wanted, dataclasses.replace(wanted, mode=None)) and now.value(TARGET) == source:
            return
        values = {TARGET: source, ENABLED: enabled, **({URI: None} if now.value(URI) else {})}
        try:
            seen = self._set(now, wanted, values)
        except BMCResponseError as exc:
            if enabled == "Once" or exc.retryable:
                raise
            wanted = dataclasses.replace(wanted, persistent=False)  # some keep nothing persistently, and do not tell
            seen = self._set(now, wanted, {**values, ENABLED: "Once"})
        if not _fits(seen, wanted):
            raise self._forgotten(wanted, seen)

    def clear_boot_device(self) -> None:
        now = self._session.read_override("read the boot device", within=JUST_NOW)
        if now.device.device is None:
            return
        whole = self._session.quirk.whole_override
        values = {ENABLED: "Disabled", **({TARGET: "None"} if whole or "None" in (now.allowed(TARGET) or ()) else {})}
        mode = {MODE: now.value(MODE)} if now.value(MODE) else {}
        self._send("remove the boot override", now, values, mode, lambda: self._look().device is None, with_mode=whole)
        seen = self._look()
        if seen.device is not None:
            raise self._forgotten(base.BootDevice(None, False), seen)

    def check_http_boot(self) -> None:
        now = self._session.read_override("read what it can boot from", within=JUST_NOW)
        has_source = "UefiHttp" in (now.allowed(TARGET) or ["UefiHttp"])
        if not has_source or not now.has(URI):
            raise UnsupportedOperationError(
                "The BMC can't tell the firmware a URL to boot from: it offers"
                f" {'no HttpBootUri' if has_source else 'no UefiHttp'}.",
                node=self._node.name,
                hint="Set bm_boot_interface to virtual_media or ipxe.",
            )

    def set_http_boot(self, url: str) -> None:
        def look() -> tuple[str | None, base.BootDevice]:
            seen = self._session.read_override("read the boot URL")
            return seen.value(URI), seen.device

        def fits(seen: tuple[str | None, base.BootDevice]) -> bool:
            # Some fetch the image themselves and boot it as a CD.
            return seen[0] == url and seen[1].device in (base.HTTP, base.CDROM)

        now = self._session.read_override("read what it can boot from", within=RECENT)
        self._write("boot from UefiHttp", now, {TARGET: "UefiHttp", ENABLED: "Once", URI: url}, lambda: fits(look()))
        seen = look()
        if not fits(seen):
            raise self._forgotten(url, f"{seen[1]}, URL {seen[0]}")

    def get_secure_boot(self) -> bool | None:
        try:
            return self.read_secure_boot()
        except BMCResponseError:
            return None  # what is only looked at, need not be told

    def read_secure_boot(self) -> bool | None:
        """Return whether Secure Boot is on; None where the BMC has no such setting.

        :raises BMCResponseError: it does not let us read it.
        """
        path = self._read_secure_boot_path()
        told = self._session.read("read its Secure Boot setting", path).get("SecureBootEnable") if path else None
        return None if told is None else bool(told)

    def set_secure_boot(self, enabled: bool) -> None:
        now = self.get_secure_boot()
        if now == enabled:
            return
        if now is None:
            raise self._unsupported("switch Secure Boot on this BMC", "Switch it in the firmware's own setup.")
        path = str(self._read_secure_boot_path())
        is_taken = carry_through(
            self._session,
            "switch Secure Boot",
            lambda: self._session.change(path, {"SecureBootEnable": enabled}),
            lambda: self.get_secure_boot() == enabled,
            SETTINGS,
        )
        self._settle(is_taken, lambda: self.get_secure_boot() == enabled)
        if self.get_secure_boot() == enabled:
            return
        if not self._session.quirk.changes_later:
            raise BMCResponseError(
                f"The BMC was told to switch Secure Boot {'on' if enabled else 'off'}, and reports the opposite.",
                node=self._node.name,
                hint="Switch it in the firmware's own setup; some firmware wants its keys enrolled first.",
            )
        self._pending["Secure Boot"] = (self.get_secure_boot, enabled)

    def await_changes(self) -> None:
        for what, (read, wanted) in self._pending.items():
            wait_until(
                lambda read=read: str(read()),  # type: ignore[misc]
                str(wanted),
                what=f"{what}, accepted for the next start,",
                node=self._node.name,
                timeout=LONGEST_START,
            )
        self._pending.clear()

    def _choose_source(self, device: str, now: Override) -> str:
        """Return the BootSourceOverrideTarget for a device.

        :raises UnsupportedOperationError: the BMC has none, or no override at all.
        """
        if not now.has(TARGET):
            raise UnsupportedOperationError(
                "The BMC can't be told what to boot from: its System has no BootSourceOverrideTarget.",
                node=self._node.name,
                hint="It knows the firmware's own boot order alone, so that no ramdisk can be booted over it.",
            )
        allowed = now.allowed(TARGET)
        if allowed is None:
            return SOURCES[device][0]
        for source in self._session.quirk.cd_sources if device == base.CDROM else SOURCES[device]:
            if source in allowed:
                return source
        raise UnsupportedOperationError(
            f"The BMC can't make the machine boot from {SOURCES[device][0]}.",
            node=self._node.name,
            hint=f"It offers: {', '.join(allowed)}.",
        )

    def _check_mode(self, mode: str, now: Override) -> None:
        """Refuse a boot mode that the BMC excludes; one that it does not tell of counts as right."""
        allowed = now.allowed(MODE)
        if allowed and WIRE_MODES[mode] not in allowed:
            raise UnsupportedOperationError(
                f"The machine can't boot in {mode} mode: its BMC offers {', '.join(allowed)} alone.",
                node=self._node.name,
                hint="Set bm_boot_mode to the other one.",
            )

    def _set(self, now: Override, wanted: base.BootDevice, values: Document) -> base.BootDevice:
        """Set the override; return what the BMC then reports. Some change the mode along, some forget all."""
        is_told = now.has(MODE)
        with_mode = is_told and (now.device.mode != wanted.mode or self._session.quirk.whole_override)
        seen = now.device
        doing, mode = f"boot from {values[TARGET]}", {MODE: WIRE_MODES[str(wanted.mode)]}
        for dummy in range(2):
            with_mode = self._send(doing, now, values, mode, lambda: _fits(self._look(), wanted), with_mode=with_mode)
            seen = self._look_for(wanted.device, "known" if with_mode else "device")
            if _fits(seen, wanted):
                return seen
            with_mode = with_mode or (is_told and seen.mode != wanted.mode)
        if with_mode and self._session.quirk.changes_later and _fits(dataclasses.replace(seen, mode=None), wanted):
            self._pending["boot mode"] = (lambda: self._look().mode, wanted.mode)
            return dataclasses.replace(seen, mode=wanted.mode)
        return seen

    def _send(
        self,
        doing: str,
        now: Override,
        values: Document,
        mode: Document,
        is_done: t.Callable[[], bool],
        *,
        with_mode: bool,
    ) -> bool:
        """Send an override; with the mode, where it is to be, or is asked for. Return whether it was sent along."""
        try:
            self._write(doing, now, {**values, **(mode if with_mode else {})}, is_done)
        except BMCResponseError as exc:
            if with_mode or MODE not in exc.message:
                raise
            self._write(doing, now, {**values, **mode}, is_done)
            return True
        return with_mode

    def _write(self, doing: str, now: Override, values: Document, is_done: t.Callable[[], bool]) -> None:
        """Set properties of Boot where they belong; where that is refused, in the other place, from then on."""

        def send(override: Override) -> bool:
            places = override.places(values)
            return carry_through(self._session, doing, lambda: self._session.set_boot(*places), is_done, SETTINGS)

        other = dataclasses.replace(now, waits=not now.waits)
        try:
            is_taken = send(now)
        except BMCResponseError as exc:
            if exc.retryable or other.places(values) == now.places(values):
                raise
            try:
                is_taken = send(other)
            except BMCResponseError:
                raise exc from None
            self._session.known["waits"] = other.waits
        self._settle(is_taken, is_done)

    def _settle(self, is_taken: bool, is_done: t.Callable[[], bool]) -> None:
        """Where the BMC has only accepted something, wait until it reports it, within the limit."""
        if not is_taken:
            with contextlib.suppress(BMCTimeoutError):  # what is reported then, is told by who looks next
                wait_until(
                    lambda: "reported" if is_done() else "not yet",
                    "reported",
                    what="setting",
                    node=self._node.name,
                    timeout=SETTINGS.seconds,
                )

    def _look(self, pending: str = "always") -> base.BootDevice:
        return self._session.read_override("read the boot device", pending=pending).device

    def _look_for(self, device: str | None, pending: str) -> base.BootDevice:
        """Return what the BMC reports; it may take it a moment to report a device."""
        for number in range(LOOKS):
            time.sleep(LOOK_PAUSE if number > 1 else 0)
            seen = self._look("always" if number else pending)
            if seen.device == device:
                break
        return seen

    def _read_secure_boot_path(self) -> str | None:
        link = self._session.system().json.get("SecureBoot")
        return str(link["@odata.id"]) if isinstance(link, dict) and link.get("@odata.id") else None


def _fits(seen: base.BootDevice, wanted: base.BootDevice) -> bool:
    """Return whether a boot device is the wanted one; a mode that is not told counts as right."""
    return seen.device == wanted.device and seen.mode in (wanted.mode, None)
