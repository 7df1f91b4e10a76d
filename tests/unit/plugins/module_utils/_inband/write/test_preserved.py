"""Partitions that survive a write: wholly, whatever ends it, and never by mistake."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.config_drive.config_drive import (
    write_config_drive,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.source import SourceOptions

MIB = 1024 * 1024
GUID = "B0A70000-0000-4000-8000-0000000DA7A0"
DATA = random.Random(3).randbytes(10 * MIB)
QUICK = SourceOptions(retries=3, timeout=5, pause=0.01)


def write(url: str, checksum: str, device: t.Any, *names: str, **options: t.Any) -> dict[str, t.Any]:
    check_mode = options.pop("check_mode", False)
    request = ImageRequest(url, checksum, str(device), preserve=names, source=QUICK, **options)
    return write_image(request, check_mode=check_mode)


def sgdisk(disk: t.Any, *arguments: str) -> str:
    return subprocess.run(["sgdisk", *arguments, str(disk)], capture_output=True, text=True, check=True).stdout


def get_partitions(disk: t.Any) -> dict[str, dict[str, t.Any]]:
    """What sfdisk says of a disk, by name; start in sectors."""
    output = subprocess.run(["sfdisk", "--json", str(disk)], capture_output=True, check=True).stdout
    return {partition.get("name", ""): partition for partition in json.loads(output)["partitiontable"]["partitions"]}


def used_disk(path: Path, *arguments: str) -> Path:
    """A disk of 40 MiB that was deployed before: root, data in its second half, a config drive."""
    path.write_bytes(b"\xff" * (40 * MIB))
    sgdisk(path, "--clear", "--new=1:2048:20M", "--change-name=1:root", "--new=2:39M:+512K", "--change-name=2:config-2")
    sgdisk(path, "--new=7:28M:+10M", "--change-name=7:data", f"--partition-guid=7:{GUID}", "--attributes=7:set:60")
    sgdisk(path, *arguments)
    with path.open("r+b") as file:
        file.seek(28 * MIB)
        file.write(DATA)
    return path


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return used_disk(tmp_path / "baremetal-lifecycle-disk", "--print")


def is_preserved(disk: t.Any, content: bytes) -> bool:
    data = get_partitions(disk)["data"]
    assert (data["start"], data["size"], data["uuid"]) == (28 * MIB // 512, 10 * MIB // 512, GUID)
    assert data["attrs"] == "GUID:60"
    return content[28 * MIB : 38 * MIB] == DATA


@pytest.mark.parametrize("kind", ["raw", "raw.zst", "qcow2"])
def test_data_outlives_another_image(
    kind: str, server: t.Any, image: bytes, disk: Path, tmp_path: Path, tools: t.Any
) -> None:
    data = {
        "raw": lambda: image,
        "raw.zst": lambda: tools.compress_zstd(image),
        "qcow2": lambda: tools.to_qcow2(image, tmp_path),
    }[kind]()
    url = server.add(f"image.{kind}", data)
    result = write(url, tools.sha256(data), disk, "data", format=kind.partition(".")[0])
    assert result["preserved"] == ["data"]
    content = disk.read_bytes()
    assert is_preserved(disk, content)
    assert content[:440] == image[:440]
    assert content[MIB : 13 * MIB] == image[MIB : 13 * MIB]
    assert sorted(get_partitions(disk)) == ["", "ESP", "data"]
    assert "No problems found" in sgdisk(disk, "-v")

    before = get_partitions(disk)
    drive = write_config_drive(str(disk), base64.encodebytes(tools.build_iso()).decode())
    assert is_preserved(disk, disk.read_bytes())
    assert drive["partition"]["start"] >= 38 * MIB
    assert {name: get_partitions(disk)[name] for name in before} == before

    again = write(url, tools.sha256(data), disk, "data", format=kind.partition(".")[0])
    assert again["preserved"] == ["data"]
    assert is_preserved(disk, disk.read_bytes())
    assert sorted(get_partitions(disk)) == ["", "ESP", "data"]


def test_a_real_block_device(server: t.Any, image: bytes, loop_device: str, tools: t.Any) -> None:
    sgdisk(loop_device, "--clear", "--new=1:18M:0", "--change-name=1:data")
    start = get_partitions(loop_device)["data"]["start"] * 512
    size = get_partitions(loop_device)["data"]["size"] * 512
    Path(loop_device).open("r+b").close()
    with Path(loop_device).open("r+b") as file:
        file.seek(start)
        file.write(DATA)
        file.seek(start + size - 512)
        file.write(b"end" * 170 + b"ed")
    write(server.add("image.raw", image), tools.sha256(image), loop_device, "data")
    content = Path(loop_device).read_bytes()
    assert content[start : start + len(DATA)] == DATA
    assert content[start + size - 512 : start + size] == b"end" * 170 + b"ed", "within the disk's last MiB"
    assert "No problems found" in sgdisk(loop_device, "-v")


def test_no_room_behind_the_data_leaves_the_place_before_it(
    server: t.Any, image: bytes, tmp_path: Path, tools: t.Any
) -> None:
    disk = used_disk(tmp_path / "disk", "--delete=2", "--delete=7", "--new=7:28M:0", "--change-name=7:data")
    write(server.add("image.raw", image), tools.sha256(image), disk, "data")
    drive = write_config_drive(str(disk), base64.encodebytes(tools.build_iso()).decode())
    assert drive["partition"]["start"] == 27 * MIB
    assert disk.read_bytes()[28 * MIB : 38 * MIB] == DATA
    assert "No problems found" in sgdisk(disk, "-v")


def test_a_disk_without_partitions_has_nothing_to_lose(server: t.Any, image: bytes, disk: Path, tools: t.Any) -> None:
    disk.write_bytes(bytes(40 * MIB))
    url = server.add("image.raw", image)
    assert write(url, tools.sha256(image), disk, "data")["preserved"] == []
    # As after a deployment that failed behind the write: what is there is this image alone.
    write_config_drive(str(disk), base64.encodebytes(tools.build_iso()).decode())
    assert write(url, tools.sha256(image), disk, "data")["preserved"] == []


def damage(disk: Path, *places: int) -> None:
    """Change bytes of the disk."""
    with disk.open("r+b") as file:
        for place in places:
            file.seek(place)
            old = file.read(1)[0]
            file.seek(place)
            file.write(bytes([old ^ 0xFF]))


PRIMARY, BACKUP = 512 + 20, 40 * MIB - 512 + 20


@pytest.mark.parametrize(
    ("places", "mbr", "grown"),
    [
        ([PRIMARY, BACKUP], True, 0),
        ([PRIMARY, BACKUP], False, 0),
        ([512, BACKUP], False, 0),
        ([PRIMARY], True, 8 * MIB),
        ([512, 40 * MIB - 512], True, 0),
    ],
    ids=["both", "both without MBR", "backup alone", "grown", "MBR alone"],
)
@pytest.mark.parametrize("check_mode", [True, False], ids=["check", "write"])
def test_a_gpt_that_can_not_be_read_is_not_nothing_to_lose(
    places: list[int], mbr: bool, grown: int, check_mode: bool, server: t.Any, image: bytes, disk: Path, tools: t.Any
) -> None:
    damage(disk, *places)
    with disk.open("r+b") as file:
        file.write(b"" if mbr else bytes(512))
        file.truncate(40 * MIB + grown)
    before = disk.read_bytes()
    url = server.add("image.raw", image)
    with pytest.raises(BareMetalError, match="has a GPT that can't be read; nothing was written") as caught:
        write(url, tools.sha256(image), disk, "data", check_mode=check_mode)
    assert "sgdisk" in caught.value.hint
    assert disk.read_bytes() == before
    if not check_mode:
        assert write(url, tools.sha256(image), disk)["preserved"] == [], "without names it is overwritten"


def test_a_gpt_that_can_be_read_at_one_end_is_enough(server: t.Any, image: bytes, disk: Path, tools: t.Any) -> None:
    damage(disk, PRIMARY)
    assert write(server.add("image.raw", image), tools.sha256(image), disk, "data")["preserved"] == ["data"]
    assert is_preserved(disk, disk.read_bytes())


# what the disk is like, which names, part of the message
REFUSED: list[tuple[list[str], list[str], str]] = [
    (["--print"], ["dtaa"], "The partition dtaa of {disk} can't be preserved: there is none, but others .*'data'"),
    (["--print"], ["data", "logs"], "there is none, but others that would be lost: 'root'"),
    (["--change-name=1:data"], ["data"], "2 partitions have this name"),
    (["--typecode=7:ef00"], ["data"], "an EFI system partition"),
    (["--change-name=7:ESP"], ["ESP"], "the image has one of this name itself"),
    (["--change-name=1:data", "--change-name=7:old"], ["data"], "partition data of {disk}, .* begins at byte 1048576;"),
    (["--delete=7", "--new=7:12M:+8M", "--change-name=7:data"], ["data"], "begins at byte 12582912;"),
]


@pytest.mark.parametrize(("change", "names", "message"), REFUSED)
@pytest.mark.parametrize("check_mode", [True, False], ids=["check", "write"])
def test_refused_before_anything_is_written(
    change: list[str],
    names: list[str],
    message: str,
    check_mode: bool,
    server: t.Any,
    image: bytes,
    tmp_path: Path,
    tools: t.Any,
) -> None:
    if "--delete=7" in change:
        change = ["--delete=1", *change]
    disk = used_disk(tmp_path / "disk", *change)
    before = disk.read_bytes()
    with pytest.raises(BareMetalError, match=message.format(disk=disk)) as caught:
        write(server.add("image.raw", image), tools.sha256(image), disk, *names, check_mode=check_mode)
    assert "nothing was written" in caught.value.message
    assert caught.value.hint
    assert disk.read_bytes() == before


def test_an_image_without_gpt_is_refused(server: t.Any, image: bytes, disk: Path, tools: t.Any) -> None:
    entry = b"\x80\0\2\0\x83\0\0\0" + (2048).to_bytes(4, "little") + (20480).to_bytes(4, "little")
    mbr = bytes(446) + entry + bytes(48) + b"\x55\xaa" + bytes(12 * MIB)
    with pytest.raises(BareMetalError, match="has no GPT, which preserving partitions needs; nothing was written"):
        write(server.add("mbr.raw", mbr), tools.sha256(mbr), disk, "data")
    assert is_preserved(disk, disk.read_bytes())


def test_an_image_whose_size_is_told_too_late_stops_before_the_data(
    server: t.Any, image: bytes, disk: Path, tools: t.Any
) -> None:
    data = subprocess.run(["gzip", "-c"], input=image + bytes(20 * MIB), capture_output=True, check=True).stdout
    with pytest.raises(BareMetalError, match="begins at byte 29360128") as caught:
        write(server.add("image.raw.gz", data), tools.sha256(data), disk, "data")
    assert "was made unbootable: its GPT has data alone" in caught.value.message
    assert is_preserved(disk, disk.read_bytes())
    assert list(get_partitions(disk)) == ["data"]
    assert not any(disk.read_bytes()[:440])


def test_wrong_checksum(server: t.Any, image: bytes, disk: Path, tools: t.Any) -> None:
    url = server.add("image.raw", image)
    with pytest.raises(BareMetalError, match="declared is sha256:000") as caught:
        write(url, f"sha256:{'0' * 64}", disk, "data")
    assert is_preserved(disk, disk.read_bytes())
    assert "was made unbootable: its GPT has data alone" in caught.value.message
    assert list(get_partitions(disk)) == ["data"]
    assert "No problems found" in sgdisk(disk, "-v")
    write(url, tools.sha256(image), disk, "data")
    assert is_preserved(disk, disk.read_bytes())


WRITER = """
import json, os, signal, sys
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.disk import disk as _disk
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image

