"""Finds the boot loader of the new system in its EFI system partition, without mounting it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import fnmatch
import platform
import posixpath
import typing as t

from ..._errors import StepError
from ..agent.command import run_binary, run_command
from ..disk.partition_table import Partition
from .authenticode import is_signed

_ARCHITECTURES = {"x86_64": "x64", "aarch64": "aa64", "i386": "ia32", "i686": "ia32", "riscv64": "riscv64"}
#: In this order, where no BOOT*.CSV tells; the first is where firmware looks by itself (UEFI 2.10, 3.5.1.1).
_LOADERS = (
    "/efi/boot/boot{arch}.efi",
    "/efi/*/shim{arch}.efi",
    "/efi/*/grub{arch}.efi",
    "/efi/*/systemd-boot{arch}.efi",
    "/efi/microsoft/boot/bootmgfw.efi",
)
_CSV_FILES = ("/efi/*/boot{arch}.csv", "/efi/*/boot.csv")


class Loader(t.NamedTuple):
    """A boot loader: its path in the partition with backslashes, and the options it is to be started with."""

    path: str
    options: str = ""


def find_unsigned(path: str, esp: Partition, loader: Loader, machine: str = "") -> str | None:
    """Return the first program that is started and carries no signature: the loader, or a GRUB beside it.

    :param path: the disk; the partition is read at its offset.
    """
    image = f"{path}@@{esp.start}"
    arch = _ARCHITECTURES.get(machine or platform.machine(), "x64")
    name = loader.path.replace("\\", "/")
    beside = _match(_list_files(image), (f"{posixpath.dirname(name).lower()}/grub{arch}.efi",), arch)
    for program in (name, *beside):
        if not is_signed(run_binary(["mtype", "-i", image, f"::{program}"])):
            return _to_efi_path(program)
    return None


def find_loader(path: str, esp: Partition, machine: str = "") -> Loader | None:
    """Return the loader that the distribution names in a BOOT*.CSV, else a known one; None without one.

    :param path: the disk; the partition is read at its offset.
    :param machine: as platform.machine(); this node's when empty.
    """
    arch = _ARCHITECTURES.get(machine or platform.machine(), "x64")
    image = f"{path}@@{esp.start}"
    files = _list_files(image)
    for name in _match(files, _CSV_FILES, arch):
        text = decode_csv(run_binary(["mtype", "-i", image, f"::{name}"]))
        loader = choose_from_csv(text, posixpath.dirname(name), files)
        if loader:
            return loader
    known = _match(files, _LOADERS, arch)
    return Loader(_to_efi_path(known[0])) if known else None


def _list_files(image: str) -> list[str]:
    try:
        text = run_command(["mdir", "-i", image, "-/", "-b", "::/"])
    except StepError as exc:
        exc.hint = "The image's EFI system partition must hold a FAT file system."
        raise
    return [line.strip()[2:] for line in text.splitlines() if line.startswith("::/")]


def _match(files: t.Sequence[str], patterns: t.Sequence[str], arch: str) -> list[str]:
    """Return the files that match, in the order of the patterns; FAT knows no case."""
    return [
        name
        for pattern in patterns
        for name in sorted(files)
        if fnmatch.fnmatchcase(name.lower(), pattern.format(arch=arch))
    ]


def decode_csv(data: bytes) -> str:
    """Return the text of a BOOT*.CSV, which is UTF-16, as a rule little-endian without a byte order mark."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-16-le" if b"\0" in data else "utf-8", "replace")


def choose_from_csv(text: str, folder: str, files: t.Sequence[str]) -> Loader | None:
    """Return the first line's loader that exists; lines are ``loader,label,options,description`` (shim, fallback.c).

    :param folder: of the CSV file; loaders are relative to it.
    """
    existing = {name.lower(): name for name in files}
    for row in csv.reader(text.replace("\0", "").splitlines()):
        if not row or not row[0].strip():
            continue
        name = row[0].strip().replace("\\", "/").lstrip("/")
        found = existing.get(f"{folder}/{name}".lower())
        if found:
            return Loader(_to_efi_path(found), row[2].strip() if len(row) > 2 else "")
    return None


def _to_efi_path(name: str) -> str:
    return name.replace("/", "\\")
