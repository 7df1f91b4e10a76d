"""Puts a config drive into a partition config-2 at the end of the disk, where cloud-init finds it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from pathlib import Path

from ..._errors import StepError
from ..disk.disk import Disk, open_disk
from ..disk.partition_table import PartitionTable
from ..write.finish import finish, read_disk_table, relocate_backup_gpt
from ..write.target import MARKER, inspect_target
from ..write.verify import Digests, split_blocks
from .config_content import LABEL, check_sector_size, decode_content
from .config_partition import Place, create_partition, find_place

_MIB = 1024 * 1024


def write_config_drive(
    device: str, content: str, *, check_mode: bool = False, marker: Path = MARKER
) -> dict[str, t.Any]:
    """Write a finished file system image; returns the module's result. Idempotent.

    :param content: the image, base64, may be compressed with gzip.
    :raises InvalidRequestError: no usable image, or a device that may not be written.
    :raises StepError: no partition table, no room at the end, or the disk failed.
    """
    image = decode_content(content)
    target = inspect_target(device, marker=marker)
    check_sector_size(image, device, target.block_size)
    size = len(image) + -len(image) % _MIB
    with open_disk(target) as disk:
        place = find_place(disk, _require_table(disk), size)
        changed = place.is_new or not _holds(disk, place, image)
        if changed and not check_mode:
            place = _write(disk, image, size)
    return {
        "changed": changed,
        "device": device,
        "size": len(image),
        "sha256": hashlib.sha256(image).hexdigest(),
        "partition": {"number": place.number, "start": place.start, "size": place.size, "label": LABEL},
    }


def _require_table(disk: Disk) -> PartitionTable:
    table = read_disk_table(disk)
    if table is None:
        raise StepError(
            f"{disk.target.device} has no partition table, so there is no place for a config drive.",
            hint="Write the image first.",
        )
    return table


def _write(disk: Disk, image: bytes, size: int) -> Place:
    relocate_backup_gpt(disk)
    place = find_place(disk, _require_table(disk), size)
    # The content goes first: as soon as the partition exists udev looks into it.
    disk.write(place.start, image)
    disk.zero(place.start + len(image), place.size - len(image))
    disk.flush()
    digests = Digests()
    for block in split_blocks([image]):
        digests.add(dataclasses.replace(block, offset=place.start + block.offset))
    digests.verify(disk, lambda _done: None)
    if place.is_new:
        create_partition(disk, _require_table(disk), place)
    finish(disk)
    written = find_place(disk, _require_table(disk), size)
    if written.is_new:
        raise StepError(
            f"The partition {LABEL} was made on {disk.target.device} but is not there.", hint="Look at sgdisk -p."
        )
    return written


def _holds(disk: Disk, place: Place, image: bytes) -> bool:
    for block in split_blocks([image]):
        if bytes(disk.read(place.start + block.offset, len(block.data))) != block.data:
            return False
    return True
