"""The IPMI driver: power, boot device, sensors, event log and FRU over IPMI 2.0 (specification revision 1.1, LAN)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t

from ..._contract.node import Node
from ..._errors import BMCConnectionError, BMCResponseError, UnsupportedOperationError
from .. import base, interfaces
from ..examination import Examination
from .address import check_lengths
from .console import IPMIConsole
from .inspect import IPMIInspect
from .lan import health_name
from .session import Session

CHASSIS = 0x00
"""Network function of the chassis commands (table 5-1)."""

GET_CHASSIS_STATUS = 0x01
CHASSIS_CONTROL = 0x02
SET_BOOT_OPTIONS = 0x08
GET_BOOT_OPTIONS = 0x09
"""Chassis commands (section 28.2, 28.3, 28.12, 28.13)."""

APPLICATION, GET_DEVICE_ID = 0x06, 0x01
"""Network function and command (section 20.1)."""

CONTROLS = {(base.POWER_OFF, False): 0, (base.POWER_ON, False): 1, (base.POWER_OFF, True): 5}
"""Wanted state and softness to the Chassis Control command's data (table 28-4)."""

KEEP_FLAGS, BOOT_FLAGS = 3, 5
"""Boot option parameters (table 28-14): when the BMC clears the boot flags by itself, and the flags."""

DO_NOT_EXPIRE = 0x08
"""Of KEEP_FLAGS: keep the flags although no chassis control command comes within 60 s."""

VALID, PERSISTENT, UEFI = 0x80, 0x40, 0x20
"""Of the first byte of BOOT_FLAGS. Without UEFI a machine is asked to boot in legacy mode."""

SELECTORS = {base.PXE: 1, base.DISK: 2, base.CDROM: 5}
"""Boot device selector, bits 5:2 of the second byte of BOOT_FLAGS."""

REMOTE_DISK = 9
"""Selector "remotely connected hard drive", by which Supermicro's machines mean the disk in UEFI mode (their FAQ 25559;
Ironic's ipmitool does the same): with 2 they look for a legacy one."""

SUPERMICRO = 10876
"""The maker's IANA enterprise number, as Get Device ID tells it."""

INVALID = 0x80
"""Of the parameter version that Get System Boot Options returns: the parameter is locked or invalid."""


class Flags(t.NamedTuple):
    """The boot flags as a BMC tells them; ``counts``: whether they are in force."""

    device: base.BootDevice
    counts: bool

    @classmethod
    def parse(cls, answer: t.Sequence[int]) -> Flags:
        """Return what Get System Boot Options answers for BOOT_FLAGS."""
        parameter, flags, selector = answer[1], answer[2], answer[3] >> 2 & 0xF
        if parameter & INVALID or not selector:
            return cls(base.BootDevice(None, False), False)
        names = {value: key for key, value in SELECTORS.items()} | {REMOTE_DISK: base.DISK}
        device = base.BootDevice(
            names.get(selector, f"selector {selector}"), bool(flags & PERSISTENT), "uefi" if flags & UEFI else "bios"
        )
        return cls(device, bool(flags & VALID))


class IPMIPower(base.PowerInterface):
    """Power through Chassis Control."""

    def __init__(self, driver: IPMIDriver) -> None:
        super().__init__(driver)
        self._session = driver.session

    def get_power_state(self) -> str:
        answer = self._session.command(CHASSIS, GET_CHASSIS_STATUS, doing="read the power state", length=1)
        return base.POWER_ON if answer[0] & 1 else base.POWER_OFF

    def request_power_state(self, state: str, *, soft: bool) -> None:
        control = CONTROLS[state, soft]
        try:
            self._session.command(CHASSIS, CHASSIS_CONTROL, [control], doing=f"bring the machine to '{state}'")
        except (BMCConnectionError, BMCResponseError):
            # A refusal because it is so already is success, and so is a lost answer to what was done.
            if self.get_power_state() != state:
                raise


