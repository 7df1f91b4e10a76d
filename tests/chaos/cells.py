"""A cell: something that is done to a run, and what is to come of it, stated beforehand; and how one is played."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import time
import traceback
import typing as t
from pathlib import Path

from tests.chaos import sandbox
from tests.chaos.ground import LIMIT, Ground, MomentNotMetError
from tests.site import ROOT

BASES_FROM = ("scenes.py", "ground.py", "reference.py", "sandbox.py", "inject")
"""What of tests/chaos the states to begin in depend on."""

SOURCES = ("plugins", "roles", "playbooks", "tests/site.py")
"""What all that is played depends on; a matrix may name more as its SOURCES."""

HARNESS = (*BASES_FROM, "acts.py", "cells.py")
"""What of tests/chaos all cells depend on, besides their own matrix."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """``play`` does it, on a site in the state ``base``, and returns what was seen; what is wrong it has noted there.

    ``scenes``: whose undisturbed runs it compares with. ``quick``: whether ``make test`` plays it.
    """

    matrix: str
    name: str
    expected: str
    play: t.Callable[[Ground], str]
    base: str = "new"
    scenes: tuple[str, ...] = ()
    quick: bool = False
    limit: float = 2 * LIMIT

    @property
    def key(self) -> str:
        """Its name among all."""
        return f"{self.matrix}: {self.name}"


@dataclasses.dataclass
class Result:
    """What came of a cell. ``wrong``: what is not as it was stated; ``output``: the plays', where something is."""

    cell: str
    matrix: str
    expected: str
    seen: str
    wrong: list[str]
    seconds: float
    digest: str
    at: float
    output: str = ""

    @property
    def verdict(self) -> str:
        """In one word."""
        return "FAIL" if self.wrong else "pass"


def digest(*more: str) -> str:
    """Return what stands for the sources that results depend on."""
    found = hashlib.sha256()
    for place in (*SOURCES, *more):
        path = ROOT / place
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                found.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return found.hexdigest()[:16]


def digest_for(matrix: t.Any) -> str:
    """Return what stands for the sources that the results of a matrix, a module of this package, depend on."""
    own = f"{matrix.__name__.rpartition('.')[2]}.py"
    return digest(*(f"tests/chaos/{name}" for name in (*HARNESS, own)), *getattr(matrix, "SOURCES", ()))


def bases_digest() -> str:
    """Return what stands for the sources that the states to begin in depend on."""
    return digest(*(f"tests/chaos/{name}" for name in BASES_FROM))


def play(cell: Cell, bases: Path, sources: str) -> Result:
    """Play a cell in this process, which is good for nothing else afterwards."""
    started = time.time()
    sandbox.enter()
    ground, seen = Ground(bases), ""
    try:
        ground.open(cell.base)
        seen = cell.play(ground)
    except (AssertionError, OSError, MomentNotMetError, subprocess.SubprocessError) as exc:
        where = traceback.extract_tb(exc.__traceback__)[-1]
        ground.wrong.append(f"{type(exc).__name__} at {Path(where.filename).name}:{where.lineno}: {exc}"[:600])
    finally:
        ground.close()
    return Result(
        cell=cell.key,
        matrix=cell.matrix,
        expected=cell.expected,
        seen=seen,
        wrong=ground.wrong,
        seconds=round(time.time() - started, 1),
        digest=sources,
        at=started,
        output="\n".join(ground.outputs)[-6000:] if ground.wrong else "",
    )
