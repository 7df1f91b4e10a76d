"""The Redfish driver: power, boot device and virtual media of one System (DMTF DSP0266, DSP2046)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._contract.node import Node
from ..._errors import BMCResponseError, UnsupportedOperationError
from .. import base
from .inspect import RedfishInspect
from .media import RedfishVirtualMedia
from .quirks import Quirk, quirk_of
from .session import Session, value_of
from .writes import Limits, carry_through

POWER_STATES = {
    "On": base.POWER_ON,
    "Off": base.POWER_OFF,
    "PoweringOn": base.POWER_OFF,
    "PoweringOff": base.POWER_ON,
    "Paused": base.POWER_ON,
}
"""Redfish PowerState to ours; a state in between counts as the one that is being left."""

RESET_TYPES = {
    (base.POWER_ON, False): ("On", "ForceOn"),
    (base.POWER_OFF, False): ("ForceOff",),
    (base.POWER_OFF, True): ("GracefulShutdown",),
}
"""Wanted state and softness to Redfish ResetType, best first; none that does something else when it is sent twice."""

BOOT_SOURCES = {base.CDROM: "Cd", base.DISK: "Hdd", base.PXE: "Pxe"}
BOOT_DEVICES = {"Cd": base.CDROM, "UsbCd": base.CDROM, "Hdd": base.DISK, "Pxe": base.PXE, "UefiHttp": base.HTTP}
BOOT_MODES = {"uefi": "UEFI", "bios": "Legacy"}

SETTINGS = Limits(seconds=30.0)
"""For a boot override or Secure Boot to be taken, and to be reported."""

STATE_TRIES, STATE_PAUSE = 3, 1.0
"""How often a power state that is none of Redfish's, or null, is asked for, and after how many seconds."""


class RedfishPower(base.PowerInterface):
    """Power through ComputerSystem.Reset."""

    def __init__(self, driver: RedfishDriver) -> None:
        super().__init__(driver)
        self._driver = driver

    def get_power_state(self) -> str:
        for attempt in range(STATE_TRIES):
            if attempt:
                time.sleep(STATE_PAUSE)
            state = value_of(self._driver.read_system("read the power state").power_state)
            if state in POWER_STATES:
                return POWER_STATES[state]
        raise BMCResponseError(
            f"The BMC reports the power state '{state}'.",
            node=self._driver.node.name,
            hint="See its log.",
            retryable=True,
        )

    def request_power_state(self, state: str, *, soft: bool) -> None:
        session, quirk, reset_type = self._driver.session, self._driver.quirk, self._reset_type(state, soft)
        carry_through(
            session,
            f"reset the machine ({reset_type})",
            lambda: session.reset(reset_type),
            lambda: self.get_power_state() == state,  # a refusal because it is so already is success
            Limits(quirk.reset_attempts, quirk.reset_wait, self._driver.node.bmc.power_timeout),
        )

    def _reset_type(self, state: str, soft: bool) -> str:
        with self._driver.session.translated("tell how it can be reset"):
            allowed = {value_of(item) for item in self._driver.system.get_allowed_reset_system_values()}
        for reset_type in RESET_TYPES[state, soft]:
            if reset_type in allowed:
                return reset_type
        raise UnsupportedOperationError(
            f"The BMC can't bring the machine to '{state}'{' softly' if soft else ''}.",
            node=self._driver.node.name,
            hint=f"It offers: {', '.join(sorted(filter(None, allowed)))}.",
        )


