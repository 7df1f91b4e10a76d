"""Whether EFI programs are signed: what Secure Boot asks for first (PE/COFF, "Attribute Certificate Table")."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import typing as t

PE32_PLUS = 0x20B
EFI_APPLICATION = 10
_SUBSYSTEM, _CERTIFICATE_TABLE = 68, 144
"""Offsets in the optional header of PE32+: the subsystem, and the fifth of the data directories."""

SECTOR = 512


def is_signed(header: bytes) -> bool | None:
    """Return whether an EFI program carries a signature; None if this is no EFI program.

    Says nothing about whose signature it is.

    :param header: the file's first bytes; 1 KiB are enough.
    """
    try:
        (offset,) = struct.unpack_from("<I", header, 0x3C)
        optional = offset + 24
        (magic,) = struct.unpack_from("<H", header, optional)
        (subsystem,) = struct.unpack_from("<H", header, optional + _SUBSYSTEM)
        certificates = struct.unpack_from("<II", header, optional + _CERTIFICATE_TABLE)
    except struct.error:
        return None
    is_program = header[:2] == b"MZ" and header[offset : offset + 4] == b"PE\0\0" and magic == PE32_PLUS
    return all(certificates) if is_program and subsystem == EFI_APPLICATION else None


def programs_in_image(image: bytes) -> t.Iterator[bool]:
    """Yield for each EFI program in a FAT image whether it is signed. Files begin at sectors there."""
    position = image.find(b"MZ")
    while position >= 0:
        if position % SECTOR == 0:
            signed = is_signed(image[position : position + 2 * SECTOR])
            if signed is not None:
                yield signed
        position = image.find(b"MZ", position + 1)
