"""A fork of the play ends with the play: whoever has lost its run acts on no machine and in no store any more.

Ansible's workers are in sessions of their own, so that the end of their play's process group does not reach them.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import typing as t

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent ends."""

_prctl = getattr(ctypes.CDLL(None), "prctl", None)
"""None on systems that are not Linux: there a worker finds out before its next act, by is_orphan."""


class _Fork:
    """The play, this process's parent where it is bound to it, and what becomes of the next fork."""

    play: int | None = None
    parent: int | None = None
    forks_as: int | None = None
    is_bound = True


def end_with_play() -> None:
    """From now on, let each fork of this process end when this process does: Ansible's workers are such.

    Not so what its other threads fork, which the kernel would end with the thread (prctl(2), PR_SET_PDEATHSIG), nor
    what the forks fork: that is as it was. Call it once.
    """
    _Fork.play = os.getpid()
    os.register_at_fork(before=_remember, after_in_child=_bind)


@contextlib.contextmanager
def outliving() -> t.Iterator[None]:
    """Let what is forked in the block outlive this process."""
    _Fork.is_bound = False
    try:
        yield
    finally:
        _Fork.is_bound = True


def is_orphan() -> bool:
    """Say whether the process that has forked this one, and that it should end with, has ended."""
    return _Fork.parent is not None and os.getppid() != _Fork.parent


def _remember() -> None:
    is_play = os.getpid() == _Fork.play and threading.current_thread() is threading.main_thread()
    _Fork.forks_as = _Fork.play if _Fork.is_bound and is_play else None


def _bind() -> None:
    _Fork.parent = _Fork.forks_as
    if _Fork.parent and _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if is_orphan():  # it has ended before this was set
            os.kill(os.getpid(), signal.SIGKILL)
