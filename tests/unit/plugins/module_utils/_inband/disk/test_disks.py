"""Disks from what lsblk prints, and files that stand for disks."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.tear_down import tear_down_agent
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.disk import disks
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.disk.disks import (
    describe,
    find_twins,
    list_disks,
    parse_lsblk,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware.hardware import read_hardware


def entry(path: str, kind: str = "disk", size: int = 1000, children: list[dict] | None = None) -> dict:  # type: ignore[type-arg]
    found = {"path": path, "type": kind, "size": size, "model": "QEMU  HARDDISK ", "vendor": "ATA     ", "serial": "S1"}
    found.update(wwn="0x5000", rota=True, hctl="0:0:0:0", tran="sata", ro=False, rm="0")
    return {**found, "children": children} if children else found


def test_what_is_no_disk_is_left_out() -> None:
    shown = [
        entry("/dev/sdb"),
        entry("/dev/sda", children=[entry("/dev/sda1", "part", children=[entry("/dev/mapper/vg-lv", "lvm")])]),
        entry("/dev/nvme0n1"),
        entry("/dev/sde", size=0),
        entry("/dev/sr0", "rom"),
        entry("/dev/loop0", "loop"),
        *(entry(f"/dev/{name}") for name in ("ram0", "zram0", "fd0", "mmcblk0boot0", "nbd0")),
    ]
    found = parse_lsblk(json.dumps({"blockdevices": shown}))
    assert [disk["path"] for disk in found] == ["/dev/nvme0n1", "/dev/sda", "/dev/sdb"]
    assert not any(disk["member_of"] or disk["paths"] for disk in found)


MD0, MD1 = entry("/dev/md0", "raid1", children=[entry("/dev/md0p1", "part")]), entry("/dev/md1", "raid1")
MPATHA = entry("/dev/mapper/mpatha", "mpath", children=[entry("/dev/mapper/mpatha-part1", "part")])
STACKS = [
    ("whole disks", {"sda": [MD0], "sdb": [MD0]}, {"md0": ["md0"], "sda": ["md0"], "sdb": ["md0"]}),
    (
        "partitions",
        {"sda": [entry("/dev/sda1", "part", children=[MD1]), entry("/dev/sda2", "part", children=[MD0])]},
        {"sda": ["md0", "md1"]},
    ),
    ("an array of arrays", {"sda": [{**MD1, "children": [MD0]}]}, {"sda": ["md0", "md1"], "md1": ["md0"]}),
    ("firmware RAID that runs", {"sda": [entry("/dev/md127", "md", size=0), MD0]}, {"sda": ["md0", "md127"]}),
    ("an array that does not run", {"sda": [entry("/dev/md0", "md", size=0)]}, {"sda": ["md0"]}),
    ("dmraid", {"sda": [entry("/dev/mapper/isw_x", "dmraid")]}, {"sda": ["mapper/isw_x"], "mapper/isw_x": []}),
    ("linear", {"sda": [entry("/dev/md0", "linear")]}, {"sda": ["md0"]}),
    ("two paths", {"sdb": [MPATHA], "sda": [MPATHA]}, {"mapper/mpatha": []}),
    ("paths below an array", {"sda": [{**MPATHA, "children": [MD0]}]}, {"mapper/mpatha": ["md0"]}),
    ("a volume group", {"sda": [entry("/dev/mapper/vg-lv", "lvm")]}, {"sda": []}),
]


@pytest.mark.parametrize(("shown", "expected"), [pytest.param(*row[1:], id=row[0]) for row in STACKS])
def test_stacks(shown: dict[str, list[dict]], expected: dict[str, list[str]]) -> None:  # type: ignore[type-arg]
    tree = [entry(f"/dev/{name}", children=children) for name, children in shown.items()]
    found = parse_lsblk(json.dumps({"blockdevices": tree}))
    members = {disk["path"]: disk["member_of"] for disk in found}
    # An array is a disk of its own, too.
    wanted = {
        f"/dev/{name}": [f"/dev/{array}" for array in arrays if array != name] for name, arrays in expected.items()
    }
    assert {name: members[name] for name in wanted} == wanted
    assert "/dev/md0p1" not in members
    paths = {disk["path"]: [path["path"] for path in disk["paths"]] for disk in found if disk["paths"]}
    over = sorted(f"/dev/{name}" for name, children in shown.items() if children[0]["type"] == "mpath")
    assert paths == ({"/dev/mapper/mpatha": over} if over else {})
    assert not set(over) & set(members)


class SysFs:
    """A sysfs of another machine, which the real lsblk reads."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, path: str, number: str, **files: str) -> Path:
        device = self.root / "sys" / "devices" / path
        for name, content in {"dev": number, "size": "2048000", "ro": "0", "removable": "0", **files}.items():
            file = device / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")
        (device / "holders").mkdir()
        (device / "slaves").mkdir()
        self.link("sys/dev/block", number, device)
        if "partition" not in files:
            self.link("sys/block", device.name, device)
        return device

    def link(self, folder: str, name: str, device: Path) -> None:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / folder / name).symlink_to(os.path.relpath(device, self.root / folder))

    def stack(self, upper: Path, *lower: Path) -> None:
        for device in lower:
            (device / "holders" / upper.name).symlink_to(os.path.relpath(upper, device / "holders"))
            (upper / "slaves" / device.name).symlink_to(os.path.relpath(device, upper / "slaves"))


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


