"""Reads a disk back at spread positions, before and after an erase, and judges what is left."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import random
import typing as t

from .._errors import StepError
from ._disk import open_disk
from ._target import Target

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


def digest_samples(target: Target, positions: t.Sequence[int]) -> list[Digest]:
    """Return the digest of each sample; None for one that can't be read, which an erase may mend."""
    found: list[Digest] = []
    with open_disk(target) as disk:
        for offset in positions:
            try:
                found.append(_digest(bytes(disk.read(offset, min(SAMPLE, target.size)))))
            except StepError:
                found.append(None)
    return found


def judge(before: t.Sequence[Digest], after: t.Sequence[bytes]) -> str:
    """Return ZEROS, UNIFORM, CHANGED or DIFFERS."""
    if len({sample[:1] for sample in after}) == 1 and all(_is_uniform(sample) for sample in after):
        return ZEROS if after[0][:1] == b"\0" else UNIFORM
    for old, new in zip(before, after):
        # A uniform block tells nothing: an empty one may well be as empty as before.
        if not _is_uniform(new) and (old is None or old == _digest(new)):
            return DIFFERS
    return CHANGED


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _is_uniform(data: bytes) -> bool:
    return data == data[:1] * len(data)