left = int(sys.argv[2])

def dying(original):
    def act(self, *arguments):
        global left
        left -= 1
        if not left:
            if original.__name__ == "write" and len(arguments[1]) > 4096:  # in the middle of what it writes
                original(self, arguments[0], arguments[1][:4096])
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *arguments)
    return act

_disk.Disk.write, _disk.Disk.zero = dying(_disk.Disk.write), dying(_disk.Disk.zero)
write_image(ImageRequest(**json.loads(sys.argv[1])))
"""


def test_the_data_outlives_a_loss_of_power_at_each_write(
    server: t.Any, image: bytes, tmp_path: Path, tools: t.Any
) -> None:
    url = server.add("image.raw", image)
    request = {"url": url, "checksum": tools.sha256(image), "preserve": ["data"]}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for point in range(1, 100):
        disk = used_disk(tmp_path / f"disk{point}", "--print")
        argv = [sys.executable, "-c", WRITER, json.dumps({**request, "device": str(disk)}), str(point)]
        ended = subprocess.run(argv, env=environment, check=False).returncode
        if not ended:
            break
        assert ended == -signal.SIGKILL
        assert write(url, tools.sha256(image), disk, "data")["preserved"] == ["data"], f"died at write {point}"
        assert is_preserved(disk, disk.read_bytes()), f"died at write {point}"
    assert 8 < point < 30, "each write of a whole one was tried"