# What Debian 12 knows of a volume over two ports of a storage array: udev, and kpartx_id of multipath-tools 0.9.4.
OF_PATH = """ID_MODEL=VOL
ID_VENDOR=ACME
ID_SERIAL=3600508b1001c8a371234567890abcdef
ID_SERIAL_SHORT=600508b1001c8a371234567890abcdef
ID_WWN=0x600508b1001c8a37
ID_WWN_VENDOR_EXTENSION=0x1234567890abcdef
ID_WWN_WITH_EXTENSION=0x600508b1001c8a371234567890abcdef
ID_FS_TYPE=mpath_member"""
OF_MAP = """DM_NAME=mpatha
DM_UUID=mpath-3600508b1001c8a371234567890abcdef
DM_TYPE=scsi
DM_WWN=0x600508b1001c8a371234567890abcdef
DM_SERIAL=3600508b1001c8a371234567890abcdef"""


@pytest.fixture
def stacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Play a machine with a disk over two paths, and an array on a third disk's partition; return its tools."""
    machine = SysFs(tmp_path / "machine")
    paths = [machine.add("block/sda", "8:0"), machine.add("block/sdb", "8:16")]
    multipath = machine.add("block/dm-0", "253:0", dm__name="mpatha", dm__uuid="mpath-3600508b1001c8a37")
    part = machine.add("block/dm-1", "253:1", dm__name="mpatha-part1", dm__uuid="part1-mpath-3600508b1001c8a37")
    machine.add("block/sdc", "8:32")
    member = machine.add("block/sdc/sdc1", "8:33", start="2048", partition="1")
    array = machine.add("block/md127", "9:127", md__level="raid1")
    machine.add("block/md127/md127p1", "259:1", start="2048", partition="1")
    machine.stack(multipath, *paths)
    machine.stack(part, multipath)
    machine.stack(array, member)
    tools = tmp_path / "tools"
    tools.mkdir()
    tool(tools, "lsblk", f'exec {shutil.which("lsblk")} --sysroot {machine.root} "$@"')
    sets = {
        "sd[ab]": OF_PATH,
        "*/mpatha": OF_MAP,
        "md127": "MD_LEVEL=raid1\nMD_UUID=c0de:1",
        "sdc": "ID_SERIAL_SHORT=S3",
    }
    cases = "\n".join(f"*{name}) cat <<END\n{text}\nEND\n;;" for name, text in sets.items())
    tool(tools, "udevadm", f'case "$*" in\n{cases}\nesac')
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    return tools


@pytest.mark.usefixtures("stacked")
def test_a_map_has_what_its_paths_have() -> None:
    multipath, array, member = list_disks()
    assert [multipath["name"], array["name"], member["name"]] == ["/dev/mapper/mpatha", "/dev/md127", "/dev/sdc"]
    told = {
        "vendor": "ACME",
        "model": "VOL",
        "serial": "3600508b1001c8a371234567890abcdef",
        "wwn": "0x600508b1001c8a371234567890abcdef",
        "wwn_with_extension": "0x600508b1001c8a371234567890abcdef",
        "wwn_vendor_extension": "0x1234567890abcdef",
        "size_bytes": 2048000 * 512,
        "hctl": None,
        "by_path": None,
    }
    assert {key: multipath[key] for key in told} == told
    short = ("600508b1001c8a371234567890abcdef", "0x600508b1001c8a37")
    assert [(path["name"], path["serial"], path["wwn"]) for path in multipath["paths"]] == [
        ("/dev/sda", *short),
        ("/dev/sdb", *short),
    ]
    assert (array["serial"], array["member_of"], array["paths"]) == ("c0de:1", [], [])
    assert (member["serial"], member["member_of"], member["paths"]) == ("S3", ["/dev/md127"], [])


