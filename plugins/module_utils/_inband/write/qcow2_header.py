"""Inspects the header of a qcow2 image before qemu-img is let near it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct

from ..._errors import ImageError

#: Bytes needed to judge an image: the header with its extensions lies in the first cluster.
HEADER_SIZE = 64 * 1024

_MAGIC = b"QFI\xfb"
_FIXED = struct.Struct(">4sIQIIQIIQQIIQ")  # version 2, QEMU docs/interop/qcow2
_VERSIONS = (2, 3)
_CLUSTER_BITS = range(9, 22)
#: Incompatible features, version 3, bytes 72-79.
_FEATURE_CORRUPT = 1 << 1
_FEATURE_EXTERNAL_DATA = 1 << 2
_FEATURES_KNOWN = 1 << 0 | 1 << 3 | 1 << 4  # dirty, compression type, extended L2 entries
_EXTENSION_END = 0
_EXTENSION_ENCRYPTION = 0x0537BE77
_EXTENSION_EXTERNAL_DATA = 0x44415441


def read_virtual_size(header: bytes, name: str) -> int:
    """Return the size of the disk in the image, in bytes.

    Refused is all that makes an image read another file (a backing file, an external data file) or that
    the field does not define: qemu-img would follow it, with root's rights.
    :param header: the first HEADER_SIZE bytes of the image, or all of a smaller one.
    :raises ImageError: not qcow2, or not safe.
    """
    if len(header) < _FIXED.size or not header.startswith(_MAGIC):
        raise _refuse(name, "is not qcow2", "Declare the format that the image has.")
    version, backing_offset, dummy, cluster_bits, size, crypt = _FIXED.unpack_from(header)[1:7]
    if version not in _VERSIONS:
        raise _refuse(name, f"is qcow2 version {version}", "Convert it: qemu-img convert -O qcow2.")
    if backing_offset:
        raise _refuse(name, "has a backing file", "Flatten it first: qemu-img convert -O qcow2 IMAGE FLAT.")
    if crypt:
        raise _refuse(name, "is encrypted", "Publish it without encryption.")
    if cluster_bits not in _CLUSTER_BITS or not size:
        raise _refuse(name, f"has a damaged header (cluster bits {cluster_bits}, size {size})", "Build it again.")
    if version >= 3:
        _check_features(header, name)
    _check_extensions(header, version, name)
    return int(size)


def _check_features(header: bytes, name: str) -> None:
    features = int.from_bytes(header[72:80], "big")
    if features & _FEATURE_EXTERNAL_DATA:
        raise _refuse(name, "has an external data file", "Flatten it first: qemu-img convert -O qcow2 IMAGE FLAT.")
    if features & _FEATURE_CORRUPT:
        raise _refuse(name, "is marked as corrupt", "Repair it: qemu-img check -r all.")
    if features & ~_FEATURES_KNOWN:
        raise _refuse(name, f"needs unknown qcow2 features (0x{features:x})", "Convert it: qemu-img convert.")


def _check_extensions(header: bytes, version: int, name: str) -> None:
    offset = _FIXED.size if version == 2 else int.from_bytes(header[100:104], "big")
    if not _FIXED.size <= offset <= len(header):
        raise _refuse(name, f"has a damaged header (length {offset})", "Build it again.")
    while offset + 8 <= len(header):
        kind, length = struct.unpack_from(">II", header, offset)
        if kind == _EXTENSION_END:
            return
        if kind == _EXTENSION_EXTERNAL_DATA:
            raise _refuse(name, "names an external data file", "Flatten it first: qemu-img convert -O qcow2.")
        if kind == _EXTENSION_ENCRYPTION:
            raise _refuse(name, "is encrypted", "Publish it without encryption.")
        offset += 8 + length + -length % 8


def _refuse(name: str, what: str, hint: str) -> ImageError:
    return ImageError(f"The image {name} {what}; nothing was written.", hint=hint)
