"""What a Redfish service tells of the hardware (DMTF DSP0268): read part by part, so that one error spoils one part."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import re
import typing as t

from ..._errors import BMCResponseError
from ..._inband.hardware.smbios import PLACEHOLDER
from .. import interfaces
from ..inventory import Inventory, complete
from .system import SystemSession

Document = dict[str, t.Any]

INSTRUCTION_SETS = {"x86-64": "x86_64", "ARM-A64": "aarch64", "RV64": "riscv64"}
ARCHITECTURES = {"x86": "x86_64", "ARM": "aarch64"}
"""Processor.InstructionSet and, where that is not told, ProcessorArchitecture, as uname has them."""

BOOT_MODES = {"UEFI": "uefi", "Legacy": "bios"}
"""Boot.BootSourceOverrideMode: the mode that the machine is set to, overridden or not."""

LINKS = {"LinkUp": True, "NoLink": False, "LinkDown": False}
"""EthernetInterface.LinkStatus."""

SMALLEST_DISK = 10**9
"""Bytes: some services tell MiB where bytes belong, and no disk is that small."""

_NO_HEX_DIGIT = re.compile("[^0-9a-f]")


class RedfishInspect(interfaces.InspectInterface):
    """Inventory through the System, its collections and its Managers."""

    def __init__(self, session: SystemSession) -> None:
        self._session = session

    def get_inventory(self) -> Inventory:
        system = self._session.read_system("read its inventory")
        reader = _Reader(self._session, system)
        told = {
            "system": reader.read_system(),
            "firmware": {
                "bios": _text(system.json.get("BiosVersion")),
                "bmc": reader.read("firmware", lambda: _find_bmc_version(self._session.managers())),
            },
            "cpus": reader.read_cpus(),
            "memory_mb": _get_memory_mb(system),
            "disks": reader.read_drives() or reader.read_simple_storage(),
            "nics": reader.read_nics(),
            "boot_mode": _get_boot_mode(system),
        }
        return complete({**told, "missing": reader.missing})


class _Reader:
    """One reading of an inventory; ``missing`` collects the parts that are answered with an error."""

    def __init__(self, session: SystemSession, system: t.Any) -> None:
        self._session = session
        self._system = system
        self.missing: set[str] = set()

    def read(self, part: str, read: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        """Return what ``read`` returns, None where the service has no such thing or it can't be read.

        :raises BMCError: the BMC is away, or refuses the credentials.
        """
        try:
            return self._session.read_optional(f"tell its {part}", read, *args)
        except BMCResponseError:
            self.missing.add(part)
            return None

    def read_members(self, part: str, name: str) -> list[Document]:
        """Return the members of one of the System's collections that can be read and are not empty slots."""
        collection = self._follow(part, [_section(self._system, name)])
        return [item for item in self._follow(part, self._links(part, collection)) if _is_present(item)]

    def _links(self, part: str, documents: t.Iterable[Document], name: str = "Members") -> list[t.Any]:
        """Return the links in documents; null stands for none."""
        found = [document.get(name) or [] for document in documents]
        if not all(isinstance(links, list) for links in found):
            self.missing.add(part)
        return [link for links in found if isinstance(links, list) for link in links]

    def _follow(self, part: str, links: t.Iterable[t.Any]) -> list[Document]:
        """Return the documents that links lead to; those that can't be read are missing."""
        paths = [str(link["@odata.id"]) for link in links if isinstance(link, dict) and link.get("@odata.id")]
        found = [self.read(part, self._session.get, path) for path in dict.fromkeys(paths)]
        return [item for item in found if item]

    def read_system(self) -> Document:
        """Return who made the machine; where its System does not tell, what it stands in does."""
        told = _describe_system(self._system.json)
        if self._session.quirk.serial_in_sku:
            told["serial"] = told["sku"] or told["serial"]
        if not any(told[key] for key in ("vendor", "product", "serial")):
            links = (_section(self._system, "Links").get("Chassis") or [{}])[0]
            path = links.get("@odata.id") if isinstance(links, dict) else None
            chassis = self.read("system", self._session.get, str(path)) if path else None
            told |= {key: value for key, value in _describe_system(chassis or {}).items() if told[key] is None}
        return told

    def read_cpus(self) -> Document:
        """Return the processors: counted one by one, else as the System sums them up."""
        summary = _section(self._system, "ProcessorSummary")
        members = self.read_members("cpus", "Processors")
        found = [item for item in members if item.get("ProcessorType") in (None, "CPU")]
        threads = [_number(item.get("TotalThreads")) for item in found]
        is_complete = bool(found) and "cpus" not in self.missing
        first = found[0] if found else {}
        return {
            "count": sum(map(int, filter(None, threads)))
            if is_complete and all(threads)
            else _number(summary.get("LogicalProcessorCount")),
            "sockets": len(found) if is_complete else _number(summary.get("Count")),
            "model": _text(first.get("Model")) or _text(summary.get("Model")),
            "architecture": INSTRUCTION_SETS.get(str(first.get("InstructionSet")))
            or ARCHITECTURES.get(str(first.get("ProcessorArchitecture"))),
        }

    def read_drives(self) -> list[Document]:
        """Return the drives of all storage controllers, each once."""
        storage = self.read_members("disks", "Storage")
        drives = [item for item in self._follow("disks", self._links("disks", storage, "Drives")) if _is_present(item)]
        names = collections.Counter(str(item.get("Name")) for item in drives)
        return [_describe_drive(item, with_place=names[str(item.get("Name"))] > 1) for item in drives]

    def read_simple_storage(self) -> list[Document]:
        """Return the drives of a service that has the older SimpleStorage; what has no size is no disk."""
        members = self.read_members("disks", "SimpleStorage")
        devices = [device for member in members for device in member.get("Devices") or []]
        disks = [item for item in devices if not str(item.get("Name")).upper().startswith("USB")]  # the BMC's own media
        return [_describe_drive(item) for item in disks if item.get("CapacityBytes") and _is_present(item)]

    def read_nics(self) -> list[Document]:
        """Return the ports of the machine, not what is made of them, nor the BMC's own (Links.HostInterface)."""
        members = self.read_members("nics", "EthernetInterfaces")
        members = [item for item in members if _is_port(item)]
        return [
            {
                "name": _text(item.get("Id")),
                "mac": _mac(item.get("MACAddress")) or _mac(item.get("PermanentMACAddress")),
                "speed_mbps": _number(item.get("SpeedMbps")),
                "link": LINKS.get(str(item.get("LinkStatus"))),
            }
            for item in members
        ]


