"""The PCI functions of the node: read from /sys in the ramdisk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ..disk.sysfs import read_value

_DEVICES = Path("/sys/bus/pci/devices")


def read_pci(devices: Path = _DEVICES) -> list[dict[str, t.Any]]:
    """Return the PCI functions, sorted by address; identifiers are hex digits in lower case, as lspci -n has them."""
    return [_describe(path) for path in sorted(devices.glob("*"))]


def _describe(path: Path) -> dict[str, t.Any]:
    node = read_value(path / "numa_node")
    driver = path / "driver"
    return {
        "address": path.name,
        "vendor_id": _read_hex(path / "vendor"),
        "device_id": _read_hex(path / "device"),
        "class": _read_hex(path / "class"),
        "revision": _read_hex(path / "revision"),
        # The kernel's -1: the firmware does not say.
        "numa_node": int(node) if node and node.isdigit() else None,
        "driver": os.path.basename(os.readlink(driver)) if driver.is_symlink() else None,
    }


def _read_hex(path: Path) -> str | None:
    value = read_value(path)
    return value.lower().removeprefix("0x") if value else None
