"""What only some drivers can do: small interfaces by capability; power and boot device are in base.py."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import abc
import dataclasses
import typing as t

from .._errors import UnsupportedOperationError


class VirtualMediaInterface(abc.ABC):
    """The BMC's virtual CD drive."""

    def check(self) -> None:
        """Check that there is one that can be used, changing nothing.

        :raises UnsupportedOperationError: the BMC has no virtual media.
        """
        self.get_media()

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


class HealthInterface(abc.ABC):
    """What the BMC measures and has noted down. All methods talk to the BMC."""

    @abc.abstractmethod
    def get_sensors(self) -> list[dict[str, t.Any]]:
        """Return the sensors: ``name``, ``type``, ``value`` (None: none now), ``units``, ``health``, ``states``.

        :raises BMCError: the BMC is away or refuses.
        """

    @abc.abstractmethod
    def get_event_log(self) -> list[dict[str, t.Any]]:
        """Return the system event log, oldest first: ``timestamp``, ``component``, ``event``, ``severity``.

        :raises BMCError: the BMC is away or refuses.
        """


class ConsoleInterface(abc.ABC):
    """The machine's serial console, which the BMC passes on to who listens. Many are heard in one thread."""

    @abc.abstractmethod
    def listen(self, take: t.Callable[[bytes], None]) -> None:
        """Begin to listen, and return at once; never raises: ``take`` is also told, in brackets, what goes wrong."""

    @abc.abstractmethod
    def attend(self) -> None:
        """Do what is due, and return at once: go on with what was begun, begin again after an end. Never raises."""

    @classmethod
    @abc.abstractmethod
    def turn(cls, seconds: float) -> None:
        """Let the consoles of this kind that are open in this process hear for at most so long. Never raises."""

    @abc.abstractmethod
    def close(self) -> None:
        """Listen no longer. Never raises; idempotent."""


class ConsoleLogInterface(abc.ABC):
    """What a BMC itself keeps of what the machine says on its serial console."""

    @abc.abstractmethod
    def read_console(self) -> str:
        """Return the end of it, newest last.

        :raises UnsupportedOperationError: this BMC keeps none.
        """


class InspectInterface(abc.ABC):
    """What the BMC knows of the machine's hardware."""

    @abc.abstractmethod
    def get_inventory(self) -> dict[str, t.Any]:
        """Return the hardware in the shape of ``inventory.complete``. Talks to the BMC.

        :raises BMCError: the BMC is away or refuses; an error about one part only makes that part ``missing``.
        """


OK, NOTE, NO, UNKNOWN = "ok", "note", "no", "unknown"
"""Verdicts of a finding: as it should be; works, and something is to be known; does not work; could not be told."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found out about one thing that a BMC does: ``seen`` in words, and what to do, if there is something."""

    what: str
    verdict: str
    seen: str
    advice: str = ""


class ExamineInterface(abc.ABC):
    """Finds out what this BMC does, before anything depends on it."""

    @abc.abstractmethod
    def examine(self, *, write: bool, media_url: str | None) -> tuple[list[Finding], dict[str, t.Any]]:
        """Return what was found, and host variables that suit this BMC.

        :param write: also set a boot device once, and take it back; and, with ``media_url``, insert and eject media.
        :raises BMCError: the BMC is away, or refuses the credentials; what it can't do is a finding.
        """

    def record(self) -> dict[str, t.Any]:
        """Return what was read, as a tree that can be played: nothing in it tells whose it is.

        :raises UnsupportedOperationError: this driver reads nothing that could be played.
        """
        raise UnsupportedOperationError("This driver makes no recording.", hint="Redfish does.")


class Agent(t.Protocol):
    """Says whether the ramdisk answers, and what was seen; and where it is, ``kind`` and nothing secret."""

    def probe(self) -> tuple[bool, str]: ...

    def to_address(self) -> dict[str, t.Any]: ...