def _describe_system(document: Document) -> Document:
    keys = {"vendor": "Manufacturer", "product": "Model", "serial": "SerialNumber", "uuid": "UUID", "sku": "SKU"}
    return {key: _text(document.get(name)) for key, name in keys.items()}


def _find_bmc_version(managers: t.Iterable[t.Any]) -> str | None:
    versions = (_text(manager.json.get("FirmwareVersion")) for manager in managers)
    return next(filter(None, versions), None)


def _get_memory_mb(system: t.Any) -> int | None:
    # Not sushy's size_gib, which is cut to whole GiB.
    return _number(_section(system, "MemorySummary").get("TotalSystemMemoryGiB"), 1024)


def _get_boot_mode(system: t.Any) -> str | None:
    return BOOT_MODES.get(str(_section(system, "Boot").get("BootSourceOverrideMode")))


def _section(system: t.Any, name: str) -> Document:
    return _part(system.json, name)


def _part(document: Document, name: str) -> Document:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _is_port(item: Document) -> bool:
    is_made = item.get("EthernetInterfaceType") == "Virtual" or _part(item, "VLAN").get("VLANEnable") is True
    return not is_made and "HostInterface" not in _part(item, "Links")


def _describe_drive(item: Document, *, with_place: bool = False) -> Document:
    """Return a drive; ``with_place``: its name alone does not tell it from others."""
    name = _text(item.get("Name")) or _text(item.get("Id"))
    place = _text(_part(_part(item, "PhysicalLocation"), "PartLocation").get("ServiceLabel")) if with_place else None
    size = _number(item.get("CapacityBytes"))
    return {
        "name": f"{name} ({place})" if place else name,
        "model": _text(item.get("Model")),
        "serial": _text(item.get("SerialNumber")),
        "size_bytes": size if size and size >= SMALLEST_DISK else None,
        "media_type": _text(item.get("MediaType")),
        "protocol": _text(item.get("Protocol")),
    }


def _is_present(item: Document) -> bool:
    status = item.get("Status")
    return not isinstance(status, dict) or status.get("State") != "Absent"


def _text(value: t.Any) -> str | None:
    """Return a text; None for what stands where nothing was filled in."""
    text = str(value).strip() if value is not None else ""
    return None if not text or PLACEHOLDER.fullmatch(text) else text


def _number(value: t.Any, factor: int = 1) -> int | None:
    """Return a number that some services write as text; None for 0, which stands for unknown."""
    try:
        return int(float(value) * factor) or None
    except (TypeError, ValueError, OverflowError):
        return None


def _mac(value: t.Any) -> str | None:
    """Return a MAC address in lower case with colons, however it is written; None for what is none."""
    digits = _NO_HEX_DIGIT.sub("", str(value).lower())
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2)) if len(digits) == 12 and digits.strip("0") else None
