"""Erasing for real: files and loop devices, what is left of them, what is refused, and what fails half way."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import random
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.erase import EraseRequest, erase_devices

MIB = 1024 * 1024
SIZE = 40 * MIB
NOISE = random.Random(5).randbytes(SIZE)
#: Behind the first 4 MiB of the disk's second partition, and before its last.
KEPT = slice(23 * MIB, 29 * MIB)


def call(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def erase(*devices: str | Path, level: str = "full", check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    request = EraseRequest(level=level, devices=[str(device) for device in devices], **options)
    return erase_devices(request, check_mode=check_mode)


def evidence_of(result: dict[str, t.Any], device: str | Path) -> dict[str, t.Any]:
    (found,) = [item for item in result["evidence"] if item["device"] == str(device)]
    return t.cast("dict[str, t.Any]", found)


def md_superblock(uuid: bytes) -> bytes:
    """Return a version 0.90 superblock, as md has it in the last 64 KiB of a member."""
    words = [0xA92B4EFC, 0, 90, 0, 0, *struct.unpack("<I", uuid[:4]), 0, 1, 15 * 1024, 2, 2, 0, 0]
    words += struct.unpack("<3I", uuid[4:16])
    block = bytearray(struct.pack(f"<{len(words)}I", *words).ljust(4096, b"\0"))
    struct.pack_into("<I", block, 38 * 4, sum(struct.unpack("<1024I", block)) & 0xFFFFFFFF)
    return bytes(block)


def fill(path: Path) -> Path:
    """Make a disk full of noise: GPT, ext4 in the first partition, noise and an md superblock in the second."""
    path.write_bytes(NOISE)
    call("sgdisk", "--clear", "-n", "1:2048:+16M", "-n", f"2:{18 * 2048}:+16M", "-t", "2:fd00", path)
    file_system = path.with_suffix(".ext4")
    with file_system.open("wb") as file:
        file.truncate(16 * MIB)
    call("mkfs.ext4", "-q", file_system)
    with path.open("r+b") as file:
        file.seek(1 * MIB)
        file.write(file_system.read_bytes())
        file.seek(34 * MIB - 65536)
        file.write(md_superblock(random.Random(6).randbytes(16)))
    file_system.unlink()
    assert {"gpt", "PMBR", "ext4", "linux_raid_member"} <= look(path)
    return path


def look(path: str | Path) -> set[str]:
    """Return the types of all signatures on the disk and in its former partitions, by other ways than the code's."""
    whole = json.loads(call("wipefs", "--no-act", "--json", path) or "{}").get("signatures", [])
    found = {item["type"] for item in whole}
    for area in (["-O", "1MiB", "-S", "16MiB"], ["-O", "18MiB", "-S", "16MiB"]):
        command = ["blkid", "-p", "-o", "value", "-s", "TYPE", *area, path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found |= set(done.stdout.split())
    return found


class Machine:
    """Attaches loop devices and mounts; all is taken back in the other order."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._point = folder / "mounted"
        self._stack = stack

    def attach(self, backing: str | Path, *options: str) -> str:
        device = call("losetup", "--find", "--show", *options, backing).strip()
        self._stack.callback(call, "losetup", "--detach", device)
        return device

    def mount(self, *argv: str) -> Path:
        self._point.mkdir()
        call("mount", *argv, self._point)
        self._stack.callback(call, "umount", self._point)
        return self._point

    def make_failing_disk(self) -> str:
        """Return a disk whose writes fail from some byte on: its file lies sparse where there is no space for it."""
        backing = self.mount("-t", "tmpfs", "-o", f"size={8 * MIB}", "tmpfs") / "baremetal-lifecycle-disk"
        with backing.open("wb") as file:
            file.write(NOISE[:MIB])
            file.truncate(SIZE)
        return self.attach(backing)


@pytest.fixture
def machine(tmp_path: Path) -> t.Iterator[Machine]:
    with contextlib.ExitStack() as stack:
        yield Machine(tmp_path, stack)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return fill(tmp_path_factory.mktemp("content") / "disk").read_bytes()


@pytest.fixture
def disk(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "baremetal-lifecycle-disk"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("loop", [False, True])
def test_metadata_leaves_no_signature_and_the_data(disk: Path, machine: Machine, loop: bool) -> None:
    device = machine.attach(disk) if loop else str(disk)
    result = erase(device, level="metadata")
    assert "failed" not in result
    assert result["changed"] is True
    found = evidence_of(result, device)
    assert (found["result"], found["method"], found["sanitization"]) == ("erased", "metadata", None)
    assert found["verification"]["result"] == "no signature"
    assert found["attempts"] == [{"method": "metadata", "result": "erased", "error": None}]
    assert look(device) == set()
    left = disk.read_bytes()
    assert left[KEPT] == NOISE[KEPT]
    assert len(left) == SIZE


@pytest.mark.parametrize(
    ("loop", "method", "tried"),
    [
        (False, "auto", ["overwrite"]),
        (False, "overwrite", ["overwrite"]),
        (True, "auto", ["blkdiscard"]),
        (True, "blkdiscard", ["blkdiscard"]),
        (True, "overwrite", ["overwrite"]),
    ],
)
def test_full_leaves_zeros(disk: Path, machine: Machine, loop: bool, method: str, tried: list[str]) -> None:
    device = machine.attach(disk) if loop else str(disk)
    result = erase(device, method=method)
    found = evidence_of(result, device)
    assert [item["method"] for item in found["attempts"]] == tried
    assert (found["result"], found["method"], found["sanitization"]) == ("erased", tried[-1], "clear")
    assert found["verification"] == {"samples": 64, "bytes": 64 * 4096, "result": "zeros"}
    assert found["size_bytes"] == SIZE
    assert found["started_at"] <= found["finished_at"]
    assert found["tool"].startswith("Linux ")
    assert disk.read_bytes() == bytes(SIZE)


def test_overwrite_writes_and_does_not_punch_holes(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(9 * MIB + 512)
    assert erase(path, method="overwrite")["evidence"][0]["result"] == "erased"
    assert path.stat().st_blocks * 512 >= 9 * MIB


def test_a_method_that_the_disk_lacks_is_a_failure_and_changes_nothing(disk: Path) -> None:
    before = disk.read_bytes()
    result = erase(disk, method="nvme_sanitize")
    assert (result["failed"], result["changed"]) == (True, False)
    found = evidence_of(result, disk)
    error = "the disk does not support it"
    assert found["attempts"] == [{"method": "nvme_sanitize", "result": "failed", "error": error}]
    assert (found["result"], found["method"], found["sanitization"]) == ("failed", None, None)
    assert disk.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"disks": ["S9"]}, "'S9' in disks matches no disk"),
        ({"allow": ["/dev/absent"]}, "'/dev/absent' in allow matches no disk"),
        ({"skip": ["S9"]}, "'S9' in skip matches no disk"),
        ({"disks": ["FIRST"], "skip": ["FIRST"]}, "it is in skip"),
        ({"disks": ["FIRST"], "allow": ["SECOND"]}, "it is not in allow"),
        ({"disks": []}, "disks is empty"),
        ({"allow": []}, "allow is empty"),
        ({"method": "shred"}, "method shred is unknown"),
        ({"samples": 1}, "samples is 1"),
    ],
)
def test_what_is_wrong_is_refused_before_any_change(tmp_path: Path, options: dict[str, t.Any], match: str) -> None:
    paths = {"FIRST": tmp_path / "first", "SECOND": tmp_path / "second"}
    for path in paths.values():
        path.write_bytes(NOISE[:MIB])
    given = {
        key: [str(paths.get(item, item)) for item in value] if isinstance(value, list) else value
        for key, value in options.items()
    }
    with pytest.raises(InvalidRequestError, match=match):
        erase(*paths.values(), **given)
    assert all(path.read_bytes() == NOISE[:MIB] for path in paths.values())


def two_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two disks of which lsblk says one WWN, and a third one."""
    paths = [tmp_path / name for name in ("first", "second", "third")]
    for path in paths:
        path.write_bytes(NOISE[:MIB])
    keys = ("model", "vendor", "serial", "rota", "hctl", "tran", "ro", "rm")
    wwns = ("0x5000c500a1b2c3d4", "0x5000c500a1b2c3d4", None)
    disks = [
        {**dict.fromkeys(keys), "path": str(path), "type": "disk", "size": MIB, "wwn": wwn}
        for path, wwn in zip(paths, wwns)
    ]
    script = tmp_path / "lsblk"
    script.write_text(f"#!/bin/sh\necho '{json.dumps({'blockdevices': disks})}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return paths


def test_two_paths_of_one_disk_are_not_erased_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = two_paths(tmp_path, monkeypatch)
    result = erase()
    assert [item["result"] for item in result["evidence"]] == ["failed", "failed", "erased"]
    assert f"it has the same WWN as {second}" in evidence_of(result, first)["reason"]
    assert "skip" in evidence_of(result, first)["reason"]
    assert [path.read_bytes() == NOISE[:MIB] for path in (first, second, third)] == [True, True, False]
    result = erase(skip=[str(second)])
    assert [item["result"] for item in result["evidence"]] == ["erased", "skipped", "erased"]


def test_disks_that_are_not_meant_are_in_the_evidence(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("named", "other", "skipped")]
    for path in paths:
        path.write_bytes(NOISE[:MIB])
    result = erase(*paths, disks=[str(paths[0])], skip=[str(paths[2])])
    assert [item["result"] for item in result["evidence"]] == ["erased", "skipped", "skipped"]
    assert [item["reason"] for item in result["evidence"]] == [None, "not named in disks", "it is in skip"]
    assert [path.read_bytes() == NOISE[:MIB] for path in paths] == [False, True, True]


def test_check_mode_plans_and_touches_nothing(disk: Path, machine: Machine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(NOISE[:MIB])
    before = disk.read_bytes()
    device = machine.attach(disk)
    result = erase(device, other, skip=[str(other)], check_mode=True)
    assert result["changed"] is True
    assert [(item["device"], item["action"], item["methods"]) for item in result["plan"]] == [
        (device, "erase", ["blkdiscard", "overwrite"]),
        (str(other), "skipped", []),
    ]
    assert disk.read_bytes() == before


def test_real_disks_are_refused_outside_of_the_ramdisk(tmp_path: Path) -> None:
    number = os.stat("/").st_dev
    disk = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve().name
    other = tmp_path / "other"
    other.write_bytes(NOISE[:MIB])
    with pytest.raises(InvalidRequestError, match="not the deploy ramdisk"):
        erase(other, f"/dev/{disk}", level="metadata", check_mode=True)
    found = erase(other, f"/dev/{disk}", level="metadata", check_mode=True, disks=[str(other)])
    assert [item["action"] for item in found["plan"]] == ["erase", "skipped"], "what is not meant does not count"


@pytest.mark.parametrize("guard", [True, False])
def test_a_mounted_disk_is_kept_and_the_other_is_erased(tmp_path: Path, machine: Machine, guard: bool) -> None:
    backing, other = tmp_path / "baremetal-lifecycle-disk", tmp_path / "other"
    backing.write_bytes(bytes(8 * MIB))
    other.write_bytes(NOISE[:MIB])
    call("mkfs.ext4", "-q", backing)
    device = machine.attach(backing)
    point = machine.mount(device)
    (point / "file").write_text("kept")
    result = erase(device, other, guard=guard)
    assert result["failed"] is True
    assert f"1 of 2 disks were not erased: {device} (guarded): in use:" in result["msg"]
    assert f"is mounted on {point}" in result["msg"]
    assert evidence_of(result, device)["attempts"] == []
    assert evidence_of(result, other)["result"] == "erased"
    assert other.read_bytes() == bytes(MIB)
    assert (point / "file").read_text() == "kept"
    assert "ext4" in call("blkid", "-p", device)


def test_a_disk_below_a_loop_device_is_kept(disk: Path, machine: Machine) -> None:
    before = disk.read_bytes()
    lower = machine.attach(disk)
    upper = machine.attach(lower, "--offset", str(MIB))
    for device, above in ((lower, upper), (str(disk), lower)):
        found = evidence_of(erase(device), device)
        assert found["result"] == "guarded"
        assert f"{os.path.basename(above)} is stacked on" in found["reason"]
    assert disk.read_bytes() == before


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (["sgdisk", "-n", "1:2048:+4M", "-t", "1:37AFFC90-EF7D-4E96-91C3-2D7AE055B174"], "GPFS partition"),
        (["sgdisk", "-n", "1:2048:+4M", "-t", "1:AA31E02A-400F-11DB-9590-000C2911D1B8"], "VMFS partition"),
        (None, "gfs2 at byte 1048576"),
    ],
)
def test_cluster_file_systems_are_kept_unless_told_otherwise(tmp_path: Path, make: list[str] | None, name: str) -> None:
    path = tmp_path / "shared"
    path.write_bytes(bytes(40 * MIB))
    call(*(make or ["sgdisk", "-n", "1:2048:+36M"]), path)
    if make is None:
        with path.open("r+b") as file:  # gfs2_sb: magic, type, format, and the format numbers that blkid wants
            file.seek(MIB + 65536)
            file.write(struct.pack(">IIQIIIII", 0x01161970, 1, 0, 100, 0, 1801, 1900, 0))
    before = path.read_bytes()
    found = evidence_of(erase(path, level="metadata"), path)
    assert found["result"] == "guarded"
    assert name in found["reason"]
    assert path.read_bytes() == before
    assert evidence_of(erase(path, level="metadata", guard=False), path)["result"] == "erased"
    assert look(path) == set()


def test_signatures_of_which_blkid_names_none_count_too(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    content = bytearray(SIZE)
    struct.pack_into(">IIQIIIII", content, 65536, 0x01161970, 1, 0, 100, 0, 1801, 1900, 0)  # gfs2
    content[1024:1030] = b"OCFSV2"
    path.write_bytes(content)
    assert subprocess.run(["blkid", "-p", path], capture_output=True, check=False).returncode == 8
    found = evidence_of(erase(path, level="metadata"), path)
    assert found["result"] == "guarded"
    assert "more than one signature at byte 0" in found["reason"]
    assert path.read_bytes() == content


def test_a_read_only_disk_fails_the_erase(disk: Path, machine: Machine) -> None:
    before = disk.read_bytes()
    device = machine.attach(disk, "--read-only")
    result = erase(device)
    assert result["failed"] is True
    assert result["changed"] is False
    assert evidence_of(result, device)["result"] == "read-only"
    assert f"{device} (read-only): the kernel refuses writes" in result["msg"]
    assert disk.read_bytes() == before


def test_a_disk_that_fails_half_way_does_not_stop_the_others(tmp_path: Path, machine: Machine) -> None:
    other = tmp_path / "other"
    other.write_bytes(NOISE[:MIB])
    device = machine.make_failing_disk()
    result = erase(device, other, method="overwrite")
    assert (result["failed"], result["changed"]) == (True, True)
    found = evidence_of(result, device)
    assert (found["result"], found["method"], found["sanitization"]) == ("failed", None, None)
    assert f"Writing {device} at byte" in found["attempts"][0]["error"]
    assert found["reason"] in result["msg"]
    assert found["finished_at"]
    assert result["error"]["type"] == "StepError"
    assert evidence_of(result, other)["result"] == "erased"
    assert other.read_bytes() == bytes(MIB)


def test_the_next_method_is_tried_when_one_fails(machine: Machine) -> None:
    device = machine.make_failing_disk()
    found = evidence_of(erase(device), device)
    assert [(item["method"], item["result"]) for item in found["attempts"]] == [
        ("blkdiscard", "failed"),
        ("overwrite", "failed"),
    ]
    assert all(item["error"] for item in found["attempts"])


class EndedError(Exception):
    """The module has given its answer."""


class Module:
    params: t.ClassVar[dict[str, t.Any]] = {}

    def exit_json(self, **kwargs: t.Any) -> t.NoReturn:
        raise EndedError({"failed": False, **kwargs})

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        raise EndedError({"failed": True, "msg": msg, **kwargs})


def test_a_failed_module_still_shows_its_evidence(disk: Path) -> None:
    with pytest.raises(EndedError) as caught:
        run(Module(), lambda: erase(disk, method="nvme_format"))
    answer = caught.value.args[0]
    assert answer["failed"] is True
    assert "nvme_format: the disk does not support it" in answer["msg"]
    assert answer["evidence"][0]["device"] == str(disk)
    with pytest.raises(EndedError) as caught:
        run(Module(), lambda: erase(disk, level="metadata"))
    assert caught.value.args[0]["failed"] is False
