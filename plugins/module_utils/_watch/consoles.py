"""Hears the consoles of many machines in one thread, and keeps the end of what each says in a file."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import threading
import time
import typing as t
from pathlib import Path

from .. import _state_files as state_files
from .._drivers.interfaces import ConsoleInterface

KEPT_BYTES = 64 * 1024
"""Of what a machine says, the end: a panic and what led to it."""

TURN_SECONDS = 0.2
WRITE_SECONDS = 5.0
"""Between two looks at what has come; between two writes to the files, which outlive this process."""


@contextlib.contextmanager
def heard(consoles: t.Mapping[Path, ConsoleInterface]) -> t.Iterator[None]:
    """Keep what the machines say while the block runs, each in its file, after what the file holds already."""
    if not consoles:
        yield
        return
    stop = threading.Event()
    tapes = [_Tape(path, console) for path, console in consoles.items()]
    thread = threading.Thread(target=_hear, args=(tapes, stop), name="consoles", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _hear(tapes: list[_Tape], stop: threading.Event) -> None:
    written = time.monotonic()
    while not stop.is_set():
        for tape in tapes:
            tape.console.attend()
        for kind in {type(tape.console) for tape in tapes}:
            kind.turn(TURN_SECONDS)
        if time.monotonic() - written > WRITE_SECONDS:
            written = time.monotonic()
            for tape in tapes:
                tape.write()
    for tape in tapes:
        tape.console.close()
        tape.write()


class _Tape:
    """The end of what one machine has said."""

    def __init__(self, path: Path, console: ConsoleInterface) -> None:
        self.console = console
        self._path = path
        self._said = bytearray()
        with contextlib.suppress(OSError):
            self._said += path.read_bytes()
        self._is_new = False
        console.listen(self._take)

    def _take(self, data: bytes) -> None:
        self._said += data
        self._is_new = True
        del self._said[:-KEPT_BYTES]

    def write(self) -> None:
        """Write the file, if something was said since; a disk that is full does not end the wait."""
        if self._is_new:
            with contextlib.suppress(OSError):
                state_files.write(self._path, bytes(self._said))
                self._is_new = False
