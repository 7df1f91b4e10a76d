"""What udev calls in the ramdisk for each SCSI disk: only a second path to a disk starts multipathd."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "roles/build_ramdisk/files/overlay/usr/lib/udev/baremetal-second-path"

NAA, T10 = "naa.600508b1001c8a37", "t10.ATA     QEMU HARDDISK      S1 "
DISKS = [
    ("one disk", {"sda": NAA}, False),
    ("two disks", {"sda": NAA, "sdb": NAA[:-1]}, False),
    ("two paths", {"sda": NAA, "sdb": T10, "sdc": NAA}, True),
    ("two paths, an identifier with spaces", {"sda": T10, "sdab": T10}, True),
    ("another path appears later", {"sda": NAA, "sdb": T10, "sdc": T10}, False),
    ("disks without an identifier", {"sda": None, "sdb": None}, False),
    ("disks with an empty one", {"sda": "", "sdb": ""}, False),
]


@pytest.mark.parametrize(("disks", "starts"), [pytest.param(*row[1:], id=row[0]) for row in DISKS])
def test_second_path(tmp_path: Path, disks: dict[str, str | None], starts: bool) -> None:
    for name, identifier in disks.items():
        folder = tmp_path / "block" / name / "device"
        folder.mkdir(parents=True)
        if identifier is not None:
            (folder / "wwid").write_text(f"{identifier}\n" if identifier else "")
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/started\n')
    (tmp_path / "systemctl").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BAREMETAL_SYSFS": str(tmp_path)}
    subprocess.run([SCRIPT, "sda"], env=environment, check=True)
    started = tmp_path / "started"
    assert started.exists() == starts
    assert not starts or started.read_text() == "--no-block start multipathd.service\n"
