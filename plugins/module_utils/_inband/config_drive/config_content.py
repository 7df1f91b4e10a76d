"""Judges the image of a config drive: what cloud-init will look for, and the kernel can mount."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import struct
import zlib

from ..._errors import InvalidRequestError

LABEL = "config-2"
#: cloud-init's and Ironic's limit.
MAX_SIZE = 64 * 1024 * 1024

_MIB = 1024 * 1024
_ISO_DESCRIPTOR = 32768  # ECMA-119, 8.4: primary volume descriptor
_ISO_SECTOR = 2048


def decode_content(content: str) -> bytes:
    """Return the image: decoded from base64, then as ``unpack``."""
    try:
        packed = base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidRequestError(f"The config drive is not valid base64: {exc}.", hint="Encode the image.") from exc
    return unpack(packed)


def unpack(packed: bytes) -> bytes:
    """Return the image: decompressed if it is gzip (the form that Ironic takes), and judged.

    :raises InvalidRequestError: damaged, cut off, too large, or nothing that cloud-init would find.
    """
    image = _gunzip(packed) if packed.startswith(b"\x1f\x8b") else packed
    if len(image) > MAX_SIZE:
        raise InvalidRequestError(
            f"The config drive is larger than {MAX_SIZE // _MIB} MiB.",
            hint="Let user_data fetch what is large when the instance boots.",
        )
    label = read_label(image)
    if label.lower() != LABEL:
        raise InvalidRequestError(
            f"The config drive is labelled {label!r}: cloud-init looks for {LABEL}."
            if label
            else "The config drive is neither an ISO 9660 nor a FAT file system.",
            hint=f"Build it with the volume label {LABEL}.",
        )
    _check_whole(image)
    return image


def _gunzip(packed: bytes) -> bytes:
    """Decompress; streams one behind another are one content, as gzip has it, and zeroes behind it are padding."""
    out, rest = b"", packed
    while rest:
        stream = zlib.decompressobj(31)
        try:
            # One byte over the limit tells that it is exceeded, however much the stream would expand to.
            out += stream.decompress(rest, MAX_SIZE + 1 - len(out))
        except zlib.error as exc:
            raise InvalidRequestError(f"The config drive is damaged gzip: {exc}.", hint="Build it again.") from exc
        if len(out) > MAX_SIZE:
            return out
        if not stream.eof:
            raise InvalidRequestError("The config drive is truncated gzip.", hint="Build it again.")
        rest = stream.unused_data.lstrip(b"\0")
    return out


def _check_whole(image: bytes) -> None:
    """Compare the image's length with the size that its file system says it has.

    :raises InvalidRequestError: it is shorter.
    """
    if image[_ISO_DESCRIPTOR + 1 : _ISO_DESCRIPTOR + 6] == b"CD001":
        # ECMA-119, 8.4.8 and 8.4.12
        blocks, block = struct.unpack_from("<I44xH", image, _ISO_DESCRIPTOR + 80)
    else:
        # Microsoft's FAT specification, "BPB": bytes a sector; sectors, in 16 bits or in 32
        block, few, many = struct.unpack_from("<11xH6xH11xI", image)
        blocks = few or many
    if not blocks * block or blocks * block > len(image):
        raise InvalidRequestError(
            f"The config drive is truncated: it has {len(image)} bytes, its file system has {blocks * block}.",
            hint="Build it again, or publish the whole of it.",
        )


def read_label(image: bytes) -> str:
    """Return the volume label of an ISO 9660 or FAT file system; empty where it is neither."""
    descriptor = image[_ISO_DESCRIPTOR : _ISO_DESCRIPTOR + _ISO_SECTOR]
    if descriptor[1:6] == b"CD001":
        return descriptor[40:72].decode("ascii", "replace").strip()
    for type_at, label_at in ((54, 43), (82, 71)):  # FAT12 and FAT16; FAT32
        if image[510:512] == b"\x55\xaa" and image[type_at : type_at + 3] == b"FAT":
            return image[label_at : label_at + 11].decode("ascii", "replace").strip()
    return ""


def check_sector_size(image: bytes, device: str, block_size: int) -> None:
    """Check that the kernel could mount the image on this disk.

    A file system's sectors can't be smaller than the disk's.
    """
    iso = image[_ISO_DESCRIPTOR + 1 : _ISO_DESCRIPTOR + 6] == b"CD001"
    sector = _ISO_SECTOR if iso else int.from_bytes(image[11:13], "little")
    if sector < block_size:
        raise InvalidRequestError(
            f"{device} has sectors of {block_size} bytes, the config drive has sectors of {sector} bytes: "
            "the instance could not mount it.",
            hint=f"Build the config drive as FAT: mkfs.vfat -S {block_size} -n {LABEL}.",
        )
