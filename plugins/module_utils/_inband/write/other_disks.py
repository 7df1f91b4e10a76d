"""The other disks of the machine: one that holds the same image, or an old config drive, may be booted or read instead.

Firmware, boot loaders and ``root=`` go by identifiers, cloud-init by the label ``config-2``: with two of a kind on a
machine it is chance which one is taken.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from pathlib import Path

from ..._errors import InvalidRequestError
from ..config_drive.config_content import LABEL
from ..disk.contents import Found, describe_contents
from ..disk.disk import open_disk
from ..disk.disks import list_disks
from ..disk.partition_table import EFI_SYSTEM, Reader, read_table
from .target import Target, inspect_target, is_ramdisk

REFUSE, ERASE, KEEP = "refuse", "erase", "keep"
CHOICES = (REFUSE, ERASE, KEEP)


class OtherDisks:
    """Looked at before the write, erased after it where that is asked for."""

    def __init__(self, paths: t.Sequence[str] | None, target: Target, choice: str, marker: Path) -> None:
        self._marker = marker
        self._choice = choice
        known = paths if paths is not None else _list_paths(marker)
        own = {target.path, *members_of(target.path)}
        same = _ids_of(target.path)
        self._paths = [path for path in known if os.path.realpath(path) not in own and not same & _ids_of(path)]
        self.copies: list[Found] = []
        self.with_esp: list[str] = []

    def look(self, head: bytes, name: str) -> None:
        """Find out what the other disks have in common with an image that begins with ``head``.

        :raises InvalidRequestError: a disk has, and nothing was said about it.
        """
        own = identifiers_of(lambda offset, length: head[offset : offset + length])
        for path in self._paths:
            found = _describe(path)
            if found is None:
                continue
            same = sorted(own & set(_identifiers(found)))
            label = [f"a partition {LABEL}"] if _has_config_drive(found) else []
            if same or label:
                self.copies.append({"device": path, "has": same + label, "erased": False})
                if self._choice == ERASE:
                    inspect_target(path, marker=self._marker)  # one that can't be erased is told before the write
            if any(partition["type"] == EFI_SYSTEM for partition in found["partitions"]):
                self.with_esp.append(path)
        if self.copies and self._choice == REFUSE:
            listed = "; ".join(f"{copy['device']} has {', '.join(copy['has'])}" for copy in self.copies)
            raise InvalidRequestError(
                f"Other disks of this machine have identifiers that the image {name} or its config drive has, too: "
                f"{listed}; nothing was written.",
                hint="The old system may be booted, or its config drive be read, in place of the new. Clean the node, "
                f"or set bm_image.other_copies: {ERASE} destroys these disks' partition tables, {KEEP} lets them be.",
            )

    def erase(self) -> None:
        """Make the disks that were found unbootable and empty, where that was asked for: head and tail are zeroed.

        :raises InvalidRequestError, StepError: one is in use, or failed.
        """
        for copy in self.copies if self._choice == ERASE else []:
            with open_disk(inspect_target(copy["device"], marker=self._marker)) as disk:
                disk.seal()
                disk.reread_partitions()
            copy["erased"] = True


def identifiers_of(read: Reader) -> set[str]:
    """Return the identifiers of a table and its partitions, in words."""
    table = read_table(read)
    if table is None:
        return set()
    return set(
        _identifiers(
            {"table": table.kind, "guid": table.guid, "partitions": [{"guid": part.guid} for part in table.partitions]}
        )
    )


def _identifiers(found: Found) -> t.Iterator[str]:
    if found["guid"]:
        yield f"the disk identifier {found['guid']}"
    for partition in found["partitions"]:
        if partition["guid"]:
            yield f"the partition identifier {partition['guid']}"


def _has_config_drive(found: Found) -> bool:
    names = [found.get("label"), *(partition[key] for partition in found["partitions"] for key in ("name", "label"))]
    return any(str(name).lower() == LABEL for name in names)


def _describe(path: str) -> Found | None:
    """Return what a disk holds; None where it can't be read: no firmware boots from it either."""
    try:
        with open(path, "rb", buffering=0) as file:
            return describe_contents(file_reader(file), file.seek(0, os.SEEK_END))
    except OSError:
        return None


def file_reader(file: t.Any) -> Reader:
    """Return a function that reads an open file at any place."""

    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return t.cast(bytes, file.read(length))

    return read


def _ids_of(path: str, sysfs: Path = Path("/sys/class/block")) -> set[str]:
    """Return what tells a disk from others: another path to the same disk, as with two cables, has the same."""
    found = set()
    with contextlib.suppress(OSError):
        info = os.stat(path)
        found.add(f"node {info.st_rdev}" if stat.S_ISBLK(info.st_mode) else f"file {info.st_dev} {info.st_ino}")
    device = sysfs / os.path.basename(os.path.realpath(path))
    for name in ("wwid", "device/wwid", "device/vpd_pg83", "device/serial"):
        with contextlib.suppress(OSError):
            content = (device / name).read_bytes().strip()
            found |= {f"{os.path.basename(name)} {content.hex()}"} if content else set()
    return found


def members_of(path: str, sysfs: Path = Path("/sys/class/block")) -> t.Iterator[str]:
    """Yield the devices that a RAID array or multipath device is made of: what is on it, is on them."""
    folder = sysfs / os.path.basename(path) / "slaves"
    for member in sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []:
        yield f"/dev/{member}"
        yield from members_of(member, sysfs)


def _list_paths(marker: Path) -> list[str]:
    """Return the disks of the deploy ramdisk's machine; elsewhere none: they are not a node's."""
    return [str(disk["name"]) for disk in list_disks()] if is_ramdisk(marker) else []
