"""The read-back: where samples are taken, and what they prove."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import random

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.sample import (
    SAMPLE,
    choose_positions,
    judge,
)

OLD, NEW = (random.Random(seed).randbytes(SAMPLE) for seed in (1, 2))
EMPTY, ONES = bytes(SAMPLE), b"\xff" * SAMPLE


def digest(data: bytes | None) -> bytes | None:
    return hashlib.blake2b(data, digest_size=16).digest() if data is not None else None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([OLD, OLD], [EMPTY, EMPTY], "zeros"),
        ([EMPTY, EMPTY], [EMPTY, EMPTY], "differs"),
        ([OLD, ONES], [ONES, ONES], "differs"),
        ([None, OLD], [EMPTY, EMPTY], "zeros"),
        ([OLD, OLD], [ONES, ONES], "uniform"),
        ([OLD, EMPTY], [NEW, NEW], "changed"),
        ([OLD, EMPTY], [NEW, EMPTY], "differs"),
        ([None, None], [EMPTY, ONES], "changed"),
        ([OLD, OLD], [ONES, EMPTY], "changed"),
        ([OLD, OLD], [OLD, EMPTY], "differs"),
        ([OLD, NEW], [EMPTY, NEW], "differs"),
        ([None, OLD], [NEW, EMPTY], "differs"),
    ],
)
def test_judgement(before: list[bytes | None], after: list[bytes], expected: str) -> None:
    assert judge([digest(data) for data in before], after) == expected


@pytest.mark.parametrize("size", [1, 512, SAMPLE, SAMPLE + 512, 3 * SAMPLE, 64 * SAMPLE, 65 * SAMPLE + 512, 2 * 10**12])
@pytest.mark.parametrize("count", [2, 3, 64])
def test_positions(size: int, count: int) -> None:
    positions = choose_positions(size, count, random.Random(3))
    assert positions == sorted(set(positions))
    assert positions[0] == 0
    assert positions[-1] == max(size - SAMPLE, 0)
    assert len(positions) == min(count, -(-size // SAMPLE))
    gaps = [end - start for start, end in zip(positions, positions[1:])]
    assert not gaps or max(gaps) <= max(2 * size // (count - 1) + SAMPLE, SAMPLE), "spread over all of the disk"
