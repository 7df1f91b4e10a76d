"""What surrounds a write: the disk is unbootable from before its first byte until the last check."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t

from ..._errors import BareMetalError, StepError
from ..agent.command import run_command
from ..disk.disk import Disk
from ..disk.partition_table import MBR_SIZE, PartitionTable, read_gpt, read_table
from ..disk.udev import settle
from .preserved import Preserved, reader

_SGDISK_SECONDS = 60
_STATUS_AT = 446  # of the first of four entries in an MBR


@contextlib.contextmanager
def sealed(disk: Disk, preserved: Preserved) -> t.Iterator[None]:
    """Make the disk unbootable now, and again if the block fails in any way; then say so in the error.

    Writers put the first block of the image on the disk last, so a process that is killed, or a node that
    loses power, leaves an unbootable disk too.
    """
    preserved.seal(disk)
    complete = False
    try:
        yield
        complete = True
    except BareMetalError as exc:
        exc.message += f" {disk.target.device} was made unbootable: {preserved.sealed_as}."
        raise
    finally:
        if not complete:
            with contextlib.suppress(StepError):  # a dying disk: the first error is the one to report
                preserved.seal(disk)
            disk.reread_partitions()


def read_disk_table(disk: Disk) -> PartitionTable | None:
    """Return the partition table that is on the disk."""
    return read_table(reader(disk))


def finish(disk: Disk) -> None:
    """Fit the partition table to the disk and show it to the kernel. Idempotent.

    An image's backup GPT lies at the end of the image; firmware looks for it at the end of the disk
    (UEFI specification 2.10, section 5.3.2).
    :raises StepError: sgdisk failed, or the result is not a valid GPT.
    """
    relocate_backup_gpt(disk)
    disk.flush()
    disk.reread_partitions()
    settle()


def relocate_backup_gpt(disk: Disk) -> None:
    """Move the backup GPT to the end of the disk, if there is a GPT and it is not there."""
    table = read_disk_table(disk)
    if table is None or table.kind != "gpt" or not can_edit_gpt(disk, table):
        return
    last = disk.target.size - disk.target.size % table.sector_size - table.sector_size
    if table.backup_header == last and read_gpt(reader(disk), table.sector_size, last):
        return
    edit_gpt(disk, "-e")
    if read_gpt(reader(disk), table.sector_size, last) is None:
        raise StepError(
            f"sgdisk did not leave a valid backup GPT at the end of {disk.target.device}.",
            hint="Check the image's partition table with sgdisk -v.",
        )


def edit_gpt(disk: Disk, *argv: str) -> None:
    """Have sgdisk edit the GPT; the active flag of the protective MBR, which some BIOSes need, stays."""
    before = _active(disk)
    run_command(["sgdisk", *argv, disk.target.path], timeout=_SGDISK_SECONDS)
    disk.flush()
    sector = bytearray(disk.read(0, MBR_SIZE))
    if before != _active(disk):
        for number, status in enumerate(before):
            sector[_STATUS_AT + 16 * number] = status
        disk.write(0, bytes(sector))
        disk.flush()


def _active(disk: Disk) -> bytes:
    return bytes(disk.read(0, MBR_SIZE))[_STATUS_AT::16][:4]


def can_edit_gpt(disk: Disk, table: PartitionTable) -> bool:
    """Whether sgdisk would see the table as it is: it takes a file for a disk with 512-byte sectors."""
    return table.sector_size == disk.target.block_size
