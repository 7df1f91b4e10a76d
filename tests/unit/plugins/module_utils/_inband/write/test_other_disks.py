"""What the disk held before, and what the machine's other disks have in common with the image."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError, InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.other_disks import members_of

MIB = 1024 * 1024


@pytest.fixture
def other(tmp_path: Path, image: bytes) -> Path:
    """Another disk of the machine, with the image on it."""
    path = tmp_path / "other"
    path.write_bytes(image)
    return path


@pytest.fixture
def write(server: t.Any, image: bytes, disk: Path, other: Path, tools: t.Any) -> t.Callable[..., dict[str, t.Any]]:
    """Write the image to the disk of a machine that has the other one, too."""

    def call(*, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        url = server.add("image.raw", image)
        options = {"other_disks": (str(disk), str(other), "/nonexistent"), **options}
        options.setdefault("checksum", tools.sha256(image))
        return write_image(ImageRequest(url=url, device=str(disk), **options), check_mode=check_mode)

    return call


def spoil_nothing(dummy: Path) -> None:
    pass


def new_disk_identifier(path: Path) -> None:
    subprocess.run(["sgdisk", "-U", "R", path], check=True, stdout=subprocess.DEVNULL)


def new_identifiers(path: Path) -> None:
    subprocess.run(["sgdisk", "-G", path], check=True, stdout=subprocess.DEVNULL)


def config_drive_by_name(path: Path) -> None:
    subprocess.run(["sgdisk", "-G", "-c", "2:config-2", path], check=True, stdout=subprocess.DEVNULL)


def empty(path: Path) -> None:
    path.write_bytes(bytes(MIB))


SHARED = [
    (spoil_nothing, "the disk identifier"),
    (new_disk_identifier, "the partition identifier"),
    (config_drive_by_name, "a partition config-2"),
]


@pytest.mark.parametrize(("change", "expected"), SHARED)
@pytest.mark.parametrize("check_mode", [True, False])
def test_the_same_image_elsewhere_is_refused_before_anything_is_written(
    change: t.Callable[[Path], None], expected: str, check_mode: bool, write: t.Any, disk: Path, other: Path
) -> None:
    change(other)
    before = other.read_bytes()
    with pytest.raises(InvalidRequestError) as caught:
        write(check_mode=check_mode)
    assert f"{other} has {expected}" in caught.value.message
    assert "bm_image.other_copies" in caught.value.hint
    assert disk.read_bytes() == b"\xff" * disk.stat().st_size
    assert other.read_bytes() == before


def test_it_is_erased_or_kept_by_choice_and_said(write: t.Any, other: Path, image: bytes) -> None:
    kept = write(other_copies="keep")
    assert [(copy["device"], copy["erased"]) for copy in kept["other_copies"]] == [(str(other), False)]
    assert kept["other_esps"] == [str(other)]
    assert other.read_bytes() == image
    erased = write(other_copies="erase")
    assert [(copy["device"], copy["erased"]) for copy in erased["other_copies"]] == [(str(other), True)]
    assert not any(other.read_bytes()[:MIB] + other.read_bytes()[-MIB:])
    assert write()["other_copies"] == []


def test_another_path_to_the_disk_itself_is_no_other_disk(write: t.Any, disk: Path, other: Path, image: bytes) -> None:
    other.unlink()
    other.hardlink_to(disk)  # as of a disk with two cables
    for dummy in range(2):
        assert write(other_copies="erase")["other_copies"] == []
    assert disk.read_bytes()[:MIB] == image[:MIB]


def test_nothing_is_erased_when_the_write_fails(write: t.Any, other: Path, image: bytes) -> None:
    with pytest.raises(BareMetalError):
        write(other_copies="erase", checksum=f"sha256:{'0' * 64}")
    assert other.read_bytes() == image


@pytest.mark.parametrize("change", [new_identifiers, empty])
def test_another_system_elsewhere_is_no_copy(change: t.Callable[[Path], None], write: t.Any, other: Path) -> None:
    change(other)
    result = write()
    assert result["other_copies"] == []
    assert result["other_esps"] == ([str(other)] if change is new_identifiers else [])


def with_filesystem(*argv: str) -> t.Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(bytes(16 * MIB))
        subprocess.run([argv[0], *argv[1:], path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return make


def with_table(path: Path) -> None:
    subprocess.run(
        ["sgdisk", "-o", "-n", "1:2048:+8M", "-c", "1:old-root", path], check=True, stdout=subprocess.DEVNULL
    )
    inner = path.with_suffix(".fs")
    inner.write_bytes(bytes(8 * MIB))
    subprocess.run(["mkfs.ext4", "-q", "-L", "rootfs", inner], check=True)
    with path.open("r+b") as file:
        file.seek(MIB)
        file.write(inner.read_bytes())


HELD = [
    (lambda path: None, {"table": None, "filesystem": None, "partitions": []}),
    (with_filesystem("mkfs.ext4", "-q", "-F", "-L", "data"), {"table": None, "filesystem": "ext", "label": "data"}),
    (with_filesystem("mkfs.vfat", "-n", "OLDBOOT"), {"table": None, "filesystem": "vfat", "label": "OLDBOOT"}),
    (with_filesystem("mkswap", "-L", "swap"), {"table": None, "filesystem": "swap", "label": "swap"}),
]


@pytest.mark.parametrize(("prepare", "expected"), HELD)
def test_what_the_disk_held_is_told(
    prepare: t.Callable[[Path], None], expected: dict[str, t.Any], write: t.Any, disk: Path
) -> None:
    prepare(disk)
    before = write(other_disks=())["before"]
    assert {key: before[key] for key in expected} == expected


def test_the_partitions_that_the_disk_held_are_told(write: t.Any, disk: Path) -> None:
    disk.write_bytes(bytes(disk.stat().st_size))
    with_table(disk)
    shown = subprocess.run(["sgdisk", "-p", disk], capture_output=True, text=True, check=True).stdout
    before = write(other_disks=())["before"]
    assert before["table"] == "gpt"
    assert before["guid"].upper() in shown
    (partition,) = before["partitions"]
    told = {"number": 1, "name": "old-root", "start": MIB, "size": 8 * MIB, "filesystem": "ext", "label": "rootfs"}
    assert {key: partition[key] for key in told} == told
    assert None not in (partition["guid"], partition["uuid"])


@pytest.mark.parametrize(
    ("boot_mode", "spoil", "message"),
    [
        ("uefi", ["-t", "1:8300"], "no EFI system partition in a GPT"),
        ("bios", [], "no boot code in its first sector"),
    ],
)
@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_an_image_that_can_not_boot_is_refused_before_anything_is_written(
    boot_mode: str,
    spoil: list[str],
    message: str,
    form: str,
    server: t.Any,
    image: bytes,
    disk: Path,
    tmp_path: Path,
    tools: t.Any,
) -> None:
    made = tmp_path / "made"
    made.write_bytes(image)
    if spoil:
        subprocess.run(["sgdisk", *spoil, made], check=True, stdout=subprocess.DEVNULL)
    data = tools.to_qcow2(made.read_bytes(), tmp_path) if form == "qcow2" else made.read_bytes()
    request = ImageRequest(server.add("x", data), tools.sha256(data), str(disk), format=form, boot_mode=boot_mode)
    with pytest.raises(BareMetalError, match=message):
        write_image(request)
    assert disk.read_bytes() == b"\xff" * len(image)


def test_the_members_of_an_array_are_no_other_disks(tmp_path: Path) -> None:
    for member in ("dm-0/slaves/md126", "md126/slaves/sda", "md126/slaves/sdb", "sdc"):
        (tmp_path / member).mkdir(parents=True)
    assert list(members_of("/dev/dm-0", tmp_path)) == ["/dev/md126", "/dev/sda", "/dev/sdb"]
    assert not list(members_of("/dev/sdc", tmp_path))
