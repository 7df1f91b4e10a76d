"""Decompresses a stream piece by piece; a stream that ends early or is damaged is an error."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bz2
import contextlib
import itertools
import lzma
import subprocess
import typing as t
import zlib
from concurrent.futures import ThreadPoolExecutor

from ..._errors import ImageError
from ..agent.command import environment, require_tools
from .image_format import read_zstd_window
from .memory import get_window_limit, needs_memory

COMPRESSIONS = ("none", "gz", "xz", "zst", "bz2")

_PIECE = 4 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_TRAILER_MAGIC = b"FWx0"
_TRAILER_SIZE = 1024 * 1024
_GZIP_WINDOW = 31  # zlib's way to say: gzip header, largest window


class _Decoder(t.Protocol):
    """The common form of lzma's and bz2's decompressors."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipDecoder:
    """zlib's decompressor in the form of lzma's."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_WINDOW)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = not self._stream.unconsumed_tail and len(out) < max_length
        return out


def _new_xz() -> _Decoder:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=get_window_limit())


_NEW: dict[str, t.Callable[[], _Decoder]] = {"gz": _GzipDecoder, "xz": _new_xz, "bz2": bz2.BZ2Decompressor}


def detect_compression(path: str) -> str:
    """Return the compression that the end of a URL's path tells."""
    suffix = path.lower().rpartition(".")[2]
    return suffix if suffix in COMPRESSIONS else "none"


def decode(chunks: t.Iterable[bytes], compression: str, name: str) -> t.Generator[bytes, None, None]:
    """Yield the decompressed content in pieces of at most 4 MiB; concatenated streams are one content.

    :raises ImageError: damaged or truncated.
    """
    if compression == "none":
        yield from chunks
    elif compression == "zst":
        yield from _decode_zstd(chunks, name)
    else:
        yield from _decode_streams(chunks, _NEW[compression], compression, name)


def _decode_streams(
    chunks: t.Iterable[bytes], new: t.Callable[[], _Decoder], compression: str, name: str
) -> t.Generator[bytes, None, None]:
    decoder = new()
    rest = iter(chunks)
    for chunk in rest:
        data = chunk
        while True:
            if decoder.eof:
                data = data.lstrip(b"\0")  # padding between and behind streams is allowed by gzip and xz
                if not data:
                    break
                if compression == "gz" and not data.startswith(_GZIP_MAGIC[: len(data)]):
                    return _check_trailer(itertools.chain([data], rest), compression, name)
                decoder = new()
            with _damaged(compression, name):
                piece = decoder.decompress(data, _PIECE)
            if piece:
                yield piece
            data = decoder.unused_data if decoder.eof else b""
            if not decoder.eof and decoder.needs_input:
                break
    if not decoder.eof:
        raise ImageError(
            f"The image {name} is truncated: its {compression} stream has no end.", hint="Publish the image again."
        )


def _check_trailer(chunks: t.Iterable[bytes], compression: str, name: str) -> None:
    """Take in what stands behind a gzip stream: only what OpenWrt's fwtool puts there, metadata and signatures, may.

    It is part of the checksum, and not of the image.
    """
    trailer = b""
    for chunk in chunks:
        trailer += chunk
        if len(trailer) > _TRAILER_SIZE:
            break
    if _TRAILER_MAGIC not in trailer or len(trailer) > _TRAILER_SIZE:
        raise _not_valid(compression, name, "something else stands behind its end")


@contextlib.contextmanager
def _damaged(compression: str, name: str) -> t.Iterator[None]:
    try:
        yield
    except lzma.LZMAError as exc:
        if "Memory" in str(exc):
            raise needs_memory(name, compression) from exc
        raise _not_valid(compression, name, exc) from exc
    except (zlib.error, OSError, EOFError) as exc:
        raise _not_valid(compression, name, exc) from exc


def _not_valid(compression: str, name: str, why: object) -> ImageError:
    return ImageError(
        f"The image {name} is not valid {compression} data: {why}.",
        hint="Is the compression declared as the file has it? Else publish the image again.",
    )


def _decode_zstd(chunks: t.Iterable[bytes], name: str) -> t.Generator[bytes, None, None]:
    """Decompress by the zstd tool: Python has zstd in its standard library since 3.14 only.

    The tool ends by itself when this process dies: its pipes break.
    """
    require_tools("zstd")
    rest = iter(chunks)
    head = next(rest, b"")
    window, limit = read_zstd_window(head), get_window_limit()
    if window > limit:
        raise needs_memory(name, "zstd", window)
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function
        ["zstd", "-dcq", f"--memory={limit >> 20}MB"],  # for frames that follow the first, too
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise ImageError("zstd has no pipes.")  # never so with PIPE; tells the type checker
    with process, ThreadPoolExecutor(1, thread_name_prefix="zstd") as feeder:
        try:
            fed = feeder.submit(_feed, process.stdin, itertools.chain([head], rest))
            while piece := process.stdout.read(_PIECE):
                yield piece
            fed.result()
            said = process.stderr.read().decode("utf-8", "replace").strip()
            if process.wait():
                if "too much memory" in said:
                    raise needs_memory(name, "zstd")
                raise ImageError(
                    f"The image {name} is truncated or not valid zstd data: {said}.",
                    hint="Is the compression declared as the file has it? Else publish the image again.",
                )
        finally:
            process.kill()


def _feed(pipe: t.IO[bytes], chunks: t.Iterable[bytes]) -> None:
    # A broken pipe means that zstd ended; its exit code tells why.
    with contextlib.suppress(BrokenPipeError), pipe:
        for chunk in chunks:
            pipe.write(chunk)
