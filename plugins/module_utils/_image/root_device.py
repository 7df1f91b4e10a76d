"""Which disk gets the image: exactly one must fit all hints. Pure."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._errors import RootDeviceError
from . import hints as readers

Disk = t.Mapping[str, t.Any]

GIB = 1024**3


def choose(disks: t.Sequence[Disk], hints: t.Mapping[str, t.Any], node: str) -> Disk:
    """Return the one disk that fits.

    :param disks: as bm_hardware_info returns them.
    :raises InvalidRequestError: a hint can't be read.
    :raises RootDeviceError: none fits, or more than one; all are listed.
    """
    wanted = readers.parse(hints, node)
    writable = [disk for disk in disks if not disk.get("read_only")]
    fitting = [disk for disk in writable if all(_fits(disk, key, fits) for key, fits in wanted.items())]
    if len(fitting) == 1:
        return fitting[0]
    listed = "; ".join(describe(disk) for disk in (fitting or writable)) or "none"
    if not fitting:
        why = f" for the hints {dict(hints)}" if hints else ""
        raise RootDeviceError(
            f"No disk fits{why}. Disks: {listed}.", node=node, hint="Correct bm_root_device, or look at the disks."
        )
    why = f"fit the hints {dict(hints)}" if hints else "are there and no hints are given"
    raise RootDeviceError(
        f"{len(fitting)} disks {why}: {listed}.",
        node=node,
        hint="Name one with bm_root_device, best by serial or wwn. A disk not chosen by hints is never written.",
    )


def path_of(disk: Disk) -> str:
    """Return the path that names a disk also after another boot of the ramdisk, where it has one."""
    return str(disk.get("by_path") or disk["name"])


def describe(disk: Disk) -> str:
    """Return a disk in words, for an operator to choose by."""
    parts = [disk["name"], f"{disk['size_bytes'] / GIB:.1f} GiB"]
    parts += [f"{key} {disk[key]}" for key in ("model", "serial", "wwn", "tran") if disk.get(key)]
    return ", ".join(parts)


def _fits(disk: Disk, key: str, fits: readers.Fits) -> bool:
    value = _value(disk, key)
    return value is not None and fits(value)


def _value(disk: Disk, key: str) -> t.Any:
    return disk["size_bytes"] // GIB if key == "size" else disk.get(key)
