"""The NUMA nodes of the machine: read from /sys in the ramdisk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from ..disk.sysfs import read_value

_NODES = Path("/sys/devices/system/node")
_NAME = re.compile(r"node(\d+)$")
_MEM_TOTAL = re.compile(r"MemTotal:\s+(\d+) kB")


def read_numa(nodes: Path = _NODES) -> list[dict[str, t.Any]]:
    """Return the NUMA nodes by number: ``cpus`` as the kernel lists them, memory in MiB without the kernel's own."""
    numbered = ((found, path) for path in nodes.glob("node*") if (found := _NAME.fullmatch(path.name)))
    described = [_describe(int(found.group(1)), path) for found, path in numbered]
    return sorted(described, key=lambda node: int(node["node"]))


def _describe(number: int, path: Path) -> dict[str, t.Any]:
    memory = _MEM_TOTAL.search(read_value(path / "meminfo") or "")
    return {
        "node": number,
        "cpus": read_value(path / "cpulist") or "",
        "memory_mb": int(memory.group(1)) // 1024 if memory else 0,
    }
