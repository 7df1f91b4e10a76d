"""The progress file: what the controller reads while a write, or an erase, runs."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
import time
import typing as t

from ..._errors import InvalidRequestError

_RUN_DIRECTORY = "/run/baremetal-lifecycle"
_PRIVATE_DIRECTORY = "/tmp/baremetal-lifecycle-"  # with the user's number; a fixed name: the controller looks there
_INTERVAL = 1.0


def slug(device: str) -> str:
    """Return the device's path as part of a file name."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", device).strip("-")


def get_file_name(device: str) -> str:
    """Return the name of the progress file of a write to ``device``."""
    return f"write_image-{slug(device)}.json"


def get_shell_paths(name: str) -> list[str]:
    """Return where the progress file of that name may be, as double-quoted words for the node's shell."""
    return [f'"{_PRIVATE_DIRECTORY}$(id -u)/{name}"', f'"{_RUN_DIRECTORY}/{name}"']


def get_run_directory() -> str:
    """Return the folder for progress and lock files, made if absent: under /run, or a private one in /tmp."""
    with contextlib.suppress(OSError):
        os.makedirs(_RUN_DIRECTORY, mode=0o755, exist_ok=True)
    if os.access(_RUN_DIRECTORY, os.W_OK | os.X_OK):
        return _RUN_DIRECTORY
    private = f"{_PRIVATE_DIRECTORY}{os.getuid()}"
    os.makedirs(private, mode=0o700, exist_ok=True)
    status = os.lstat(private)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise InvalidRequestError(f"{private} belongs to somebody else.", hint="Set progress_path.")
    return private


def write_state(path: str, state: dict[str, t.Any]) -> None:
    """Replace the file with ``state`` as JSON. Never raises: progress is a courtesy, a full /run must not fail work."""
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".progress-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.chmod(name, 0o644)
        os.replace(name, path)


class Progress:
    """Writes where the work is, about once a second, so that a reader never sees half a file."""

    def __init__(self, path: str, device: str) -> None:
        self._path = path
        self._device = device
        self._phase = ""
        self._total: int | None = None
        self._started = self._written = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Take the file away: what is not there can't be taken for the state of a later write."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def start(self, phase: str, total: int | None = None) -> None:
        """Begin a phase: fetch, write or verify."""
        self._phase, self._total = phase, total
        self._started = time.monotonic()
        self._write(0)

    def update(self, done: int, total: int | None = None) -> None:
        """Tell that ``done`` bytes of the phase are done; cheap enough to call for every block."""
        if total is not None:
            self._total = total
        if time.monotonic() - self._written >= _INTERVAL:
            self._write(done)

    def _write(self, done: int) -> None:
        self._written = time.monotonic()
        elapsed = self._written - self._started
        state = {
            "phase": self._phase,
            "bytes_done": done,
            "bytes_total": self._total,
            "rate": int(done / elapsed) if elapsed > 0 else 0,
            "updated": time.time(),
            "device": self._device,
            "pid": os.getpid(),
        }
        write_state(self._path, state)
