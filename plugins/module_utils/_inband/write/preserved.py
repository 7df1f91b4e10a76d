"""Partitions that a write leaves alone. At each moment one copy of the disk's GPT has them, whatever ends the write."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass

from ..._errors import ImageError, InvalidRequestError, StepError
from ..config_drive.config_content import LABEL
from ..disk.disk import BLOCK, SEAL, Disk
from ..disk.gpt import Ends, add_partitions, make_empty_head
from ..disk.partition_table import EFI_SYSTEM, Partition, PartitionTable, Reader, has_gpt_remains, read_gpt, read_table
from .image_format import too_large
from .target import Target

_SAMPLE = 1024 * 1024  # of each end of a partition


@dataclass(frozen=True)
class Preserved:
    """The partitions, none as a rule; a sample of what they hold; what the ends of the disk become.

    ``sealed``: with these partitions alone, from before the first byte until all is verified. ``final``: the image's
    own, with them.
    """

    target: Target
    partitions: tuple[Partition, ...] = ()
    samples: tuple[str, ...] = ()
    sealed: Ends | None = None
    final: Ends | None = None

    @property
    def names(self) -> list[str]:
        """Names of the partitions."""
        return [partition.name for partition in self.partitions]

    @property
    def sealed_as(self) -> str:
        """What is left of a disk that was sealed."""
        names = ", ".join(self.names)
        return f"its GPT has {names} alone" if names else "its first and last MiB are zero"

    def check_room(self, name: str, size: int, *, written: bool = False) -> None:
        """Check that an image of ``size`` bytes ends before what it must not touch.

        :raises ImageError: it does not.
        """
        if size > self.target.size:
            raise too_large(name, size, self.target.device, self.target.size, written=written)
        for partition in self.partitions:
            if max(size, SEAL) > partition.start:
                tail = "" if written else "; nothing was written"
                raise ImageError(
                    f"The image {name} needs {size} bytes, the partition {partition.name} of {self.target.device}, "
                    f"which is to be preserved, begins at byte {partition.start}{tail}.",
                    hint="Use a smaller image, or move the partition towards the end of the disk.",
                )

    def seal(self, disk: Disk) -> None:
        """Make the disk unbootable: no firmware boots from what is left. Idempotent."""
        if self.sealed is None:
            disk.seal()
            return
        tail = max(disk.target.size - SEAL, *(partition.end for partition in self.partitions))
        self._write_tail(disk, self.sealed)
        disk.zero(tail, self.sealed.tail_at - tail)
        disk.zero(0, SEAL)
        disk.write(0, self.sealed.head)
        disk.flush()

    def finish_head(self, disk: Disk, head: bytes) -> bytes:
        """Return what has to be written as the disk's head, in place of the image's; its backup is on the disk then."""
        if self.final is None:
            return head
        self._write_tail(disk, self.final)
        return self.final.head

    def _write_tail(self, disk: Disk, ends: Ends) -> None:
        disk.write(ends.tail_at, ends.tail)
        disk.flush()

    def check(self, disk: Disk) -> None:
        """Check, at the end, that the partitions are where they were and hold what they held.

        :raises StepError: they do not.
        """
        read = reader(disk)
        for partition, sample in zip(self.partitions, self.samples):
            table = read_table(read)
            found = [] if table is None else [other for other in table.partitions if other.guid == partition.guid]
            if [(other.start, other.end) for other in found] != [(partition.start, partition.end)]:
                what = "is not in the partition table"
            elif _take_sample(read, partition) != sample:
                what = "does not hold what it held"
            else:
                continue
            raise StepError(
                f"The preserved partition {partition.name} of {disk.target.device} {what} after the write.",
                hint="The disk or its controller is failing: look at dmesg, and save the data before anything else.",
            )


def reader(disk: Disk) -> Reader:
    """Return a function that reads the disk; short at its end, like a file."""

    def read(offset: int, length: int) -> bytes:
        return bytes(disk.read(offset, min(length, disk.target.size - offset))) if offset < disk.target.size else b""

    return read


def find_preserved(read: Reader, target: Target, names: t.Sequence[str], *, head: bytes, image: str) -> Preserved:
    """Find the partitions called ``names`` for an image that begins with ``head``; changes nothing.

    What is not on the disk is refused, unless the disk has no partitions but those of this image: then there is
    nothing to lose, and a first deployment goes on.
    :raises InvalidRequestError: not there, not unique, or nothing that can be preserved; or the disk's GPT is damaged.
    :raises ImageError: the image has no GPT, or a partition of that name.
    """
    if not names:
        return Preserved(target)
    own = read_table(lambda offset, length: head[offset : offset + length])
    if own is None or own.kind != "gpt":
        raise ImageError(
            f"The image {image} has no GPT, which preserving partitions needs; nothing was written.",
            hint="Use an image with a GPT.",
        )
    table = _read_disk(read, target)
    partitions = tuple(_choose(table, own, names, target)) if table else ()
    if table is None or not partitions:
        return Preserved(target)
    ends = [
        add_partitions(start, partitions, size=target.size, sector_size=table.sector_size)
        for start in (make_empty_head(target.size, table.sector_size), head)
    ]
    return Preserved(target, partitions, tuple(_take_sample(read, partition) for partition in partitions), *ends)


def _read_disk(read: Reader, target: Target) -> PartitionTable | None:
    """Return the disk's table; from its end where a write that was cut off left none at its head.

    :raises InvalidRequestError: it has one that can't be read, with whatever partitions.
    """
    last = target.size - target.size % target.block_size - target.block_size
    table = read_table(read) or read_gpt(read, target.block_size, last)
    if table is None and has_gpt_remains(read, target.size):
        raise InvalidRequestError(
            f"{target.device} has a GPT that can't be read; nothing was written.",
            hint="Repair it with sgdisk in the ramdisk; where nothing on the disk is wanted any more, clean the node "
            "first, or leave bm_preserve_partitions out.",
        )
    return table


def _choose(
    table: PartitionTable, own: PartitionTable, names: t.Sequence[str], target: Target
) -> t.Iterator[Partition]:
    ours = {partition.guid for partition in own.partitions}
    found = {name: [other for other in table.partitions if other.name == name] for name in names}
    others = [other for other in table.partitions if other.guid not in ours and other.name not in (*names, LABEL)]
    for name, matching in found.items():
        why = ""
        if name in [partition.name for partition in own.partitions]:
            why = "the image has one of this name itself"
        elif len(matching) > 1:
            why = f"{len(matching)} partitions have this name"
        elif not matching and others:
            known = ", ".join(repr(other.name or other.number) for other in others)
            why = f"there is none, but others that would be lost: {known}"
        elif matching and matching[0].type == EFI_SYSTEM:
            why = "it is an EFI system partition, from which a disk that is not finished would boot"
        elif matching and table.sector_size != target.block_size:
            why = f"its GPT has sectors of {table.sector_size} bytes, the disk of {target.block_size}"
        if why:
            raise InvalidRequestError(
                f"The partition {name} of {target.device} can't be preserved: {why}; nothing was written.",
                hint="Correct bm_preserve_partitions (lsblk -o NAME,PARTLABEL on the instance shows the names); where "
                "nothing on the disk is wanted any more, clean the node first.",
            )
        yield from matching


def _take_sample(read: Reader, partition: Partition) -> str:
    length = min(_SAMPLE, partition.end - partition.start, BLOCK)
    digest = hashlib.sha256(read(partition.start, length))
    digest.update(read(partition.end - length, length))
    return digest.hexdigest()