@pytest.mark.parametrize("comes", [True, False], ids=["the map comes", "no map comes"])
def test_two_paths_are_waited_for_where_multipathd_is(
    stacked: Path, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    pair = json.dumps({"blockdevices": [entry("/dev/sda"), entry("/dev/sdb")]})
    tool(stacked, "multipathd", "exit 1")
    real = (stacked / "lsblk").read_text().splitlines()[-1]
    count = f"echo >> {stacked}/looks; " + (f"[ $(wc -l < {stacked}/looks) -lt 3 ] || {real}; " if comes else "")
    tool(stacked, "lsblk", f"{count}\ncat <<END\n{pair}\nEND")
    monkeypatch.setattr(disks, "_PAUSE", 0)
    assert list_disks()[0]["name"] == ("/dev/mapper/mpatha" if comes else "/dev/sda")
    looks = (stacked / "looks").read_text().count("\n")
    assert looks == (3 if comes else 11)
    (stacked / "multipathd").unlink()
    (stacked / "looks").unlink()
    list_disks()
    assert (stacked / "looks").read_text().count("\n") == 1


PATHS_DIFFER = [
    ("all agree", [{"model": "VOL"}, {"model": "VOL"}], "VOL"),
    ("one knows nothing", [{"model": "VOL"}, {"model": None}], None),
    ("they differ", [{"model": "VOL"}, {"model": "LUN"}], None),
]


@pytest.mark.parametrize(("paths", "model"), [pytest.param(*row[1:], id=row[0]) for row in PATHS_DIFFER])
def test_only_what_all_paths_have_is_the_map_s(paths: list[dict], model: str | None) -> None:  # type: ignore[type-arg]
    empty = dict.fromkeys(entry(""), None)
    known = describe({**empty, "path": "/dev/sda"}, {}, None)
    found = describe({**empty, "path": "/dev/mapper/x"}, {}, None, [{**known, **path} for path in paths])
    assert found["model"] == model


RAIDS = [
    ("isw_raid_member", ["firmware RAID (isw_raid_member)"]),
    ("ddf_raid_member", ["firmware RAID (ddf_raid_member)"]),
    ("linux_raid_member", []),
    ("mpath_member", []),
    ("ext4", []),
]


@pytest.mark.parametrize(("kind", "members"), RAIDS)
def test_firmware_s_raid_that_does_not_run(kind: str, members: list[str]) -> None:
    assert describe(entry("/dev/sda"), {"ID_FS_TYPE": kind}, None)["member_of"] == members
    running = describe({**entry("/dev/sda"), "member_of": ["/dev/md126"]}, {"ID_FS_TYPE": kind}, None)
    assert running["member_of"] == ["/dev/md126"]


def test_twins() -> None:
    same = {"wwn": "0x50", "wwn_with_extension": None, "serial": "S1"}
    shown = [
        {"name": "a", **same},
        {"name": "b", **same},
        {"name": "another serial", **same, "serial": "S2"},
        {"name": "another extension", **same, "wwn_with_extension": "0x501"},
        {"name": "no WWN", **same, "wwn": None},
        {"name": "nor here", **same, "wwn": None},
    ]
    assert find_twins(shown) == {"a": ["b"], "b": ["a"]}


def test_hint_keys() -> None:
    udev = {"ID_WWN": "0x50", "ID_WWN_WITH_EXTENSION": "0x5001", "ID_WWN_VENDOR_EXTENSION": "0x01"}
    assert describe(entry("/dev/sda"), udev, "/dev/disk/by-path/x") == {
        "name": "/dev/sda",
        "by_path": "/dev/disk/by-path/x",
        "size_bytes": 1000,
        "model": "QEMU HARDDISK",
        "vendor": "ATA",
        "serial": "S1",
        "wwn": "0x50",
        "wwn_with_extension": "0x5001",
        "wwn_vendor_extension": "0x01",
        "rotational": True,
        "hctl": "0:0:0:0",
        "tran": "sata",
        "read_only": False,
        "removable": False,
        "member_of": [],
        "paths": [],
    }


def test_files_stand_for_disks(disk: Path, image: bytes) -> None:
    (found,) = list_disks([str(disk)])
    assert (found["name"], found["size_bytes"], found["read_only"]) == (str(disk), len(image), False)
    with pytest.raises(InvalidRequestError, match="No such file"):
        list_disks(["/nonexistent"])


def test_loop_device_stands_for_a_disk(loop_device: str) -> None:
    (found,) = list_disks([loop_device])
    assert (found["name"], found["size_bytes"]) == (loop_device, 30 * 1024**2)


def test_this_machine() -> None:
    assert all(disk["size_bytes"] for disk in list_disks())
    hardware = read_hardware()
    assert hardware["cpus"] > 0
    assert hardware["memory_mb"] > 0
    assert hardware["ramdisk"] is False


def test_nothing_is_powered_off_outside_of_the_ramdisk(disk: Path) -> None:
    assert tear_down_agent([str(disk)]) == {"changed": False, "powered_off": False, "flushed": [str(disk)]}
    with pytest.raises(InvalidRequestError, match="No such file"):
        tear_down_agent(["/nonexistent"])
