"""Streams a raw image to the disk in one pass, then reads it back; its first block goes last."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from ..._errors import ImageError
from ..disk.disk import BLOCK, Disk
from .fetch import Fetch
from .finish import finish, sealed
from .image_format import ImageFacts, check_fit, check_whole, inspect_raw
from .preserved import Preserved
from .progress import Progress
from .readahead import Pipeline
from .target import Target
from .verify import Block, Digests, split_blocks

#: Finds what is to be preserved from an image, by its first bytes and its size as far as it is known.
Preserve = t.Callable[[bytes, int], Preserved]

_ZERO_RUN = 64 * BLOCK  # a longer run is zeroed in parts, so that progress is seen


@dataclass
class Written:
    """What a write did; seconds of its two phases."""

    image_size: int = 0
    bytes_written: int = 0
    bytes_zeroed: int = 0
    fetch_write: float = 0.0
    verify: float = 0.0
    preserved: list[str] = field(default_factory=list)


def inspect_first(fetch: Fetch, target: Target, head: bytes) -> ImageFacts:
    """Judge the image by its first block, before anything is written.

    :raises ImageError: another format, no partition table, or too large for the disk.
    """
    if not head:
        raise ImageError(f"The image {fetch.name} is empty.", hint="Publish the image again.")
    facts = inspect_raw(head, fetch.name)
    if fetch.compression == "none" and fetch.source.total is not None:
        check_whole(facts, fetch.name, fetch.source.total)
    facts = facts.of_size(fetch.get_declared_size())
    check_fit(
        facts,
        fetch.name,
        device=target.device,
        size=target.size,
        block_size=target.block_size,
        is_block=target.is_block,
    )
    return facts


def plan_raw(fetch: Fetch, target: Target, preserve: Preserve) -> tuple[int, Preserved]:
    """Do all checks that need no more than the first block; return the least number of bytes to write."""
    with Pipeline() as pipeline:
        first = next(split_blocks(fetch.pieces(pipeline)), None)
        head = first.data if first else b""
        facts = inspect_first(fetch, target, head)
        preserved = preserve(head, facts.extent)
        return facts.extent, preserved


def write_raw(fetch: Fetch, disk: Disk, progress: Progress, preserve: Preserve) -> Written:
    """Write, verify and finish.

    :raises ImageError: the image is not what was declared; the disk is unbootable if it was touched.
    :raises StepError: the disk failed; it is unbootable.
    """
    began = time.monotonic()
    progress.start("write")
    with Pipeline() as pipeline:
        blocks = pipeline.stage(split_blocks(fetch.pieces(pipeline)))
        first = next(blocks, None)
        head = first.data if first else b""
        facts = inspect_first(fetch, disk.target, head)
        preserved = preserve(head, facts.extent)
        with sealed(disk, preserved):
            writer = _BlockWriter(disk, preserved, fetch.name)
            writer.hold_back(t.cast(Block, first))
            for block in blocks:
                writer.add(block)
                progress.update(fetch.source.fetched, fetch.source.total)
            writer.flush()
            _check_complete(fetch, facts, writer.written.image_size)
            writer.written.fetch_write = time.monotonic() - began
            _verify(writer, disk, progress)
            write_head(disk, preserved, head)
            finish(disk)
            preserved.check(disk)
    writer.written.preserved = preserved.names
    return writer.written


def _check_complete(fetch: Fetch, facts: ImageFacts, size: int) -> None:
    fetch.checksum.check(fetch.name)
    check_whole(facts, fetch.name, size, written=True)


def _verify(writer: _BlockWriter, disk: Disk, progress: Progress) -> None:
    began = time.monotonic()
    size = writer.written.image_size
    progress.start("verify", size)
    writer.digests.verify(disk, lambda done: progress.update(done, size))
    writer.written.verify = time.monotonic() - began


def write_head(disk: Disk, preserved: Preserved, head: bytes) -> None:
    """Write the first block, which makes the disk bootable, and read it back."""
    data = preserved.finish_head(disk, head)
    disk.write(0, data)
    disk.flush()
    digests = Digests()
    digests.add(next(split_blocks([data])))
    digests.verify(disk, lambda _done: None)


class _BlockWriter:
    """Writes blocks in order; zero blocks are gathered to runs that the disk zeroes itself."""

    def __init__(self, disk: Disk, preserved: Preserved, name: str) -> None:
        self.written = Written()
        self.digests = Digests()
        self._disk = disk
        self._preserved = preserved
        self._name = name
        self._run_start = self._run_length = 0

    def hold_back(self, first: Block) -> None:
        """Count the first block in without writing it."""
        self._count(first)

    def add(self, block: Block) -> None:
        """Write a block, or make it part of a run of zeroes."""
        self._count(block)
        self.digests.add(block)
        if block.digest is not None:
            self._end_run()
            self._disk.write(block.offset, block.data)
            return
        if not self._run_length:
            self._run_start = block.offset
        self._run_length += len(block.data)
        if self._run_length >= _ZERO_RUN:
            self._end_run()

    def flush(self) -> None:
        """Wait until all is on the disk."""
        self._end_run()
        self._disk.flush()

    def _count(self, block: Block) -> None:
        size = block.offset + len(block.data)
        self._preserved.check_room(self._name, size, written=True)
        self.written.image_size = size
        if block.digest is None:
            self.written.bytes_zeroed += len(block.data)
        else:
            self.written.bytes_written += len(block.data)

    def _end_run(self) -> None:
        if self._run_length:
            self._disk.zero(self._run_start, self._run_length)
            self._run_length = 0
