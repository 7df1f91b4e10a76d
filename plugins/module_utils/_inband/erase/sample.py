"""Marks a disk at spread positions before an erase, reads it back after it, and judges what is left."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import typing as t

from ..._errors import StepError
from ..disk.disk import Disk, open_disk
from ..write.target import Target

SAMPLE = 4096

ZEROS = "zeros"
"""All samples are zero."""
UNIFORM = "uniform"
"""All samples are one repeated byte, as some drives leave."""
CHANGED = "changed"
"""No sample holds what it held before, as after the loss of an encryption key."""
DIFFERS = "differs"
"""A sample still holds old data, or can't be told from it."""

Digest = t.Optional[bytes]


def choose_positions(size: int, count: int, source: random.Random) -> list[int]:
    """Return offsets of samples in bytes: the first, the last, and one at random in each of the stripes between."""
    last = max(size - SAMPLE, 0)
    blocks = last // SAMPLE
    if blocks + 1 < count:
        return sorted({*(number * SAMPLE for number in range(blocks + 1)), last})
    stripes = count - 2
    edges = [1 + (blocks - 1) * number // stripes for number in range(stripes + 1)] if stripes else []
    inner = [source.randrange(start, end) * SAMPLE for start, end in zip(edges, edges[1:])]
    return [0, *inner, last]


def read_samples(target: Target, positions: t.Sequence[int]) -> list[bytes]:
    """Return what the disk holds at the positions, past the page cache; shows the kernel the partitions of now.

    :raises StepError: the disk refused.
    """
    with open_disk(target) as disk:
        disk.flush()
        samples = [bytes(disk.read(offset, min(SAMPLE, target.size))) for offset in positions]
        disk.reread_partitions()
    return samples


def mark_samples(target: Target, positions: t.Sequence[int]) -> list[Digest]:
    """Write random data at the positions, and return the digest of what is there now.

    Else an erase that does nothing to an empty disk could not be told from one that does all. A block that can't be
    written counts as it is; None is for one that can't be read either, which an erase may mend.
    :raises StepError: the disk can't be opened.
    """
    size = min(SAMPLE, target.size)
    with open_disk(target) as disk:
        for offset in positions:
            with contextlib.suppress(StepError):
                disk.write(offset, os.urandom(size))
        with contextlib.suppress(StepError):
            disk.flush()
        return [_read_digest(disk, offset, size) for offset in positions]


def _read_digest(disk: Disk, offset: int, size: int) -> Digest:
    try:
        return _digest(bytes(disk.read(offset, size)))
    except StepError:
        return None


def judge(before: t.Sequence[Digest], after: t.Sequence[bytes]) -> str:
    """Return ZEROS, UNIFORM, CHANGED or DIFFERS."""
    if any(old == _digest(new) for old, new in zip(before, after)):
        return DIFFERS
    if len({sample[:1] for sample in after}) == 1 and all(_is_uniform(sample) for sample in after):
        return ZEROS if after[0][:1] == b"\0" else UNIFORM
    return DIFFERS if any(old is None and not _is_uniform(new) for old, new in zip(before, after)) else CHANGED


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _is_uniform(data: bytes) -> bool:
    return data == data[:1] * len(data)
