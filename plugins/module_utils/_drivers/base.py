"""What a driver must be able to do: small interfaces by capability, after Ironic's ``drivers/base.py``."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import abc
import dataclasses
import typing as t

from .._node import Node

POWER_ON = "power on"
POWER_OFF = "power off"

CDROM = "cdrom"
DISK = "disk"
PXE = "pxe"


@dataclasses.dataclass
class Counters:
    """What a driver has done: requests to the BMC, and how often the machine was switched on."""

    bmc_requests: int = 0
    power_ons: int = 0


@dataclasses.dataclass(frozen=True)
class BootDevice:
    """A boot override. ``device`` is cdrom, disk, pxe or None for none; ``mode`` is uefi, bios or None if unknown."""

    device: str | None
    persistent: bool
    mode: str | None = None


class PowerInterface(abc.ABC):
    """Power of the machine. All methods talk to the BMC and block."""

    @abc.abstractmethod
    def get_power_state(self) -> str:
        """Return ``power on`` or ``power off``; a state in between counts as the one that is being left.

        :raises BMCError: the BMC is away, refuses, or answers something else.
        """

    @abc.abstractmethod
    def set_power_state(self, state: str, *, soft: bool = False) -> bool:
        """Bring the machine into ``state`` and wait until it is; say whether anything was asked of the BMC.

        Idempotent: already so is success.

        :param soft: ask the operating system to power off, instead of cutting the power.
        :raises BMCTimeoutError: the state did not come true within the BMC's power_timeout.
        :raises BMCError: the BMC is away or refuses.
        """

    def reboot(self) -> None:
        """Power the machine off and on again, waiting for both.

        :raises BMCError: as set_power_state.
        """
        self.set_power_state(POWER_OFF)
        self.set_power_state(POWER_ON)


class ManagementInterface(abc.ABC):
    """Boot device and boot mode. All methods talk to the BMC."""

    @abc.abstractmethod
    def get_boot_device(self) -> BootDevice:
        """Return the boot override that the BMC reports.

        :raises BMCError: the BMC is away or refuses.
        """

    @abc.abstractmethod
    def set_boot_device(self, device: str, *, mode: str, persistent: bool = False) -> None:
        """Set the boot override and read it back. Idempotent.

        :param device: cdrom, disk or pxe.
        :param mode: uefi or bios; a machine is never left in the other one silently.
        :raises UnsupportedOperationError: the machine can't boot from it.
        :raises BMCResponseError: the BMC took it and reports something else.
        """


class BootInterface(abc.ABC):
    """Media for the machine to boot from."""

    @abc.abstractmethod
    def get_media(self) -> str | None:
        """Return the URL of the inserted boot media, None if there is none.

        :raises UnsupportedOperationError: the BMC has no virtual media.
        """

    @abc.abstractmethod
    def insert_media(self, url: str) -> None:
        """Insert boot media, after ejecting what is in the drive; read it back. Idempotent.

        :raises UnsupportedOperationError: the BMC has no virtual media.
        :raises BMCResponseError: the BMC can't fetch it, or reports something else.
        """

    @abc.abstractmethod
    def eject_media(self) -> bool:
        """Eject the boot media; say whether there was one. Idempotent.

        :raises BMCError: the BMC is away or refuses.
        """


class Agent(t.Protocol):
    """Says whether the deploy ramdisk answers."""

    def probe(self) -> tuple[bool, str]:
        """Return whether it answers as the one that was booted, and what was seen."""


class Driver(abc.ABC):
    """The interfaces of one machine, over one session. Use as a context manager; the session is always closed."""

    power: PowerInterface
    management: ManagementInterface
    boot: BootInterface
    agent: Agent | None = None
    """Set where the driver itself knows of the ramdisk (the fake); None: it answers on SSH."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.counters = Counters()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None:
        """End the session with the BMC. Never raises; idempotent."""


STEPS: dict[tuple[str, str], t.Callable[[Driver, dict[str, t.Any]], object]] = {
    ("power", "power_on"): lambda driver, args: driver.power.set_power_state(POWER_ON),
    ("power", "power_off"): lambda driver, args: driver.power.set_power_state(POWER_OFF, soft=bool(args.get("soft"))),
    ("power", "reboot"): lambda driver, args: driver.power.reboot(),
    ("management", "set_boot_device"): lambda driver, args: driver.management.set_boot_device(**args),
    ("boot", "insert_media"): lambda driver, args: driver.boot.insert_media(**args),
    ("boot", "eject_media"): lambda driver, args: driver.boot.eject_media(),
}
"""Steps of a driver that a user may put into a deployment, by interface and name."""
