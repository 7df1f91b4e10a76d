"""Makes the firmware boot the new system: one UEFI boot entry, without leaving old ones."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import typing as t
from pathlib import Path

from ..._errors import InvalidRequestError, StepError
from ..disk.partition_table import BOOT_CODE_SIZE, EFI_SYSTEM, Partition, PartitionTable, read_table
from ..hardware.hardware import is_secure_boot
from ..write.target import MARKER, is_ramdisk
from .efibootmgr import carry_out, plan, read_entries, to_result
from .esp import Loader, find_loader, find_unsigned

DEFAULT_LABEL = "baremetal"

_EFIVARS = Path("/sys/firmware/efi/efivars")


def ensure_boot_entry(
    device: str,
    boot_mode: str,
    *,
    label: str = DEFAULT_LABEL,
    check_mode: bool = False,
    marker: Path = MARKER,
    efivars: Path = _EFIVARS,
) -> dict[str, t.Any]:
    """Have one boot entry for the disk's loader, first in the order; returns the module's result. Idempotent.

    Outside of the ramdisk the loader is found and reported, and the firmware is left alone.
    :raises InvalidRequestError: no such device.
    :raises StepError: no EFI system partition, no loader in it, an unsigned one with Secure Boot, no boot code in
        BIOS mode, or the firmware refused.
    """
    if boot_mode == "bios":
        _check_boot_code(device, os.path.realpath(device))
        return {"changed": False, "nvram": False, "device": device, "label": label, "loader": None}
    path = os.path.realpath(device)
    partition, loader = _find(device, path, _read_table(device, path))
    result = {
        "changed": False,
        "nvram": False,
        "device": device,
        "label": label,
        "loader": loader.path,
        "partition": partition.number,
        "partition_guid": partition.guid,
    }
    if not is_ramdisk(marker):
        return result
    if not efivars.is_dir() or not any(efivars.iterdir()):
        raise StepError(
            "The ramdisk was booted in BIOS mode, so no UEFI boot entry can be made.",
            hint="Set bm_boot_mode to bios, or make the node boot in UEFI mode.",
        )
    if is_secure_boot(efivars):
        _check_signatures(path, partition, loader)
    return {**result, **_ensure(path, partition, label, loader, check_mode)}


def _check_boot_code(device: str, path: str) -> None:
    """Refuse a disk whose first sector holds no program: BIOS firmware would find nothing to start."""
    with _opened(device, path) as fd:
        if not any(os.pread(fd, BOOT_CODE_SIZE, 0)):
            raise StepError(
                f"{device} has no boot code in its first sector, so BIOS firmware can't boot from it.",
                hint="Use an image that boots in BIOS mode, or set bm_boot_mode: uefi.",
            )


def _check_signatures(path: str, partition: Partition, loader: Loader) -> None:
    unsigned = find_unsigned(path, partition, loader)
    if unsigned:
        raise StepError(
            f"Secure Boot is on, and the image's boot loader {unsigned} is not signed: the firmware would refuse it.",
            hint="Deploy an image with a signed loader (shim), or set bm_secure_boot: false.",
        )


def _ensure(path: str, partition: Partition, label: str, loader: Loader, check_mode: bool) -> dict[str, t.Any]:
    before = after = read_entries()
    todo = plan(before, label, partition.guid, loader.path)
    if todo.changed and not check_mode:
        carry_out(todo, path, partition, label, loader)
        after = read_entries()
        left = plan(after, label, partition.guid, loader.path)
        if not left.use or left.delete:
            raise StepError(
                f"The firmware took the boot entry {label} but does not show it.",
                hint="Its variable store may be full or locked: look at efibootmgr -v, reset it in the BMC.",
            )
    return {
        "nvram": True,
        "changed": todo.changed,
        "deleted": list(todo.delete),
        "boot_order": list(after.order),
        "diff": {"before": to_result(before), "after": to_result(after)},
    }


def _read_table(device: str, path: str) -> PartitionTable | None:
    with _opened(device, path) as fd:
        return read_table(lambda offset, length: os.pread(fd, length, offset))


@contextlib.contextmanager
def _opened(device: str, path: str) -> t.Iterator[int]:
    """Open a disk for reading.

    :raises InvalidRequestError: it can't be opened.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise InvalidRequestError(
            f"The device {device} can't be used: {exc.strerror}.", hint="Give the path of a disk of this node."
        ) from exc
    try:
        yield fd
    finally:
        os.close(fd)


def _find(device: str, path: str, table: PartitionTable | None) -> tuple[Partition, Loader]:
    """Return the EFI system partition and its loader; of several partitions the first that has a loader."""
    partitions = [entry for entry in table.partitions if entry.type == EFI_SYSTEM] if table else []
    if not partitions:
        raise StepError(
            f"{device} has no EFI system partition, so UEFI firmware can't boot from it.",
            hint="Use an image with an EFI system partition, or set bm_boot_mode to bios.",
        )
    for partition in partitions:
        loader = find_loader(path, partition)
        if loader:
            return partition, loader
    raise StepError(
        f"The EFI system partition of {device} holds no known boot loader and no BOOT*.CSV.",
        hint="Put a loader at \\EFI\\BOOT\\BOOTX64.EFI (BOOTAA64.EFI on arm64) in the image.",
    )
