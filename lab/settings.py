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
BMC_PORT = 8443
WEB_PORT = 8080
BMC_URL = f"https://{SERVICES}:{BMC_PORT}"
WEB_URL = f"http://{SERVICES}:{WEB_PORT}"
BMC_USER = "admin"

MAX_NODES = 16
MEMORY_MIB = 2048
CPUS = 2
DISK_GIB = 6

# The firmware without Secure Boot, named outright: left to choose, libvirt takes the build with
# Microsoft's keys, which refuses an unsigned boot loader.
FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
FIRMWARE_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
FIRMWARE_VARIABLES_SECURE = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"


@dataclasses.dataclass(frozen=True)
class Machine:
    """One virtual machine; everything about it follows from its number (1 to MAX_NODES)."""

    number: int

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
    def serial(self) -> str:
        """Serial number of the disk."""
        return f"BMLAB{self.number:02}"

    @property
    def disk(self) -> pathlib.Path:
        """Disk image."""
        return STATE / "disks" / f"{self.name}.qcow2"

    @property
    def variables(self) -> pathlib.Path:
        """Firmware variables. sushy-tools renames the file to this suffix whenever a boot mode is
        set; with that name from the start the firmware keeps its boot entries.
        """
        return STATE / "nvram" / f"{self.name}.nosecboot.fd"

    @property
    def console(self) -> pathlib.Path:
        """Log of the serial console."""
        return STATE / f"console-{self.name}.log"


def machines(count: int) -> list[Machine]:
    """Return the first machines."""
    return [Machine(number) for number in range(1, count + 1)]
