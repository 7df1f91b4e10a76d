"""One job of a name: who finds it at work waits for it, and gets its result."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t

from ..._errors import StepError
from ..write.writer_lock import try_lock

Result = dict[str, t.Any]

_POLL_SECONDS = 1.0


def run_once(path: str, progress_path: str, function: t.Callable[[], Result]) -> Result:
    """Return the result of ``function``, or of the process that is at it already. Blocks until done.

    For work of hours: a play that lost its job, or its own life, must neither end that job nor begin a second one.
    :param path: the lock; the kernel gives it up when its holder dies. Its content is the result of the last holder.
    :param progress_path: where that process tells its progress.
    :raises StepError: that process ended without a result.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not try_lock(fd):
            return _await_result(fd, progress_path)
        os.ftruncate(fd, 0)
        result = function()
        with contextlib.suppress(OSError):  # a full /run: only who waits misses it
            os.pwrite(fd, json.dumps(result).encode(), 0)
        return result
    finally:
        os.close(fd)


def _await_result(fd: int, progress_path: str) -> Result:
    while not try_lock(fd):
        with contextlib.suppress(OSError):
            os.utime(progress_path)  # the controller only believes in a file that is younger than this process
        time.sleep(_POLL_SECONDS)
    # Not begun anew: who ended the other one may have meant the work, and not the process.
    with contextlib.suppress(ValueError):
        return t.cast(Result, json.loads(os.pread(fd, os.fstat(fd).st_size, 0)))
    raise StepError(
        "An earlier run of the same job was still at work, and ended without a result.",
        hint="Was it killed, or did it fail? Run again.",
        retryable=True,
    )
