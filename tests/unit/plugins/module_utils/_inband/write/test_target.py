"""What may be written: the gate in front of every disk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.disk.mounts import read_mounts
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.target import inspect_target


def find_root_disk() -> str:
    for mount in read_mounts():
        if mount.mount_point == "/" and mount.source.startswith("/dev/") and os.path.exists(mount.source):
            real = Path("/sys/class/block", os.path.basename(os.path.realpath(mount.source))).resolve()
            name = real.parent.name if (real / "partition").exists() else real.name
            if stat.S_ISBLK(os.stat(f"/dev/{name}").st_mode):
                return f"/dev/{name}"
    pytest.fail("this test needs a machine whose root file system is on a disk")


def test_real_disk_is_out_of_reach_without_the_marker(tmp_path: Path) -> None:
    link = tmp_path / "loop0"
    link.symlink_to(find_root_disk())
    for device in (find_root_disk(), str(link)):
        with pytest.raises(InvalidRequestError, match="not the deploy ramdisk"):
            inspect_target(device, marker=tmp_path / "absent")


def test_mounted_disk_is_refused_in_the_ramdisk_too(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    with pytest.raises(InvalidRequestError, match="is mounted on /"):
        inspect_target(find_root_disk(), marker=marker)


def test_loop_device(loop_device: str) -> None:
    target = inspect_target(loop_device)
    assert (target.is_block, target.size, target.block_size) == (True, 30 * 1024**2, 512)
    subprocess.run(["blockdev", "--setro", loop_device], check=True)
    try:
        with pytest.raises(InvalidRequestError, match="read-only"):
            inspect_target(loop_device)
    finally:  # the kernel remembers it for the next user of the device
        subprocess.run(["blockdev", "--setrw", loop_device], check=True)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "disk").touch()
    with pytest.raises(InvalidRequestError, match="no space"):
        inspect_target(str(tmp_path / "disk"))
