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

from ._target import is_ramdisk

_DMI = Path("/sys/class/dmi/id")
_NET = Path("/sys/class/net")
_MEMORY = Path("/sys/devices/system/memory")
_FIRMWARE_EFI = Path("/sys/firmware/efi")
_EFIVARS = _FIRMWARE_EFI / "efivars"
_GLOBAL_VARIABLE = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_DEPLOYMENT = Path("/etc/baremetal-lifecycle/deployment")

_PCI_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_MEM_TOTAL = re.compile(r"^MemTotal:\s+(\d+) kB", re.MULTILINE)


def read_hardware() -> dict[str, t.Any]:
    """Return the node's identity and its processors, memory and network ports."""
    return {
        "system": {
            "vendor": _read(_DMI / "sys_vendor"),
            "product": _read(_DMI / "product_name"),
            "serial": _read(_DMI / "product_serial"),
            "uuid": _read(_DMI / "product_uuid"),
        },
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "memory_mb": _get_memory_mb(),
        "boot_mode": "uefi" if _FIRMWARE_EFI.exists() else "bios",
        "secure_boot": is_secure_boot(),
        "nics": [_describe_nic(path) for path in sorted(_NET.glob("*")) if (path / "device").exists()],
        "ramdisk": is_ramdisk(),
        "deployment": _read(_DEPLOYMENT),
    }


def is_secure_boot(efivars: Path = _EFIVARS) -> bool:
    """Return whether the firmware enforces Secure Boot: the variable SecureBoot (UEFI 2.10, section 3.3) is 1."""
    try:
        # Four bytes of attributes come before the value.
        return (efivars / f"SecureBoot-{_GLOBAL_VARIABLE}").read_bytes()[4:5] == b"\1"
    except OSError:
        return False


def _describe_nic(path: Path) -> dict[str, t.Any]:
    speed = _read(path / "speed")
    # A virtio port hangs below its PCI function: the last PCI address on the way is the port's own.
    addresses = _PCI_ADDRESS.findall(os.path.realpath(path / "device"))
    return {
        "name": path.name,
        "mac": (_read(path / "address") or "").lower(),
        "speed": int(speed) if speed and speed.isdigit() else None,
        "carrier": _read(path / "carrier") == "1",
        "pci": addresses[-1] if addresses else None,
    }


def _get_memory_mb() -> int:
    """Return the installed memory; MemTotal lacks what the kernel took for itself."""
    block = _read(_MEMORY / "block_size_bytes")
    online = [path for path in _MEMORY.glob("memory*/state") if _read(path) == "online"]
    if block and online:
        return int(block, 16) * len(online) // 1024**2
    found = _MEM_TOTAL.search(_read(Path("/proc/meminfo")) or "")
    return int(found.group(1)) // 1024 if found else 0


def _read(path: Path) -> str | None:
    """Return a file's text; None where it is absent, or the kernel has no answer (a port that is down)."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
