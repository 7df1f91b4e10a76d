"""What lies on a disk: its partitions as areas, signatures in them, and who must not lose them."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..._errors import StepError
from ..agent.command import run_command, run_tool
from ..disk.mounts import find_users
from ..disk.partition_table import read_table
from ..write.target import Target

#: File systems that other nodes may have mounted too, as blkid calls them.
_CLUSTER_SIGNATURES = ("VMFS", "VMFS_volume_member", "gfs", "gfs2", "ocfs", "ocfs2")
#: GPFS has no signature that blkid knows; its partition type tells.
_CLUSTER_TYPES = {
    "37affc90-ef7d-4e96-91c3-2d7ae055b174": "GPFS",
    "aa31e02a-400f-11db-9590-000c2911d1b8": "VMFS",
    "0xfb": "VMFS",
}
_SECTOR = 512  # unit of start and size in sysfs, whatever the disk's own is
_PROBE_NONE, _PROBE_SEVERAL = 2, 8  # blkid(8), which names none of several
_LOOPS = Path("/sys/block")


@dataclass(frozen=True)
class Area:
    """The whole disk, or a partition; in bytes. ``node`` is its device, empty where the kernel has none."""

    start: int
    length: int
    type: str = ""
    node: str = ""


def list_areas(target: Target) -> list[Area]:
    """Return the disk and its partitions: those that the kernel knows, and those of the table on the disk."""
    areas = {(0, target.size): Area(0, target.size, node=target.path if target.is_block else "")}
    try:
        table = _read_partitions(target)
    except OSError as exc:
        raise StepError(
            f"The partition table of {target.device} can't be read: {exc.strerror}.",
            hint="The disk may be failing: look at dmesg and smartctl in the ramdisk.",
        ) from exc
    kernel = {(area.start, area.length): area.node for area in _list_kernel_partitions(target)}
    for start, end, kind in table:
        length = min(end, target.size) - start
        if length > 0:
            areas[(start, length)] = Area(start, length, kind, kernel.pop((start, length), ""))
    areas.update({place: Area(*place, node=node) for place, node in kernel.items()})
    return list(areas.values())


def _read_partitions(target: Target) -> list[tuple[int, int, str]]:
    """Return start, end and type of each partition in the table on the disk; OSError if it can't be read."""
    fd = os.open(target.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        table = read_table(lambda offset, length: os.pread(fd, length, offset))
    finally:
        os.close(fd)
    return [(part.start, part.end, part.type) for part in table.partitions] if table else []


def _list_kernel_partitions(target: Target) -> t.Iterator[Area]:
    if not target.is_block:
        return
    for entry in Path(f"/sys/dev/block/{_get_number(target.path)}").glob("*/partition"):
        start, size = (int((entry.parent / name).read_text(encoding="ascii")) * _SECTOR for name in ("start", "size"))
        yield Area(start, size, node=f"/dev/{entry.parent.name}")


def _get_number(path: str) -> str:
    number = os.stat(path).st_rdev
    return f"{os.major(number)}:{os.minor(number)}"


def find_signatures(target: Target, areas: t.Sequence[Area], only: t.Sequence[str] = ()) -> list[str]:
    """Return the signatures in the areas, in words.

    :param only: names of the superblocks that count; empty for all, and for partition tables.
    """
    found = []
    for area in areas:
        argv = ["blkid", "--probe", "--output", "export", f"--offset={area.start}", f"--size={area.length}"]
        argv += [f"--match-types={','.join(only)}"] if only else []
        done = run_tool([*argv, target.path], accept=(0, _PROBE_NONE, _PROBE_SEVERAL))
        several = done.returncode == _PROBE_SEVERAL
        kinds = (
            ["more than one signature"] if several else _read_types(done.stdout.decode("utf-8", "replace"), bool(only))
        )
        found += [f"{kind} at byte {area.start}" for kind in kinds]
    if not only:
        text = run_command(["wipefs", "--no-act", "--json", target.path]) or "{}"
        listed = json.loads(text).get("signatures", []) if text.strip() else []
        found += [f"{item['type']} at byte {int(item['offset'], 16)}" for item in listed]
    return list(dict.fromkeys(found))


def _read_types(text: str, only_superblocks: bool) -> list[str]:
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    keys = ("TYPE",) if only_superblocks else ("TYPE", "PTTYPE")
    return [pairs[key] for key in keys if key in pairs]


def find_cluster_file_systems(target: Target) -> list[str]:
    """Return what on the disk may belong to a cluster, and so be in use by other nodes."""
    areas = list_areas(target)
    found = [f"{_CLUSTER_TYPES[area.type]} partition at byte {area.start}" for area in areas if is_cluster_type(area)]
    return found + find_signatures(target, areas, _CLUSTER_SIGNATURES)


def is_cluster_type(area: Area) -> bool:
    """Whether the partition's type is that of a cluster file system."""
    return area.type.lower() in _CLUSTER_TYPES


def find_disk_users(device: str, is_block: bool) -> list[str]:
    """Return what uses the disk now, in words: mounts, swap, arrays and volumes on it, loop devices."""
    path = os.path.realpath(device)
    users = find_users(_get_number(path)) if is_block else []
    for entry in sorted(_LOOPS.glob("loop*/loop/backing_file")):
        backing = entry.read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n")
        if backing == path:
            users.append(f"{entry.parent.parent.name} is stacked on {os.path.basename(path)}")
    return users
