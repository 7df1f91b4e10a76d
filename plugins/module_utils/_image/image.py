"""The image before anything is touched: its checksum, whether it is there, and whether it is what it should be.

Whatever is only known from the whole image is checked again in the ramdisk, where it is written.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bz2
import io
import lzma
import typing as t
import zlib

from .. import _dependency
from .._contract.node import Image
from .._errors import ImageError, InvalidRequestError
from .._inband.write.checksum import Checksum
from . import checksums
from .fetch import fetch_beginning, stream

HEAD_BYTES = 512 * 1024
"""How much of the image is looked at: enough for the headers of all known formats."""

FORMAT_INSPECTOR = "oslo_utils.imageutils.format_inspector"

_XZ_MEMORY = 256 * 1024 * 1024
_MAGIC = {"gz": b"\x1f\x8b", "xz": b"\xfd7zXZ\x00", "zst": b"\x28\xb5\x2f\xfd", "bz2": b"BZh"}


def resolve_checksum(image: Image, node: str) -> str:
    """Return ``algorithm:hex`` of an image, reading the SUMS file if that is what was given.

    :raises InvalidRequestError: none is given, or one that proves nothing.
    :raises ImageError: the SUMS file is away, or does not name the image, or says two things of it.
    """
    if not image.checksum:
        raise InvalidRequestError(
            "bm_image.checksum is missing: what is not verified is not booted.",
            node=node,
            hint="Set it to sha256:<hex>, or to the URL of a SHA256SUMS file.",
        )
    trust = {"ca_path": image.ca_path, "validate_certs": image.validate_certs}
    return checksums.resolve(image.checksum, url=image.url, variable="bm_image", node=node, **trust)


def inspect(image: Image, node: str) -> None:
    """Look at the beginning of the image: is it there, and is it what was declared?

    :raises ImageError: it is away, or of another format, or unsafe.
    """
    _dependency.about_to_load(FORMAT_INSPECTOR)  # now already: while the image is fetched, others begin
    trust = {"ca_path": image.ca_path, "validate_certs": image.validate_certs}
    head = fetch_beginning(image.url, size=HEAD_BYTES, node=node, **trust)
    if not head:
        raise ImageError(f"The image {image.url} is empty.", node=node, hint="Publish the image again.")
    compression = image.real_compression
    found = next((name for name, magic in _MAGIC.items() if head.startswith(magic)), "none")
    if found != compression:
        raise ImageError(
            f"{image.url} was declared with compression {compression}, and has {found}.",
            node=node,
            hint="Correct bm_image.compression.",
        )
    content = _decompress(image, head, node)
    if content is not None:
        _check_format(image, content, node)


def _decompress(image: Image, head: bytes, node: str) -> bytes | None:
    """Return the beginning of the image itself; None for what the ramdisk must read: zst, large xz."""
    compression = image.real_compression
    if compression == "none":
        return head
    if compression == "zst":
        return None
    makers: dict[str, t.Callable[[], t.Any]] = {
        "gz": lambda: zlib.decompressobj(31),
        "xz": lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
        "bz2": bz2.BZ2Decompressor,
    }
    try:
        return bytes(makers[compression]().decompress(head, HEAD_BYTES))
    except lzma.LZMAError as exc:
        if "Memory" in str(exc):
            return None
        raise _not_valid(image, exc, node) from exc
    except (zlib.error, OSError) as exc:
        raise _not_valid(image, exc, node) from exc


def _not_valid(image: Image, exc: Exception, node: str) -> ImageError:
    return ImageError(
        f"{image.url} is not {image.real_compression}: {exc}.", node=node, hint="Correct bm_image.compression."
    )


def _check_format(image: Image, content: bytes, node: str) -> None:
    """Compare the declared with the detected format; a raw disk is what has a partition table."""
    format_inspector = _dependency.load(FORMAT_INSPECTOR, "oslo.utils")
    try:
        wrapper = format_inspector.InspectWrapper(io.BytesIO(content))
        wrapper.read(len(content))
        wrapper.close()
        names = {str(found) for found in wrapper.formats or ()} - {"raw"}
    except format_inspector.ImageFormatError as exc:
        raise ImageError(f"{image.url} can't be read as an image: {exc}.", node=node, hint="Make it anew.") from exc
    wanted = {"raw": {"gpt"}, "qcow2": {"qcow2"}, "iso": {"iso", "gpt"}}[image.format]
    if names and not names & wanted:
        raise ImageError(
            f"{image.url} was declared as {image.format}, and is {' or '.join(sorted(names))}.",
            node=node,
            hint="Correct bm_image.format.",
        )
    if image.format != "raw" and not names:
        raise ImageError(
            f"{image.url} was declared as {image.format}, and is not.",
            node=node,
            hint="Correct bm_image.format.",
        )
    if image.format == "qcow2" and int.from_bytes(content[8:16], "big"):
        raise ImageError(
            f"{image.url} has a backing file: it is not the whole image.",
            node=node,
            hint="Flatten it: qemu-img convert -O qcow2.",
        )


def verify_whole(image: Image, checksum: str, node: str, *, meanwhile: t.Callable[[], object] = lambda: None) -> None:
    """Read the whole image once and compare its checksum: for media that the BMC will fetch by itself.

    :param meanwhile: called again and again, since it may take long.
    :raises ImageError: it is away, broke off, or is another.
    """
    wanted = Checksum(checksum)
    trust = {"ca_path": image.ca_path, "validate_certs": image.validate_certs}
    for dummy in wanted.tee(stream(image.url, node=node, **trust)):
        meanwhile()
    wanted.check(image.url)
