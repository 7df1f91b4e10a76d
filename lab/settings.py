# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, addresses and paths of the lab: the one place where they are written down."""

from __future__ import annotations

import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
STATE = ROOT / ".lab"
CACHE = ROOT / ".cache"
RAMDISK = CACHE / "ramdisk"
IMAGES = CACHE / "image"

NAMESPACE = "bm-lab"
HOST_LINK = "bmlab-host"
LAB_LINK = "bmlab-lab"
BRIDGE = "bmlab0"

# 198.18.0.0/15 is set aside for test networks (RFC 2544): it collides with nothing in use.
PREFIX_LENGTH = 24
CONTROLLER = "198.18.77.1"
SERVICES = "198.18.77.2"
SERVICES6 = "fd77:198:18::2"
BMC_PORT = 8443
WEB_PORT = 8080
BMC_URL = f"https://{SERVICES}:{BMC_PORT}"
WEB_URL = f"http://{SERVICES}:{WEB_PORT}"
BMC_USER = "admin"

MAX_NODES = 16
MEMORY_MIB = 2048
CPUS = 2
DISK_GIB = 6
SMALL_DISK_MIB = 64


@dataclasses.dataclass(frozen=True)
class Firmware:
    """What a machine starts with, named outright: left to choose, libvirt takes another build."""

    mode: str
    code: str | None = None
    variables: str | None = None
    smm: bool = False
    """Whether the build insists on system management mode; it needs that to enforce Secure Boot."""


OVMF = "/usr/share/OVMF"
BIOS = Firmware("bios")
UEFI = Firmware("uefi", f"{OVMF}/OVMF_CODE_4M.fd", f"{OVMF}/OVMF_VARS_4M.fd")
UEFI_SECURE_BOOT = Firmware("uefi", f"{OVMF}/OVMF_CODE_4M.secboot.fd", f"{OVMF}/OVMF_VARS_4M.fd", smm=True)
"""It can enforce Secure Boot. With empty variables it does not, as a machine without keys: it starts anything."""

SECURE_VARIABLES = f"{OVMF}/OVMF_VARS_4M.ms.fd"
"""Variables with Microsoft's keys enrolled: with them the firmware refuses an unsigned boot loader."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What sets machines apart."""

    bmc: str
    firmware: Firmware
    boot_order: tuple[str, ...]
    """Out of disk, network and cdrom; without a request to the BMC the firmware tries them in this order."""
    cdrom: bool = False
    """A drive of its own, in which somebody puts media by hand. (Redfish adds a drive when it inserts media.)"""
    more_disks: bool = False
    """Three small disks besides, an NVMe one, one that can't discard, and one with two paths to it: each kind is found
    and erased in another way."""


REDFISH = Kind("redfish", UEFI, ("disk",))
REDFISH_SECURE_BOOT = Kind("redfish", UEFI_SECURE_BOOT, ("disk",))
KINDS = {
    9: Kind("redfish", UEFI, ("disk",), more_disks=True),
    10: REDFISH_SECURE_BOOT,
    13: REDFISH_SECURE_BOOT,
    14: Kind("ipmi", BIOS, ("network", "disk")),
    15: Kind("ipmi", UEFI, ("network", "disk")),
    16: Kind("ipmi", UEFI, ("disk", "cdrom"), cdrom=True),
}
"""The kind of each machine that is not simply behind Redfish."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """One virtual machine; everything about it follows from its number (1 to MAX_NODES)."""

    number: int

    @property
    def kind(self) -> Kind:
        """What it is like."""
        return KINDS.get(self.number, REDFISH)

    @property
    def name(self) -> str:
        """Inventory name, such as node01."""
        return f"node{self.number:02}"

    @property
    def domain(self) -> str:
        """Name of the libvirt domain."""
        return f"{NAMESPACE}-{self.name}"

    @property
    def uuid(self) -> str:
        """UUID of the domain, which is also the Redfish System's Id."""
        return f"b0a70000-0000-4000-8000-0000000000{self.number:02}"

    @property
    def mac(self) -> str:
        """MAC address of the only network card."""
        return f"52:54:00:77:00:{self.number:02}"

    @property
    def address(self) -> str:
        """IPv4 address, the same in the ramdisk and in the deployed system."""
        return f"198.18.77.{100 + self.number}"

    @property
    def bmc_address(self) -> str:
        """IPv4 address of its own BMC, if that speaks IPMI."""
        return f"198.18.77.{200 + self.number}"

    @property
    def bmc_daemon(self) -> str:
        """Name of the process that is its IPMI BMC."""
        return f"bmc-{self.name}"

    @property
    def serial(self) -> str:
        """Serial number of the disk."""
        return f"BMLAB{self.number:02}"

    @property
    def disk(self) -> pathlib.Path:
        """Disk image."""
        return STATE / "disks" / f"{self.name}.qcow2"

    @property
    def small_disks(self) -> dict[str, pathlib.Path]:
        """Disk images beside the first, by serial number."""
        names = (f"{self.serial}{letter}" for letter in ("NP" if self.kind.more_disks else ""))
        return {name: STATE / "disks" / f"{name}.qcow2" for name in names}

    @property
    def shared_disk(self) -> pathlib.Path | None:
        """Disk image of the small disk with two paths, which has its name as serial number."""
        return STATE / "disks" / f"{self.serial}M.raw" if self.kind.more_disks else None

    @property
    def console_port(self) -> int:
        """TCP port of the serial console, for its BMC."""
        return 7000 + self.number

    @property
    def variables(self) -> pathlib.Path:
        """Firmware variables. sushy-tools renames the file to this suffix whenever a boot mode is
        set; with that name from the start the firmware keeps its boot entries.
        """
        return STATE / "nvram" / f"{self.name}.nosecboot.fd"

    @property
    def media(self) -> pathlib.Path:
        """What lies in its own CD drive when it is switched on, if the file is there."""
        return STATE / "cd" / f"{self.name}.iso"

    @property
    def console(self) -> pathlib.Path:
        """Log of the serial console."""
        return STATE / f"console-{self.name}.log"


MACHINES = {machine.name: machine for machine in map(Machine, range(1, MAX_NODES + 1))}
