"""What the node is: read from /proc and /sys in the ramdisk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import platform
import re
import typing as t
from pathlib import Path

from ..disk.sysfs import read_value
from ..write.target import is_ramdisk
from .lldp import listen
from .numa import read_numa
from .pci import read_pci
from .smbios import PLACEHOLDER, read_installed_mb

_DMI = Path("/sys/class/dmi/id")
_NET = Path("/sys/class/net")
_DMI_TABLES = Path("/sys/firmware/dmi/tables/DMI")
_MEMORY = Path("/sys/devices/system/memory")
_MEMINFO = Path("/proc/meminfo")
_FIRMWARE_EFI = Path("/sys/firmware/efi")
_CPUS = Path("/sys/devices/system/cpu")
_CPUINFO = Path("/proc/cpuinfo")
_EFIVARS = _FIRMWARE_EFI / "efivars"
_GLOBAL_VARIABLE = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_DEPLOYMENT = Path("/etc/baremetal-lifecycle/deployment")

_PCI_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_MODEL_NAME = re.compile(r"^model name\s*:[ \t]*(\S.*)$", re.MULTILINE)
_MEM_TOTAL = re.compile(r"^MemTotal:\s+(\d+) kB", re.MULTILINE)


def read_hardware(*, details: bool = False, lldp_timeout: float = 0) -> dict[str, t.Any]:
    """Return the node's identity and its processors, memory and network ports.

    :param details: add processor model, firmware, PCI functions and NUMA nodes.
    :param lldp_timeout: add the neighbours of the network ports, after listening for so many seconds; 0 does not.
    :raises StepError: the kernel does not let us listen.
    """
    hardware = _read_basics()
    if details:
        hardware |= {"cpu": read_cpu(), "bios": read_bios(), "pci": read_pci(), "numa": read_numa()}
    if lldp_timeout > 0:
        nics = [nic["name"] for nic in hardware["nics"]]
        # Only the ramdisk's ports are ours to bring up.
        hardware["lldp"] = listen(nics, lldp_timeout, raise_links=is_ramdisk())
    return hardware


def read_cpu(cpuinfo: Path = _CPUINFO, cpus: Path = _CPUS) -> dict[str, t.Any]:
    """Return model and number of sockets of the processors; None where the kernel does not tell."""
    model = _MODEL_NAME.search(read_value(cpuinfo) or "")
    packages = {read_value(path) for path in cpus.glob("cpu[0-9]*/topology/physical_package_id")}
    return {
        "model": " ".join(model.group(1).split()) if model else None,
        "sockets": len(packages - {None, "-1"}) or None,
    }


def read_bios(dmi: Path = _DMI) -> dict[str, str | None]:
    """Return vendor, version and date of the firmware, as SMBIOS has them."""
    return {name: read_value(dmi / f"bios_{name}") for name in ("vendor", "version", "date")}


def read_system(dmi: Path = _DMI) -> dict[str, str | None]:
    """Return the machine's identity; None for what its vendor has not filled in: the BMC may know it."""
    names = {"vendor": "sys_vendor", "product": "product_name", "serial": "product_serial", "uuid": "product_uuid"}
    found = {key: read_value(dmi / name) for key, name in names.items()}
    return {key: value if value and not PLACEHOLDER.fullmatch(value) else None for key, value in found.items()}


def _read_basics() -> dict[str, t.Any]:
    return {
        "system": read_system(),
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "memory_mb": get_memory_mb(),
        "boot_mode": "uefi" if _FIRMWARE_EFI.exists() else "bios",
        "secure_boot": is_secure_boot(),
        "nics": [_describe_nic(path) for path in sorted(_NET.glob("*")) if (path / "device").exists()],
        "ramdisk": is_ramdisk(),
        "deployment": read_value(_DEPLOYMENT),
    }


def is_secure_boot(efivars: Path = _EFIVARS) -> bool:
    """Return whether the firmware enforces Secure Boot: the variable SecureBoot (UEFI 2.10, section 3.3) is 1."""
    try:
        # Four bytes of attributes come before the value.
        return (efivars / f"SecureBoot-{_GLOBAL_VARIABLE}").read_bytes()[4:5] == b"\1"
    except OSError:
        return False


def _describe_nic(path: Path) -> dict[str, t.Any]:
    speed = read_value(path / "speed")
    # A virtio port hangs below its PCI function: the last PCI address on the way is the port's own.
    addresses = _PCI_ADDRESS.findall(os.path.realpath(path / "device"))
    return {
        "name": path.name,
        "mac": (read_value(path / "address") or "").lower(),
        "speed": int(speed) if speed and speed.isdigit() else None,
        "carrier": read_value(path / "carrier") == "1",
        "pci": addresses[-1] if addresses else None,
    }


def get_memory_mb(dmi: Path = _DMI_TABLES, memory: Path = _MEMORY, meminfo: Path = _MEMINFO) -> int:
    """Return the memory in MiB: what is plugged in; else what is online; else what the kernel has left to use.

    The kernel's blocks (128 MiB and more) count whole, though the firmware keeps a part of one for itself; MemTotal
    lacks what firmware and kernel keep.
    """
    installed = read_installed_mb(dmi)
    if installed:
        return installed
    block = read_value(memory / "block_size_bytes")
    online = [path for path in memory.glob("memory*/state") if read_value(path) == "online"]
    if block and online:
        return int(block, 16) * len(online) // 1024**2
    found = _MEM_TOTAL.search(read_value(meminfo) or "")
    return int(found.group(1)) // 1024 if found else 0
