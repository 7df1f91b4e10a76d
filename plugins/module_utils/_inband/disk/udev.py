"""What udev knows of a disk, and waiting for it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from ..._errors import StepError
from ..agent.command import run_command, search_path

Properties = dict[str, str]

_BY_PATH = Path("/dev/disk/by-path")
_SETTLE_SECONDS = 30


def settle() -> None:
    """Wait, at most half a minute, until udev has made the nodes of new partitions and disks."""
    if shutil.which("udevadm", path=search_path()) is None:
        return
    with contextlib.suppress(StepError):  # late device nodes fail no write: nothing here uses them
        run_command(["udevadm", "settle", f"--timeout={_SETTLE_SECONDS}"], timeout=_SETTLE_SECONDS + 5)


def read_properties(path: str) -> Properties:
    """Return the properties of a device; none without udev."""
    if shutil.which("udevadm", path=search_path()) is None:
        return {}
    # Without udev's database (a container) the call fails; lsblk's own columns are then all there is.
    text = run_command(["udevadm", "info", "--query=property", f"--name={path}"], accept=range(256))
    return {key: value for key, separator, value in (line.partition("=") for line in text.splitlines()) if separator}


def find_by_path(path: str) -> str | None:
    """Return the link to a device that stays the same while the disk stays in its slot."""
    links = sorted(_BY_PATH.glob("*")) if _BY_PATH.is_dir() else []
    return next((str(link) for link in links if os.path.realpath(link) == path), None)
