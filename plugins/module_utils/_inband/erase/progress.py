"""How far an erase is: which disks are at work with what, and the evidence of those that are done."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import threading
import time
import typing as t

from ..write.progress import slug, write_state

Tell = t.Callable[[float], None]
"""Takes how much of a disk is done, in percent; cheap enough to call for every block."""

_INTERVAL = 1.0


def say_nothing(_percent: float) -> None:
    """Tell nobody."""


def get_file_name(job: str) -> str:
    """Return the name of the progress file of an erase."""
    return f"erase_devices-{slug(job)}.json"


class EraseProgress:
    """Writes the state of an erase, from several threads, so that a reader never sees half a file."""

    def __init__(self, path: str, disks: int) -> None:
        """Begin.

        :param disks: how many are to be erased.
        """
        self._path = path
        self._disks = disks
        self._working: dict[str, dict[str, t.Any]] = {}
        self._evidence: list[dict[str, t.Any]] = []
        self._lock = threading.Lock()
        self._written = 0.0

    def __enter__(self) -> EraseProgress:
        with self._lock:
            self._write()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Take the file away: what is not there can't be taken for the state of a later erase."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def update(self, device: str, method: str, percent: float | None = None) -> None:
        """Tell what is done to a disk; ``percent`` is None where nobody knows."""
        with self._lock:
            news = self._working.get(device, {}).get("method") != method
            self._working[device] = {"method": method, "percent": None if percent is None else int(percent)}
            if news or time.monotonic() - self._written >= _INTERVAL:
                self._write()

    def finish(self, device: str, evidence: dict[str, t.Any]) -> None:
        """Tell that a disk is done: its evidence outlives a job that is killed."""
        with self._lock:
            self._working.pop(device, None)
            self._evidence.append(evidence)
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        state = {
            "disks": self._disks,
            "working": self._working,
            "evidence": self._evidence,
            "updated": time.time(),
            "pid": os.getpid(),
        }
        write_state(self._path, state)
