"""Config drives on disks that are files: GPT and MBR, twice, and bad input."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import gzip
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import (
    BareMetalError,
    InvalidRequestError,
    StepError,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.config_drive.config_content import (
    check_sector_size,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.config_drive.config_drive import (
    write_config_drive,
)

MIB = 1024 * 1024


def encode(data: bytes) -> str:
    return base64.encodebytes(data).decode()


@pytest.fixture
def gpt_disk(tmp_path: Path, roomy_image: bytes) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(roomy_image)
    return path


@pytest.fixture
def mbr_disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    entry = struct.pack("<B3sB3sII", 0x80, b"\0\2\0", 0x83, b"\0\0\0", 2048, 20480)
    path.write_bytes(bytes(446) + entry + bytes(48) + b"\x55\xaa" + b"\xff" * (30 * MIB - 512))
    return path


@pytest.mark.parametrize("kind", ["gpt_disk", "mbr_disk"])
def test_written_once(kind: str, request: pytest.FixtureRequest, tools: t.Any) -> None:
    disk: Path = request.getfixturevalue(kind)
    before = disk.read_bytes()
    first, second = tools.build_iso(b"first"), tools.build_iso(b"second")

    planned = write_config_drive(str(disk), encode(first), check_mode=True)
    assert planned["changed"]
    assert disk.read_bytes() == before

    result = write_config_drive(str(disk), encode(first))
    place = result["partition"]
    data = disk.read_bytes()
    assert result["changed"]
    assert place["size"] == MIB
    assert place["start"] + 2 * MIB >= len(data) - MIB
    assert data[place["start"] : place["start"] + MIB] == first + bytes(MIB - len(first))
    assert data[2 * MIB : place["start"]] == before[2 * MIB : place["start"]]

    again = write_config_drive(str(disk), encode(gzip.compress(first, mtime=0)))
    assert again == {**result, "changed": False}
    assert disk.read_bytes() == data

    changed = write_config_drive(str(disk), encode(second))
    assert changed["partition"] == place
    assert changed["changed"]
    assert disk.read_bytes()[place["start"] :].startswith(second)


def test_gpt_is_valid_and_names_the_partition(gpt_disk: Path, tools: t.Any) -> None:
    number = write_config_drive(str(gpt_disk), encode(tools.build_iso()))["partition"]["number"]
    shown = subprocess.run(
        ["sgdisk", "-v", "-i", str(number), str(gpt_disk)], capture_output=True, text=True, check=True
    ).stdout
    assert "No problems found" in shown
    assert "Partition name: 'config-2'" in shown


def test_partition_that_is_too_small_is_replaced(gpt_disk: Path, tools: t.Any) -> None:
    small = write_config_drive(str(gpt_disk), encode(tools.build_iso()))["partition"]
    large = write_config_drive(str(gpt_disk), encode(tools.build_iso(size=3 * MIB)))["partition"]
    assert large["number"] == small["number"]
    assert large["size"] == 3 * MIB
    assert subprocess.run(["sgdisk", "-v", str(gpt_disk)], capture_output=True, check=True).stdout.count(b"No problems")


def test_gpt_of_an_image_is_fitted_to_the_loop_device_first(loop_device: str, image: bytes, tools: t.Any) -> None:
    with Path(loop_device).open("r+b") as file:
        file.write(image)
    content = tools.build_iso()
    start = write_config_drive(loop_device, encode(content))["partition"]["start"]
    assert Path(loop_device).read_bytes()[start:].startswith(content)
    assert not write_config_drive(loop_device, encode(content))["changed"]


@pytest.mark.parametrize(
    ("content", "size", "error", "message"),
    [
        ("not base64!", 0, InvalidRequestError, "not valid base64"),
        (encode(b"plain"), 0, InvalidRequestError, "neither an ISO 9660 nor a FAT"),
        (encode(gzip.compress(b"x" * 9, mtime=0)[:-9]), 0, InvalidRequestError, "truncated gzip"),
        (encode(gzip.compress(bytes(65 * MIB), 1, mtime=0)), 0, InvalidRequestError, "larger than 64 MiB"),
        ("label", 0, InvalidRequestError, "labelled 'cidata'"),
        ("large", 9, StepError, "bytes free behind its last partition"),
    ],
)
def test_bad_input_changes_nothing(
    content: str, size: int, error: type[BareMetalError], message: str, gpt_disk: Path, tools: t.Any
) -> None:
    if content == "label":
        content = encode(tools.build_iso(label="cidata"))
    elif content == "large":
        content = encode(tools.build_iso(size=size * MIB))
    before = gpt_disk.read_bytes()
    with pytest.raises(error, match=message):
        write_config_drive(str(gpt_disk), content)
    assert gpt_disk.read_bytes() == before


def test_disk_without_partition_table(disk: Path, tools: t.Any) -> None:
    with pytest.raises(StepError, match="no partition table"):
        write_config_drive(str(disk), encode(tools.build_iso()))


def test_sector_size(tools: t.Any) -> None:
    check_sector_size(tools.build_iso(), "/dev/sda", 512)
    with pytest.raises(InvalidRequestError, match="sectors of 4096 bytes"):
        check_sector_size(tools.build_iso(), "/dev/sda", 4096)
