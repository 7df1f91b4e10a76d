"""What a driver must be able to do: small interfaces by capability, after Ironic's ``drivers/base.py``."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import abc
import contextlib
import dataclasses
import typing as t

from .._contract.node import Node
from .._errors import BMCConnectionError, BMCResponseError, BMCTimeoutError, UnsupportedOperationError
from .._wait import wait_until
from .interfaces import (
    Agent,
    ConsoleInterface,
    ConsoleLogInterface,
    ExamineInterface,
    HealthInterface,
    InspectInterface,
    VirtualMediaInterface,
)

POWER_ON = "power on"
POWER_OFF = "power off"
CDROM = "cdrom"
DISK = "disk"
HTTP = "http"
PXE = "pxe"


@dataclasses.dataclass
class Counters:
    """What a driver has done; ``fence`` is called before what changes the machine is sent again."""

    bmc_requests: int = 0
    power_ons: int = 0
    fence: t.Callable[[], None] = lambda: None


@dataclasses.dataclass(frozen=True)
class BootDevice:
    """A boot override: ``device`` cdrom, disk, pxe, http or None; ``mode`` uefi, bios or None if unknown."""

    device: str | None
    persistent: bool
    mode: str | None = None

    def __str__(self) -> str:
        if self.device is None:
            return "no boot device"
        return f"{self.device}{' persistently' if self.persistent else ' once'} in {self.mode or 'an unknown'} mode"


class PowerInterface(abc.ABC):
    """Power of the machine. All methods talk to the BMC and block."""

    first_look: t.ClassVar[float] = 0.0
    """Seconds after which it is looked for the first time whether a power state that was asked for has come true."""

    def __init__(self, driver: Driver) -> None:
        self._node = driver.node
        self._counters = driver.counters

    @abc.abstractmethod
    def get_power_state(self) -> str:
        """Return ``power on`` or ``power off``; a state in between counts as the one that is being left.

        :raises BMCError: the BMC is away, refuses, or answers something else.
        """

    def get_settled_power_state(self) -> str:
        """Return the power state; a machine that is on its way from one to the other is waited for, within the limit.

        :raises BMCError: the BMC is away, refuses, or answers something else.
        """
        return self.get_power_state()

    @abc.abstractmethod
    def request_power_state(self, state: str, *, soft: bool) -> None:
        """Ask for a power state that the machine is not in, without waiting for it.

        :raises BMCError: the BMC is away or refuses.
        """

    def set_power_state(self, state: str, *, soft: bool = False) -> bool:
        """Bring the machine into ``state`` and wait until it is; say whether anything was asked of the BMC.

        Idempotent: already so is success.

        :param soft: ask the operating system to power off; one that can't be asked, or does not follow in time, is
            cut off.
        :raises BMCTimeoutError: the state did not come true within the BMC's power_timeout.
        :raises BMCError: the BMC is away or refuses.
        """
        if self.get_settled_power_state() == state:
            return False
        try:
            self.request_power_state(state, soft=soft)
            if state == POWER_ON:
                self._counters.power_ons += 1
            self._await_power_state(state, soft=soft)
        except (BMCTimeoutError, BMCResponseError, UnsupportedOperationError):
            if not soft:
                raise
            self.set_power_state(state)
        return True

    def _await_power_state(self, state: str, *, soft: bool) -> None:
        def ask_again() -> None:
            # Some BMCs take a request and forget it, while the machine is on its way to the other state.
            # What the state is, tells the next look; where it can't be seen, nothing is asked for.
            with contextlib.suppress(BMCConnectionError, BMCResponseError, BMCTimeoutError):
                if self.get_power_state() != state:
                    self.request_power_state(state, soft=False)

        wait_until(
            self.get_power_state,
            state,
            what="power state",
            node=self._node.name,
            timeout=self._node.bmc.power_timeout,
            first_look=self.first_look,
            ask_again=None if soft else ask_again,
        )

    def reboot(self) -> None:
        """Power the machine off and on again, waiting for both.

        :raises BMCError: as set_power_state.
        """
        self.set_power_state(POWER_OFF)
        self.set_power_state(POWER_ON)


class ManagementInterface(abc.ABC):
    """Boot device, boot mode and Secure Boot. All methods talk to the BMC."""

    def __init__(self, driver: Driver) -> None:
        self._node = driver.node

    @abc.abstractmethod
    def get_boot_device(self) -> BootDevice:
        """Return the boot override that the BMC reports.

        :raises BMCError: the BMC is away or refuses.
        """

    def check_boot_device(self, device: str, *, mode: str) -> None:
        """Check that ``set_boot_device`` can work, as far as that can be told without changing anything.

        :raises UnsupportedOperationError: the machine can't boot from it, or not in that mode.
        """
        return

    @abc.abstractmethod
    def set_boot_device(self, device: str, *, mode: str, persistent: bool = False) -> None:
        """Set the boot override and read it back. Idempotent.

        :param device: cdrom, disk or pxe.
        :param mode: uefi or bios; a machine is never left in the other one silently.
        :raises UnsupportedOperationError: the machine can't boot from it.
        :raises BMCResponseError: the BMC took it and reports something else.
        """

    @abc.abstractmethod
    def clear_boot_device(self) -> None:
        """Remove the boot override: the firmware's own boot order counts. Idempotent.

        :raises BMCError: the BMC is away or refuses.
        """

    def set_http_boot(self, url: str) -> None:
        """Make UEFI firmware boot once what it fetches from ``url``, and read it back.

        :raises UnsupportedOperationError: the BMC has no such setting.
        :raises BMCResponseError: the BMC took it and reports something else.
        """
        raise self._unsupported("tell the firmware a URL to boot from", "Set bm_boot_interface to another one.")

    def check_http_boot(self) -> None:
        """Check that ``set_http_boot`` can work, changing nothing.

        :raises UnsupportedOperationError: the BMC has no such setting.
        """
        raise self._unsupported("tell the firmware a URL to boot from", "Set bm_boot_interface to another one.")

    def get_secure_boot(self) -> bool | None:
        """Return whether Secure Boot is switched on from the next boot on; None where the BMC can't tell.

        :raises BMCError: the BMC is away or refuses.
        """
        return None

    def set_secure_boot(self, enabled: bool) -> None:
        """Switch Secure Boot on or off from the next boot on, and read it back; the machine must be off. Idempotent.

        :raises UnsupportedOperationError: the BMC has no such setting.
        :raises BMCResponseError: the BMC took it and reports something else.
        """
        raise self._unsupported(
            "switch Secure Boot", "Switch it in the firmware's own setup; what the machine does is verified there."
        )

    def await_changes(self) -> None:
        """Wait until what was accepted for the next start only (boot mode, Secure Boot) is so; the machine is on.

        :raises BMCTimeoutError: it does not become so.
        """
        return

    def _unsupported(self, what: str, hint: str) -> UnsupportedOperationError:
        return UnsupportedOperationError(
            f"The driver '{self._node.driver}' can't {what}.", node=self._node.name, hint=hint
        )

    def _forgotten(self, wanted: object, seen: object) -> BMCResponseError:
        return BMCResponseError(
            f"The BMC was told to boot from {wanted}, accepted it, and reports {seen}.",
            node=self._node.name,
            hint="Set it by hand in the BMC once, check bm_boot_mode, and update the BMC's firmware.",
        )


class Driver(abc.ABC):
    """The interfaces of one machine, over one session. Use as a context manager; the session is always closed."""

    power: PowerInterface
    management: ManagementInterface
    virtual_media: VirtualMediaInterface | None = None
    """None: this kind of BMC has none."""

    health: HealthInterface | None = None
    """None: not known to this driver."""

    console: ConsoleInterface | None = None
    """None: nothing can be listened to."""

    console_log: ConsoleLogInterface | None = None
    """None: this kind of BMC keeps nothing of it."""

    inspect: InspectInterface | None = None
    """None: not known to this driver."""

    examine: ExamineInterface | None = None
    """None: not known to this driver."""

    agent: Agent | None = None
    """Set where the driver itself knows of the ramdisk (the fake); None: it answers on SSH."""

    recall: t.Callable[[], t.Mapping[str, t.Any]] = dict
    """Returns what was ``learnt`` of this BMC before, nothing if it was not; set by who has a store."""

    goes_on: bool = False
    """Whether the next task of the play needs the BMC again: a session may stay for it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.counters = Counters()

    @property
    def learnt(self) -> t.Mapping[str, t.Any] | None:
        """What is to be remembered of this BMC, JSON without secrets; None where nothing is new."""
        return None

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None:
        """End the session with the BMC. Never raises; idempotent."""


def require_virtual_media(driver: Driver) -> VirtualMediaInterface:
    """Return the virtual CD drive.

    :raises UnsupportedOperationError: this kind of BMC has none.
    """
    if driver.virtual_media is None:
        raise UnsupportedOperationError(
            f"The driver '{driver.node.driver}' has no virtual media.",
            node=driver.node.name,
            hint="Set bm_boot_interface to ipxe, or to inserted_media with a CD that you put in.",
        )
    return driver.virtual_media
