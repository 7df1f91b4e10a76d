"""The machine that is measured on, without anybody's name or path."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from pathlib import Path


def _read_value(path: str, key: str) -> str:
    """Return the first value of a key in a file of "key: value" lines."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        name, dummy, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"


def describe() -> dict[str, str]:
    """Return what the figures depend on."""
    memory = int(_read_value("/proc/meminfo", "MemTotal").split()[0]) / 1024**2
    processor = _read_value("/proc/cpuinfo", "model name")
    return {
        "processor": f"{os.cpu_count()} cores, {processor} {_read_value('/proc/cpuinfo', 'cpu MHz').split('.')[0]} MHz",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "ansible-core": importlib.metadata.version("ansible-core"),
        "SQLAlchemy, SQLite": f"{importlib.metadata.version('SQLAlchemy')}, {sqlite3.sqlite_version}",
    }
