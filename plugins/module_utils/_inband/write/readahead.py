"""Runs the stages of a stream in threads of their own, with bounded queues between them."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import queue
import threading
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

Item = t.TypeVar("Item")

_DEPTH = 4
_POLL = 0.05  # seconds after which a blocked stage looks whether the stream was given up
_MAX_STAGES = 8


class _CancelledError(Exception):
    """The stream was given up; ends the stages that still run."""


class _End:
    """Behind the last item."""


class Pipeline:
    """Stages of one stream. Leaving the ``with`` block ends all threads, also after an error.

    hashlib, zlib, lzma, bz2, sockets and files release the interpreter lock, so the stages really run at
    the same time.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._executor = ThreadPoolExecutor(max_workers=_MAX_STAGES, thread_name_prefix="stage")

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._cancelled.set()
        self._executor.shutdown(wait=True)

    def stage(self, items: t.Generator[Item, None, None], depth: int = _DEPTH) -> t.Generator[Item, None, None]:
        """Run ``items`` in a thread, at most ``depth`` items ahead, and return them; its errors come out here."""
        channel: queue.Queue[Item | type[_End]] = queue.Queue(depth)
        future = self._executor.submit(self._pump, items, channel)
        return self._drain(channel, future)

    def _pump(self, items: t.Generator[Item, None, None], channel: queue.Queue[Item | type[_End]]) -> None:
        try:
            with contextlib.closing(items):
                for item in items:
                    self._put(channel, item)
        finally:
            self._put(channel, _End)

    def _put(self, channel: queue.Queue[Item | type[_End]], item: Item | type[_End]) -> None:
        while not self._cancelled.is_set():
            with contextlib.suppress(queue.Full):
                return channel.put(item, timeout=_POLL)
        raise _CancelledError

    def _drain(self, channel: queue.Queue[Item | type[_End]], future: Future[None]) -> t.Generator[Item, None, None]:
        while not self._cancelled.is_set():
            try:
                item = channel.get(timeout=_POLL)
            except queue.Empty:
                continue
            if item is _End:
                future.result()
                return
            yield t.cast(Item, item)
        raise _CancelledError
