"""Which disk gets the image: exactly one must fit all hints. Pure."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._errors import RootDeviceError
from .._inband.disk.disks import find_twins
from . import hints as readers

Disk = t.Mapping[str, t.Any]

GIB = 1024**3

_SEVERAL = "Name one with bm_root_device, best by serial or wwn. A disk not chosen by hints is never written."
_PATHS = (
    "Disks of one WWN and serial are paths of one disk: let multipathd run in the ramdisk, as in that of the role "
    "build_ramdisk, or name one path by by_path or hctl. Otherwise name a disk by serial or wwn."
)
_MEMBERS = (
    "The array is the disk: name it in bm_root_device, and have a step before write_image start it where it does not "
    "run (mdadm --assemble). To use the disk alone, clean the node, or take the array apart (mdadm --stop)."
)


def choose(disks: t.Sequence[Disk], hints: t.Mapping[str, t.Any], node: str) -> Disk:
    """Return the one disk that fits.

    A multipath device fits also where one of its paths does. A member of an array is never chosen: the array is the
    disk, and what is written past it splits it.

    :param disks: as bm_hardware_info returns them.
    :raises InvalidRequestError: a hint can't be read.
    :raises RootDeviceError: none fits, or more than one; all are listed.
    """
    wanted = readers.parse(hints, node)
    writable = [disk for disk in disks if not disk.get("read_only")]
    fitting = [disk for disk in writable if any(_fits(view, wanted) for view in _views(disk))]
    free = [disk for disk in fitting if not disk.get("member_of")]
    if len(free) == 1:
        return free[0]
    listed = "; ".join(describe(disk) for disk in (free or fitting or writable)) or "none"
    if not fitting:
        why = f" for the hints {dict(hints)}" if hints else ""
        raise RootDeviceError(
            f"No disk fits{why}. Disks: {listed}.", node=node, hint="Correct bm_root_device, or look at the disks."
        )
    why = f"fit the hints {dict(hints)}" if hints else "are there and no hints are given"
    if not free:
        # Ironic would take a member that is named: it is busy as long as the array runs, and a firmware's array breaks.
        raise RootDeviceError(f"Only parts of arrays {why}: {listed}.", node=node, hint=_MEMBERS)
    raise RootDeviceError(
        f"{len(free)} disks {why}: {listed}.", node=node, hint=_PATHS if find_twins(free) else _SEVERAL
    )


def _views(disk: Disk) -> t.Iterator[Disk]:
    """Yield a disk as it is known by itself, and by each of its paths."""
    yield disk
    for path in disk.get("paths") or ():
        yield {**disk, **{key: value for key, value in path.items() if value is not None}}


def _fits(disk: Disk, wanted: t.Mapping[str, readers.Fits]) -> bool:
    values = ((_value(disk, key), fits) for key, fits in wanted.items())
    return all(value is not None and fits(value) for value, fits in values)


def _value(disk: Disk, key: str) -> t.Any:
    return disk["size_bytes"] // GIB if key == "size" else disk.get(key)


def path_of(disk: Disk) -> str:
    """Return the path that names a disk also after another boot of the ramdisk, where it has one."""
    return str(disk.get("by_path") or disk["name"])


def describe(disk: Disk) -> str:
    """Return a disk in words, for an operator to choose by."""
    parts = [disk["name"], f"{disk['size_bytes'] / GIB:.1f} GiB"]
    parts += [f"{key} {disk[key]}" for key in ("model", "serial", "wwn", "tran") if disk.get(key)]
    parts += [f"part of {name}" for name in disk.get("member_of") or ()]
    return ", ".join(parts)
