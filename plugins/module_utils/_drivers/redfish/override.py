"""ComputerSystem.Boot as it will be at the next start, and where a change belongs (DSP2046; DSP0266, 9.10). Pure."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from .. import base

Document = dict[str, t.Any]

TARGET, ENABLED, MODE, URI = (
    "BootSourceOverrideTarget",
    "BootSourceOverrideEnabled",
    "BootSourceOverrideMode",
    "HttpBootUri",
)
OURS = (TARGET, ENABLED, MODE, URI)

DEVICES = {"Cd": base.CDROM, "UsbCd": base.CDROM, "Hdd": base.DISK, "Pxe": base.PXE, "UefiHttp": base.HTTP}
"""BootSourceOverrideTarget to ours; another one is told as the BMC tells it."""

MODES = {"UEFI": "uefi", "Legacy": "bios"}
"""BootSourceOverrideMode to ours."""

WIRE_MODES = {ours: wire for wire, ours in MODES.items()}


@dataclasses.dataclass(frozen=True)
class Override:
    """The boot override of a System.

    ``boot``: its Boot; ``pending``: that of its Settings resource, if it has one; ``waits``: whether what that has is
    what counts at the next start, and is set there.
    """

    boot: Document
    pending: Document = dataclasses.field(default_factory=dict)
    waits: bool = True

    def value(self, name: str) -> t.Any:
        """Return a property as it will be: null says nothing of it."""
        first, second = (self.pending, self.boot) if self.waits else (self.boot, self.pending)
        return second.get(name) if first.get(name) is None else first.get(name)

    def allowed(self, name: str) -> list[str] | None:
        """Return the values that a property may have; None where the service does not tell."""
        key = f"{name}@Redfish.AllowableValues"
        told = self.boot.get(key) or self.pending.get(key)
        return [str(value) for value in told] if isinstance(told, list) else None

    def has(self, name: str) -> bool:
        """Say whether the service has a property at all."""
        return name in self.boot or name in self.pending or self.allowed(name) is not None

    @property
    def device(self) -> base.BootDevice:
        """What is booted from at the next start."""
        enabled, target = self.value(ENABLED), self.value(TARGET)
        is_none = enabled == "Disabled" or target in (None, "None", "")
        device = None if is_none else DEVICES.get(str(target), str(target))
        return base.BootDevice(device, enabled == "Continuous", MODES.get(str(self.value(MODE))))

    @property
    def contradiction(self) -> str:
        """What it tells of the next start that can't both be; empty where there is nothing of the kind."""
        enabled, target = self.value(ENABLED), self.value(TARGET)
        if enabled in (None, "Disabled") or target not in (None, "None", ""):
            return ""
        return f"{ENABLED} is {enabled}, and {TARGET} {target}"

    def places(self, values: Document) -> tuple[Document, Document]:
        """Return which values belong into the Settings resource, and which into the System's own Boot."""
        waiting = {name: value for name, value in values.items() if self.waits and name in self.pending}
        return waiting, {name: value for name, value in values.items() if name not in waiting}
