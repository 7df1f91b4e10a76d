"""Blocks of an image with their digests, and the read-back of what is on the disk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..._errors import StepError
from ..disk.disk import BLOCK, Disk

_READERS = 4
_BATCH = 256  # bounds what is queued, whatever the size of the image
_ZEROES = bytes(BLOCK)


@dataclass(frozen=True)
class Block:
    """4 MiB of the image (the last one less); ``digest`` is None where all is zero."""

    offset: int
    data: bytes
    digest: bytes | None


def split_blocks(pieces: t.Iterable[bytes]) -> t.Generator[Block, None, None]:
    """Gather pieces of any size into blocks."""
    offset = 0
    for data in gather(pieces):
        zero = data == (_ZEROES if len(data) == BLOCK else bytes(len(data)))
        yield Block(offset, data, None if zero else _fingerprint(data))
        offset += len(data)


def gather(pieces: t.Iterable[bytes]) -> t.Iterator[bytes]:
    """Yield the same content in pieces of exactly BLOCK bytes, the last one less."""
    parts: list[bytes] = []
    missing = BLOCK
    for piece in pieces:
        rest = piece
        while rest:
            parts.append(rest[:missing])
            rest = rest[missing:]
            missing -= len(parts[-1])
            if not missing:
                yield b"".join(parts)
                parts, missing = [], BLOCK
    if parts:
        yield b"".join(parts)


def _fingerprint(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


class Digests:
    """What must be on the disk: a digest for each block, 16 bytes for 4 MiB."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, int, bytes | None]] = []

    def add(self, block: Block) -> None:
        """Remember a block that was written."""
        self._blocks.append((block.offset, len(block.data), block.digest))

    def verify(self, disk: Disk, progress: t.Callable[[int], None]) -> None:
        """Read all remembered blocks from the disk and compare.

        :param progress: called with the number of bytes that were compared.
        :raises StepError: a difference, with its offset.
        """

        def check(expected: tuple[int, int, bytes | None]) -> int:
            offset, length, digest = expected
            _compare(disk, offset, length, digest)
            return length

        done = 0
        with ThreadPoolExecutor(_READERS, thread_name_prefix="verify") as readers:
            for start in range(0, len(self._blocks), _BATCH):
                for length in readers.map(check, self._blocks[start : start + _BATCH]):
                    done += length
                    progress(done)


def _compare(disk: Disk, offset: int, length: int, digest: bytes | None) -> None:
    found = disk.read(offset, length)
    same = bytes(found) == _ZEROES[:length] if digest is None else _fingerprint(found) == digest
    if not same:
        raise StepError(
            f"{disk.target.device} does not hold what was written at byte {offset} (block of {length} bytes).",
            hint="The disk or its controller is failing: look at dmesg and smartctl, or choose another disk.",
        )