class RedfishManagement(base.ManagementInterface):
    """Boot override through ComputerSystem.Boot, Secure Boot through its SecureBoot resource."""

    def __init__(self, driver: RedfishDriver) -> None:
        super().__init__(driver)
        self._driver = driver

    def get_boot_device(self) -> base.BootDevice:
        boot = self._driver.session.read_boot("read the boot device")
        if not boot:
            raise self._unsupported("be told what to boot from: its System has no Boot", "Set it by hand in the BMC.")
        modes = {value: key for key, value in BOOT_MODES.items()}
        enabled = boot.get("BootSourceOverrideEnabled")
        device = None if enabled == "Disabled" else BOOT_DEVICES.get(str(boot.get("BootSourceOverrideTarget")))
        return base.BootDevice(device, enabled == "Continuous", modes.get(str(boot.get("BootSourceOverrideMode"))))

    def set_boot_device(self, device: str, *, mode: str, persistent: bool = False) -> None:
        persistent = persistent and self._driver.quirk.persistent_override
        wanted = base.BootDevice(device, persistent, mode)
        seen = self.get_boot_device()
        if seen in (wanted, dataclasses.replace(wanted, mode=None)):
            return
        for dummy in range(2):  # some change the mode along with the device, some forget what they have taken
            seen = self._set(wanted, with_mode=seen.mode not in (mode, None))
            if _fits(seen, wanted):
                return
        raise self._forgotten(wanted, seen)

    def _set(self, wanted: base.BootDevice, *, with_mode: bool) -> base.BootDevice:
        """Set the override; return what the BMC then reports."""
        source = BOOT_SOURCES[str(wanted.device)]
        enabled = "Continuous" if wanted.persistent else "Once"
        mode = BOOT_MODES[str(wanted.mode)] if with_mode else None
        self._write(
            f"boot from {source}",
            lambda: self._driver.session.set_boot(source, enabled, mode),
            lambda: _fits(self.get_boot_device(), wanted),
        )
        return self.get_boot_device()

    def _write(self, doing: str, send: t.Callable[[], object], is_done: t.Callable[[], bool]) -> None:
        """Write a setting; where the BMC has only accepted it, wait until it reports it, within the limit."""
        deadline = time.monotonic() + SETTINGS.seconds
        if carry_through(self._driver.session, doing, send, is_done, SETTINGS):
            return
        while not is_done() and time.monotonic() < deadline:
            time.sleep(1.0)

    def clear_boot_device(self) -> None:
        if self.get_boot_device().device is None:
            return
        self._write(
            "remove the boot override",
            lambda: self._driver.session.set_boot(None, "Disabled", None),
            lambda: self.get_boot_device().device is None,
        )
        seen = self.get_boot_device()
        if seen.device is not None:
            raise self._forgotten(base.BootDevice(None, False), seen)

    def check_http_boot(self) -> None:
        doing = "read what it can boot from"
        boot = self._driver.session.read_boot(doing)
        with self._driver.session.translated(doing):
            sources = {value_of(item) for item in self._driver.system.get_allowed_system_boot_source_values()}
        if "UefiHttp" not in sources or "HttpBootUri" not in boot:
            raise UnsupportedOperationError(
                "The BMC can't tell the firmware a URL to boot from: it offers"
                f" {'no UefiHttp' if 'UefiHttp' not in sources else 'no HttpBootUri'}.",
                node=self._driver.node.name,
                hint="Set bm_boot_interface to virtual_media or ipxe.",
            )

    def set_http_boot(self, url: str) -> None:
        def look() -> tuple[str | None, base.BootDevice]:
            seen = self._driver.session.read_boot("read the boot URL").get("HttpBootUri")
            return seen, self.get_boot_device()

        def fits(seen: tuple[str | None, base.BootDevice]) -> bool:
            # Some fetch the image themselves and boot it as a CD.
            return seen[0] == url and seen[1].device in (base.HTTP, base.CDROM)

        self._write(
            "boot from UefiHttp",
            lambda: self._driver.session.set_boot("UefiHttp", "Once", None, url),
            lambda: fits(look()),
        )
        seen = look()
        if not fits(seen):
            raise self._forgotten(url, f"{seen[1]}, URL {seen[0]}")

    def get_secure_boot(self) -> bool | None:
        resource = self._driver.session.secure_boot()
        return None if resource is None else bool(resource.enabled)

    def set_secure_boot(self, enabled: bool) -> None:
        now = self.get_secure_boot()
        if now == enabled:
            return
        if now is None:
            raise self._unsupported("switch Secure Boot on this BMC", "Switch it in the firmware's own setup.")
        self._write(
            "switch Secure Boot",
            lambda: self._driver.session.switch_secure_boot(enabled),
            lambda: self.get_secure_boot() == enabled,
        )
        if self.get_secure_boot() != enabled:
            raise BMCResponseError(
                f"The BMC was told to switch Secure Boot {'on' if enabled else 'off'}, and reports the opposite.",
                node=self._driver.node.name,
                hint="Switch it in the firmware's own setup; some firmware wants its keys enrolled first.",
            )


def _fits(seen: base.BootDevice, wanted: base.BootDevice) -> bool:
    """Return whether a boot device is the wanted one; a mode that is not told counts as right."""
    return seen.device == wanted.device and seen.mode in (wanted.mode, None)


class RedfishDriver(base.Driver):
    """One System behind one Redfish service."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.session = Session(node.bmc, node.name, self.counters)
        self.power = RedfishPower(self)
        self.management = RedfishManagement(self)
        self.virtual_media = RedfishVirtualMedia(self.session)
        self.inspect = RedfishInspect(self.session)

    @property
    def system(self) -> t.Any:
        """The System as it was read last."""
        return self.session.system()

    @property
    def quirk(self) -> Quirk:
        """How this vendor's service wants to be treated."""
        return quirk_of(self.system.manufacturer)

    def read_system(self, doing: str) -> t.Any:
        """Return the System as it is now."""
        return self.session.read_system(doing)

    def close(self) -> None:
        self.session.close()
