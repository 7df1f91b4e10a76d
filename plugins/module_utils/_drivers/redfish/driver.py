"""The Redfish driver: power, boot device and virtual media of one System (DMTF DSP0266, DSP2046)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from ..._contract.node import Node
from ..._errors import BMCResponseError, UnsupportedOperationError
from ..._wait import retry, wait_until
from .. import base
from .inspect import RedfishInspect
from .quirks import Quirk, quirk_of
from .session import Session

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

MEDIA_TIMEOUT = 120
"""Seconds for a BMC to fetch boot media and report it as inserted."""


def _value(item: t.Any) -> str | None:
    """Return the wire value of a sushy enumeration."""
    return None if item is None else str(getattr(item, "value", item))


class RedfishPower(base.PowerInterface):
    """Power through ComputerSystem.Reset."""

    def __init__(self, driver: RedfishDriver) -> None:
        super().__init__(driver)
        self._driver = driver

    def get_power_state(self) -> str:
        system = self._driver.read_system("read the power state")
        state = _value(system.power_state)
        if state not in POWER_STATES:
            raise BMCResponseError(
                f"The BMC reports the power state '{state}'.", node=self._driver.node.name, hint="See its log."
            )
        return POWER_STATES[state]

    def request_power_state(self, state: str, *, soft: bool) -> None:
        quirk = self._driver.quirk
        retry(
            lambda: self._reset(state, soft),
            on=(BMCResponseError,),
            attempts=quirk.reset_attempts,
            wait=quirk.reset_wait,
        )

    def _reset(self, state: str, soft: bool) -> None:
        with self._driver.session.translated("tell how it can be reset"):
            allowed = {_value(item) for item in self._driver.system.get_allowed_reset_system_values()}
        for reset_type in RESET_TYPES[state, soft]:
            if reset_type in allowed:
                break
        else:
            raise UnsupportedOperationError(
                f"The BMC can't bring the machine to '{state}'{' softly' if soft else ''}.",
                node=self._driver.node.name,
                hint=f"It offers: {', '.join(sorted(filter(None, allowed)))}.",
            )
        try:
            self._driver.session.reset(reset_type)
        except BMCResponseError:
            if self.get_power_state() != state:  # a refusal because it is so already is success
                raise


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
        seen = self._set(wanted, with_mode=seen.mode not in (mode, None))
        if seen.mode not in (mode, None):  # some change the mode along with the device
            seen = self._set(wanted, with_mode=True)
        if seen.device != device or seen.mode not in (mode, None):
            raise self._forgotten(wanted, seen)

    def _set(self, wanted: base.BootDevice, *, with_mode: bool) -> base.BootDevice:
        """Set the override; return what the BMC then reports."""
        self._driver.session.set_boot(
            BOOT_SOURCES[str(wanted.device)],
            "Continuous" if wanted.persistent else "Once",
            BOOT_MODES[str(wanted.mode)] if with_mode else None,
        )
        return self.get_boot_device()

    def clear_boot_device(self) -> None:
        if self.get_boot_device().device is None:
            return
        self._driver.session.set_boot(None, "Disabled", None)
        seen = self.get_boot_device()
        if seen.device is not None:
            raise self._forgotten(base.BootDevice(None, False), seen)

    def check_http_boot(self) -> None:
        doing = "read what it can boot from"
        boot = self._driver.session.read_boot(doing)
        with self._driver.session.translated(doing):
            sources = {_value(item) for item in self._driver.system.get_allowed_system_boot_source_values()}
        if "UefiHttp" not in sources or "HttpBootUri" not in boot:
            raise UnsupportedOperationError(
                "The BMC can't tell the firmware a URL to boot from: it offers"
                f" {'no UefiHttp' if 'UefiHttp' not in sources else 'no HttpBootUri'}.",
                node=self._driver.node.name,
                hint="Set bm_boot_interface to virtual_media or ipxe.",
            )

    def set_http_boot(self, url: str) -> None:
        self._driver.session.set_boot("UefiHttp", "Once", None, url)
        seen = self._driver.session.read_boot("read the boot URL").get("HttpBootUri")
        device = self.get_boot_device()
        # Some fetch the image themselves and boot it as a CD.
        if seen != url or device.device not in (base.HTTP, base.CDROM):
            raise self._forgotten(url, f"{device}, URL {seen}")

    def get_secure_boot(self) -> bool | None:
        resource = self._driver.session.secure_boot()
        return None if resource is None else bool(resource.enabled)

    def set_secure_boot(self, enabled: bool) -> None:
        now = self.get_secure_boot()
        if now == enabled:
            return
        if now is None:
            raise self._unsupported("switch Secure Boot on this BMC", "Switch it in the firmware's own setup.")
        self._driver.session.set_secure_boot(enabled)
        if self.get_secure_boot() != enabled:
            raise BMCResponseError(
                f"The BMC was told to switch Secure Boot {'on' if enabled else 'off'}, and reports the opposite.",
                node=self._driver.node.name,
                hint="Switch it in the firmware's own setup; some firmware wants its keys enrolled first.",
            )


class RedfishVirtualMedia(base.VirtualMediaInterface):
    """Boot media through VirtualMedia of the System or of its Manager."""

    def __init__(self, driver: RedfishDriver) -> None:
        self._driver = driver
        self._slot: t.Any = None

    def get_media(self) -> str | None:
        if self._slot is None:
            slot = self._get_slot()  # which has just been read
        else:
            slot = self._slot
            with self._driver.session.translated("read its virtual media"):
                slot.refresh(force=True)
        return (slot.image or "unknown") if slot.inserted else None

    def insert_media(self, url: str) -> None:
        media = self.get_media()
        if media == url:
            return
        if media is not None:
            self._eject()
        with self._driver.session.translated(f"insert {url}"):
            self._slot.insert_media(url)
        self._await("inserted")

    def eject_media(self) -> bool:
        if self.get_media() is None:
            return False
        self._eject()
        return True

    def _eject(self) -> None:
        with self._driver.session.translated("eject its virtual media"):
            self._slot.eject_media()
        self._await("empty")

    def _await(self, wanted: str) -> None:
        wait_until(
            lambda: "empty" if self.get_media() is None else "inserted",
            wanted,
            what="virtual media",
            node=self._driver.node.name,
            timeout=MEDIA_TIMEOUT,
        )

    def _get_slot(self) -> t.Any:
        if self._slot is None:
            with self._driver.session.translated("list its virtual media"):
                slots = list(self._list_slots())
            if not slots:
                raise UnsupportedOperationError(
                    "The BMC has no virtual CD drive.",
                    node=self._driver.node.name,
                    hint="Check its licence and that virtual media are enabled.",
                )
            self._slot = slots[0]
        return self._slot

    def _list_slots(self) -> t.Iterator[t.Any]:
        """Yield the drives that take boot media, the best first; newer services have them below the System."""
        system = self._driver.system
        parents = [system] if "VirtualMedia" in system.json else system.managers
        members = [slot for parent in parents for slot in parent.virtual_media.get_members()]
        for wanted in self._driver.quirk.media_types:
            yield from (slot for slot in members if wanted in map(_value, slot.media_types))


class RedfishDriver(base.Driver):
    """One System behind one Redfish service."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.session = Session(node.bmc, node.name, self.counters)
        self.power = RedfishPower(self)
        self.management = RedfishManagement(self)
        self.virtual_media = RedfishVirtualMedia(self)
        self.inspect = RedfishInspect(self.session)

    @property
    def system(self) -> t.Any:
        """The System as it was read last."""
        return self.session.system()

    @property
    def quirk(self) -> Quirk:
        """How this vendor's service wants to be treated."""
        manufacturer = self.system.manufacturer
        return quirk_of(manufacturer if isinstance(manufacturer, str) else None)

    def read_system(self, doing: str) -> t.Any:
        """Return the System as it is now."""
        return self.session.read_system(doing)

    def close(self) -> None:
        self.session.close()
