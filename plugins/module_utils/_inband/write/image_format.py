"""Tells what an image really is from its first bytes, whatever its name or declaration says."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ..._errors import ImageError
from ..disk.partition_table import BOOT_CODE_SIZE, EFI_SYSTEM, PartitionTable, read_table
from .qcow2_header import read_virtual_size

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: (name, offset, magic): what must not pass for a raw disk. A raw disk begins with a boot sector.
_MAGICS: tuple[tuple[str, int, bytes], ...] = (
    ("qcow2", 0, b"QFI\xfb"),
    ("qed", 0, b"QED\0"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("vhdx", 0, b"vhdxfile"),
    ("vhd", 0, b"conectix"),
    ("vdi", 64, b"\x7f\x10\xda\xbe"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("gzip", 0, b"\x1f\x8b"),
    ("xz", 0, b"\xfd7zXZ\0"),
    ("zstd", 0, _ZSTD_MAGIC),
    ("bzip2", 0, b"BZh"),
    ("zip", 0, b"PK\x03\x04"),
    ("html", 0, b"<!DOCTYPE"),
    ("html", 0, b"<html"),
)
_COMPRESSIONS = ("gzip", "xz", "zstd", "bzip2")
_ISO_MAGIC = (32769, b"CD001")  # ECMA-119 8.1.2


class ImageFacts(t.NamedTuple):
    """What is known before the first byte is written.

    The disk must have ``extent`` bytes at least; the image itself ``content_end``.
    """

    extent: int
    sector_size: int = 0
    table: str = ""
    content_end: int = 0

    def of_size(self, size: int) -> ImageFacts:
        """Return the facts of an image whose size is known.

        It may be the beginning of a larger disk, with its backup GPT far behind: that is made anew.
        """
        return self._replace(extent=max(self.content_end, size)) if size else self


def detect_format(head: bytes) -> str:
    """Return the name of the format by its magic number; ``raw`` where there is none."""
    for name, offset, magic in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return name
    return "raw"


def inspect_raw(head: bytes, name: str) -> ImageFacts:
    """Judge the first bytes (1 MiB is enough) of an image that is declared raw.

    :raises ImageError: another format, or no whole-disk image.
    """
    found = detect_format(head)
    if found in _COMPRESSIONS:
        raise ImageError(
            f"The image {name} is declared raw, is {found} compressed; nothing was written.",
            hint="Set compression to what the image has.",
        )
    if found != "raw":
        raise ImageError(
            f"The image {name} is declared raw, is {found}; nothing was written.",
            hint="Declare the format that it has, if it can be written, or convert it: qemu-img convert -O raw.",
        )
    table = read_table(lambda offset, length: head[offset : offset + length])
    if table is None:
        offset, magic = _ISO_MAGIC
        what = "an ISO 9660 file system" if head[offset : offset + len(magic)] == magic else "no partition table"
        raise ImageError(
            f"The image {name} is not a bootable whole-disk image: it has {what}; nothing was written.",
            hint="Use an image with a valid GPT or MBR partition table.",
        )
    flaw = table.find_flaw()
    if flaw:
        raise ImageError(
            f"The image {name} has a damaged partition table: {flaw}; nothing was written.",
            hint="Repair it where the image is made: sgdisk -v shows all.",
        )
    return _to_facts(table)


def check_bootable(head: bytes, boot_mode: str | None, name: str) -> None:
    """Check that firmware could start the image, as far as its first sectors tell.

    :param boot_mode: uefi or bios; None does not ask.
    :raises ImageError: it could not.
    """
    table = read_table(lambda offset, length: head[offset : offset + length])
    if boot_mode == "uefi" and not any(entry.type == EFI_SYSTEM for entry in (table.partitions if table else ())):
        why, hint = "has no EFI system partition in a GPT, so UEFI firmware can't boot from it", "bios"
    elif boot_mode == "bios" and not any(head[:BOOT_CODE_SIZE]):
        why, hint = "has no boot code in its first sector, so BIOS firmware can't boot from it", "uefi"
    else:
        return
    raise ImageError(
        f"The image {name} {why}; nothing was written.",
        hint=f"Use an image for this boot mode, or set bm_boot_mode: {hint}.",
    )


def _to_facts(table: PartitionTable) -> ImageFacts:
    return ImageFacts(table.extent, table.sector_size, table.kind, table.content_end)


def inspect_qcow2(head: bytes, name: str) -> ImageFacts:
    """Judge the first bytes of an image that is declared qcow2; the partition table is not seen yet.

    :raises ImageError: another format, or an image that is not safe to read.
    """
    found = detect_format(head)
    if found != "qcow2":
        raise ImageError(
            f"The image {name} is declared qcow2, is {found}; nothing was written.",
            hint="Declare format and compression as the image has them.",
        )
    return ImageFacts(read_virtual_size(head, name))


def check_fit(facts: ImageFacts, name: str, *, device: str, size: int, block_size: int, is_block: bool) -> None:
    """Check that the image can be on this disk.

    :raises ImageError: larger than the disk, or made for another sector size.
    """
    if facts.extent > size:
        raise too_large(name, facts.extent, device, size)
    if is_block and facts.table == "gpt" and facts.sector_size != block_size:
        raise ImageError(
            f"The image {name} is made for sectors of {facts.sector_size} bytes, {device} has sectors of "
            f"{block_size} bytes: no firmware would find its partitions; nothing was written.",
            hint=f"Build the image for {block_size}-byte sectors, or choose another disk.",
        )


def check_whole(facts: ImageFacts, name: str, size: int, written: bool = False) -> None:
    """Check that an image of ``size`` bytes holds all of its partitions. Its backup GPT may be missing.

    :raises ImageError: a partition ends behind the end of the image.
    """
    if size < facts.content_end:
        tail = "" if written else "; nothing was written"
        raise ImageError(
            f"The image {name} is truncated: it has {size} bytes, its partitions need {facts.content_end}{tail}.",
            hint="Publish the image again.",
        )


def too_large(name: str, needed: int, device: str, size: int, written: bool = False) -> ImageError:
    """Return the error for an image that is larger than the disk."""
    tail = "" if written else "; nothing was written"
    return ImageError(
        f"The image {name} needs {needed} bytes ({needed / 1024**3:.1f} GiB), {device} has {size} bytes "
        f"({size / 1024**3:.1f} GiB){tail}.",
        hint="Choose a larger disk with the root device hints, or a smaller image.",
    )


def read_zstd_window(head: bytes) -> int:
    """Return how many bytes the first zstd frame looks back at most; 0 if it does not tell (RFC 8878, 3.1.1.1)."""
    if len(head) < 6 or head[:4] != _ZSTD_MAGIC:
        return 0
    if head[4] & 0x20:  # one segment: all of the content
        return read_zstd_size(head)
    base = 1 << (10 + (head[5] >> 3))
    return base + base // 8 * (head[5] & 0x07)


def read_zstd_size(head: bytes) -> int:
    """Return the content size that the first zstd frame declares; 0 where it declares none (RFC 8878, 3.1.1.1)."""
    if len(head) < 18 or head[:4] != _ZSTD_MAGIC:
        return 0
    descriptor = head[4]
    single_segment = bool(descriptor & 0x20)
    size_flag = descriptor >> 6
    length = (1 if single_segment else 0) if size_flag == 0 else 1 << size_flag
    start = 5 + (0 if single_segment else 1) + (0, 1, 2, 4)[descriptor & 0x03]
    size = int.from_bytes(head[start : start + length], "little")
    return size + 256 if length == 2 else size