class IPMIManagement(base.ManagementInterface):
    """Boot device through the boot flags."""

    def __init__(self, driver: IPMIDriver) -> None:
        super().__init__(driver)
        self._session = driver.session

    def get_boot_device(self) -> base.BootDevice:
        seen = self._read_flags()
        return seen.device if seen and seen.counts else base.BootDevice(None, False)

    def _read_flags(self) -> Flags | None:
        """Return the boot flags; None where the BMC takes them and can't tell them, in whichever words."""
        try:
            answer = self._session.command(
                CHASSIS, GET_BOOT_OPTIONS, [BOOT_FLAGS, 0, 0], doing="read the boot device", length=4
            )
        except (UnsupportedOperationError, BMCResponseError):
            return None
        return Flags.parse(answer)

    def set_boot_device(self, device: str, *, mode: str, persistent: bool = False) -> None:
        wanted = base.BootDevice(device, persistent, mode)
        if persistent and self.get_boot_device() == wanted:
            return
        flags = VALID | (PERSISTENT if persistent else 0) | (UEFI if mode == "uefi" else 0)
        self._write_flags(flags, self._selector(device, mode), f"boot from {device}", wanted)

    def _selector(self, device: str, mode: str) -> int:
        if (device, mode) == (base.DISK, "uefi") and self._maker() == SUPERMICRO:
            return REMOTE_DISK
        return SELECTORS[device]

    def _maker(self) -> int | None:
        with contextlib.suppress(BMCResponseError, UnsupportedOperationError):
            told = self._session.command(APPLICATION, GET_DEVICE_ID, doing="tell its maker", length=9)
            return int.from_bytes(bytes(told[6:9]), "little")
        return None

    def clear_boot_device(self) -> None:
        nothing = base.BootDevice(None, False)
        seen = self._read_flags()
        if seen is None or seen.counts:
            self._write_flags(0, 0, "remove the boot override", nothing)

    def _write_flags(self, flags: int, selector: int, doing: str, wanted: base.BootDevice) -> None:
        """Set the boot flags and read them back, where the BMC can tell them; twice, if it forgets them.

        Some BMCs tell what was set and never call it valid: what they keep is what counts.
        """
        told = base.BootDevice(None, False)
        for dummy in range(2):
            self._set_flags(flags, selector, doing)
            seen = self._read_flags()
            if seen is None or seen.device == wanted or not (wanted.device or seen.counts):
                return
            told = seen.device if seen.counts else told
        raise self._forgotten(wanted, told)

    def _set_flags(self, flags: int, selector: int, doing: str) -> None:
        # Optional in the specification; without it the flags count for 60 s.
        with contextlib.suppress(BMCResponseError, UnsupportedOperationError):
            self._session.command(CHASSIS, SET_BOOT_OPTIONS, [KEEP_FLAGS, DO_NOT_EXPIRE], doing=doing)
        self._session.command(CHASSIS, SET_BOOT_OPTIONS, [BOOT_FLAGS, flags, selector << 2, 0, 0, 0], doing=doing)


class IPMIHealth(interfaces.HealthInterface):
    """Sensors and system event log, decoded by pyghmi."""

    def __init__(self, driver: IPMIDriver) -> None:
        self._session = driver.session

    def get_sensors(self) -> list[dict[str, t.Any]]:
        return [
            {
                "name": item.name,
                "type": item.type,
                "value": item.value,
                "units": (item.units or "").strip(),
                "health": health_name(item.health),
                "states": list(item.states or []),
            }
            for item in self._session.read_sensors()
        ]

    def get_event_log(self) -> list[dict[str, t.Any]]:
        return [
            {
                "timestamp": item.get("timestamp"),
                "component": item.get("component"),
                "event": item.get("event"),
                "severity": health_name(item.get("severity")),
            }
            for item in self._session.read_event_log()
        ]


class IPMIDriver(base.Driver):
    """One machine behind one BMC that speaks IPMI over LAN."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        check_lengths(node.bmc, node.name)
        self.session = Session(node.bmc, node.name, self.counters, self._recall)
        self.power = IPMIPower(self)
        self.management = IPMIManagement(self)
        self.health = IPMIHealth(self)
        self.console = IPMIConsole(self.session)
        self.inspect = IPMIInspect(self.session)
        self.examine = Examination(self)

    def _recall(self) -> t.Mapping[str, t.Any]:
        return self.recall()

    @property
    def learnt(self) -> dict[str, t.Any] | None:
        return self.session.memory.learnt

    def close(self) -> None:
        self.session.close()
