"""Cells side by side, each in a process of its own; results as they come, in a file that the next run reads."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import sys
import time
import typing as t
from pathlib import Path

from tests.chaos import reference, sandbox
from tests.chaos.cells import Cell, Result, bases_digest, play
from tests.chaos.ground import Ground
from tests.chaos.scenes import SCENES
from tests.site import ROOT

_FORK = multiprocessing.get_context("fork")

CACHE = ROOT / ".cache" / "chaos"
"""States that cells begin in."""


def say(text: str) -> None:
    """Print a line now."""
    print(text, flush=True)


class Results:
    """Results as JSON lines; those of other sources (what stands for them, by matrix) are of no account."""

    def __init__(self, path: Path, sources: t.Mapping[str, str]) -> None:
        self.known: dict[str, Result] = {}
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            with contextlib.suppress(ValueError, TypeError):  # a line that was cut, or is of another form
                result = Result(**json.loads(line))
                if result.digest == sources.get(result.matrix):
                    self.known[result.cell] = result

    def add(self, result: Result) -> None:
        """Keep a result."""
        self.known[result.cell] = result
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(result)) + "\n")


class _Child:
    """A cell that is played: its process, what it will say, and by when."""

    def __init__(self, name: str, work: t.Callable[[], t.Any], limit: float) -> None:
        self.name, self.limit, self.started = name, limit, time.monotonic()
        self.pipe, far = _FORK.Pipe(duplex=False)
        self.process = _FORK.Process(target=_work, args=(work, far), daemon=False)
        self.process.start()
        far.close()

    def is_late(self) -> bool:
        return time.monotonic() - self.started > self.limit

    def end(self) -> t.Any:
        """Return what it has said; None where it ended without."""
        said = None
        with contextlib.suppress(EOFError):
            said = self.pipe.recv() if self.pipe.poll() else None
        family = sandbox.descendants(self.process.pid or 0)
        for pid in (self.process.pid or 0, *family):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.join()
        self.pipe.close()
        return said


def _work(work: t.Callable[[], t.Any], pipe: t.Any) -> None:
    pipe.send(work())


class Pool:
    """So many processes; with what cells begin in."""

    def __init__(self, jobs: int, sources: t.Mapping[str, str]) -> None:
        self._jobs, self._sources = jobs, sources
        self.bases = CACHE / bases_digest()

    def __enter__(self) -> Pool:
        os.environ[sandbox.MARK] = str(os.getpid())
        sandbox.kill_all(sandbox.stale)
        for old in CACHE.glob("*") if CACHE.exists() else ():
            if old != self.bases:
                shutil.rmtree(old)
        self.bases.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, lambda *dummy: sys.exit(143))
        return self

    def __exit__(self, *dummy: object) -> None:
        sandbox.kill_all(lambda: sandbox.descendants(os.getpid()))

    def make_bases(self, scenes: t.Collection[str]) -> None:
        """Make what is missing of the states to begin in, and of undisturbed runs of these scenes; one at a time."""
        with (self.bases / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._make_missing(scenes)

    def _make_missing(self, scenes: t.Collection[str]) -> None:
        if not (self.bases / "new").exists():
            self._make({"new": functools.partial(_in_sandbox, self.bases, reference.make_new)})
        for names in reference.missing(self.bases, scenes):
            make = {name: functools.partial(reference.make, scene=SCENES[name]) for name in names}
            self._make({name: functools.partial(_in_sandbox, self.bases, way) for name, way in make.items()})

    def _make(self, ways: dict[str, t.Callable[[], t.Any]]) -> None:
        for name, error in self._run(ways, dict.fromkeys(ways, 300.0)):
            say(f"undisturbed: {name}")
            if error != "":
                raise SystemExit(f"{name} can't be made: {error}")

    def play(self, cells: t.Sequence[Cell]) -> t.Iterator[Result]:
        """Play cells; yield their results as they come."""
        by_key = {cell.key: cell for cell in cells}
        ways = {
            key: functools.partial(play, cell, self.bases, self._sources[cell.matrix]) for key, cell in by_key.items()
        }
        for key, result in self._run(ways, {key: cell.limit for key, cell in by_key.items()}):
            cell = by_key[key]
            lost = ["the cell's own process ended, or took too long"]
            made_of = self._sources[cell.matrix]
            yield result or Result(key, cell.matrix, cell.expected, "", lost, cell.limit, made_of, time.time())

    def _run(
        self, ways: t.Mapping[str, t.Callable[[], t.Any]], limits: t.Mapping[str, float]
    ) -> t.Iterator[tuple[str, t.Any]]:
        todo, at_work = list(ways), list[_Child]()
        while todo or at_work:
            while todo and len(at_work) < self._jobs:
                name = todo.pop(0)
                at_work.append(_Child(name, ways[name], limits[name]))
            multiprocessing.connection.wait([child.pipe for child in at_work], timeout=1)
            for child in [one for one in at_work if one.pipe.poll() or one.is_late()]:
                at_work.remove(child)
                yield child.name, child.end()


def _in_sandbox(bases: Path, make: t.Callable[[Ground], None]) -> str:
    """Make something on a site of its own; return why it could not be made."""
    sandbox.enter()
    ground = Ground(bases)
    try:
        make(ground)
    except AssertionError as exc:
        return str(exc) or "an assertion failed"
    finally:
        ground.close()
    return ""
