"""The image before anything is touched: its checksum, whether it is there, and whether it is what it should be.

Whatever is only known from the whole image is checked again in the ramdisk, where it is written.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import re
import typing as t
import zlib
from urllib.parse import urlsplit

from .._contract.node import Image
from .._dependency import load
from .._errors import ImageError, InvalidRequestError
from .fetch import fetch, open_url

HEAD_BYTES = 512 * 1024
"""How much of the image is looked at: enough for the headers of all known formats."""

_ALGORITHM_OF_LENGTH = {64: "sha256", 96: "sha384", 128: "sha512"}
_REFUSED = ("md5", "sha1")
_MAGIC = {"gz": b"\x1f\x8b", "xz": b"\xfd7zXZ\x00", "zst": b"\x28\xb5\x2f\xfd", "bz2": b"BZh"}
_HEX = re.compile(r"^[0-9a-fA-F]+$")
_SUMS_LINE = re.compile(
    r"^(?P<hex>[0-9a-fA-F]{64,128}) [ *](?P<name>.+)$|^\w+ \((?P<bsd_name>.+)\) = (?P<bsd_hex>[0-9a-fA-F]+)$"
)


def resolve_checksum(image: Image, node: str) -> str:
    """Return ``algorithm:hex`` of an image, reading the SUMS file if that is what was given.

    :raises InvalidRequestError: none is given, or one that proves nothing.
    :raises ImageError: the SUMS file is away, or does not name the image.
    """
    given = image.checksum
    if not given:
        raise InvalidRequestError(
            "bm_image.checksum is missing: what is not verified is not booted.",
            node=node,
            hint="Set it to sha256:<hex>, or to the URL of a SHA256SUMS file.",
        )
    if "://" in given:
        given = _from_sums(given, image, node)
    algorithm, separator, value = given.rpartition(":")
    algorithm = algorithm.lower() if separator else _ALGORITHM_OF_LENGTH.get(len(value), "")
    if algorithm in _REFUSED or algorithm not in hashlib.algorithms_available or not _HEX.match(value):
        raise InvalidRequestError(
            f"bm_image.checksum '{given}' can't be used.",
            node=node,
            hint="Give sha256:<hex> or sha512:<hex>; md5 and sha1 prove nothing.",
        )
    expected = hashlib.new(algorithm).digest_size * 2
    if expected and len(value) != expected:
        raise InvalidRequestError(
            f"bm_image.checksum has {len(value)} digits, {algorithm} has {expected}.", node=node, hint="Copy it again."
        )
    return f"{algorithm}:{value.lower()}"


def _from_sums(url: str, image: Image, node: str) -> str:
    options = {"ca_path": image.ca_path, "validate_certs": image.validate_certs} if url.startswith("https") else {}
    text = fetch(url, limit=4 * 1024 * 1024, node=node, **options).decode("utf-8", "replace")
    wanted = urlsplit(image.url).path.rpartition("/")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and _HEX.match(lines[0]):
        return lines[0]
    for line in lines:
        match = _SUMS_LINE.match(line)
        if match and (match["name"] or match["bsd_name"]).rpartition("/")[2] == wanted:
            return match["hex"] or match["bsd_hex"]
    raise ImageError(
        f"{url} has no checksum of {wanted}.", node=node, hint="Correct bm_image.checksum or bm_image.url."
    )


def inspect(image: Image, node: str) -> None:
    """Look at the beginning of the image: is it there, and is it what was declared?

    :raises ImageError: it is away, or of another format, or unsafe.
    """
    options: dict[str, t.Any] = {"ca_path": image.ca_path, "validate_certs": image.validate_certs}
    with open_url(image.url, node=node, headers={"Range": f"bytes=0-{HEAD_BYTES - 1}"}, **options) as response:
        head: bytes = response.read(HEAD_BYTES)
    compression = image.real_compression
    found = next((name for name, magic in _MAGIC.items() if head.startswith(magic)), "none")
    if found != compression:
        raise ImageError(
            f"{image.url} was declared with compression {compression}, and has {found}.",
            node=node,
            hint="Correct bm_image.compression.",
        )
    content = _decompress(head, compression)
    if content is not None:
        _check_format(image, content, node)


def _decompress(head: bytes, compression: str) -> bytes | None:
    """Return the beginning of the image itself; None for zst, which only the ramdisk can read."""
    if compression == "none":
        return head
    if compression == "zst":
        return None
    makers: dict[str, t.Callable[[], t.Any]] = {
        "gz": lambda: zlib.decompressobj(31),
        "xz": lzma.LZMADecompressor,
        "bz2": bz2.BZ2Decompressor,
    }
    try:
        return bytes(makers[compression]().decompress(head, HEAD_BYTES))
    except (zlib.error, lzma.LZMAError, OSError) as exc:
        raise ImageError(f"The image is not {compression}: {exc}.", hint="Correct bm_image.compression.") from exc


def _check_format(image: Image, content: bytes, node: str) -> None:
    """Compare the declared with the detected format; a raw disk is what has a partition table."""
    format_inspector = load("oslo_utils.imageutils.format_inspector", "oslo.utils")
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
            f"{image.url} was declared as {image.format}, and is not.", node=node, hint="Correct bm_image.format."
        )
    if image.format == "qcow2" and int.from_bytes(content[8:16], "big"):
        raise ImageError(
            f"{image.url} has a backing file: it is not the whole image.",
            node=node,
            hint="Flatten it: qemu-img convert -O qcow2.",
        )


def verify_whole(image: Image, checksum: str, node: str) -> None:
    """Read the whole image once and compare its checksum: for media that the BMC will fetch by itself.

    :raises ImageError: it is away, broke off, or is another.
    """
    algorithm, dummy, wanted = checksum.partition(":")
    digest = hashlib.new(algorithm)
    with open_url(image.url, node=node, ca_path=image.ca_path, validate_certs=image.validate_certs) as response:
        while chunk := response.read(4 * 1024 * 1024):
            digest.update(chunk)
    if digest.hexdigest() != wanted:
        raise ImageError(
            f"{image.url} has the {algorithm} {digest.hexdigest()}, not {wanted}.",
            node=node,
            hint="Correct bm_image.checksum, or put the right image there.",
        )
