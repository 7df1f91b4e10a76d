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
import typing as t

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent ends."""

_prctl = getattr(ctypes.CDLL(None), "prctl", None)
"""None on systems that are not Linux: there a worker finds out before its next act, by is_orphan."""


class _Fork:
    """This process, and what becomes of its next fork."""

    parent: int | None = None
    forks_as: int | None = None
    is_bound = True


def end_with_play() -> None:
    """From now on, let each fork of this process, and theirs, end when the process that has forked it does.

    Call it once.
    """
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
    _Fork.forks_as = os.getpid() if _Fork.is_bound else None


def _bind() -> None:
    _Fork.parent = _Fork.forks_as
    if _Fork.parent and _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if is_orphan():  # it has ended before this was set
            os.kill(os.getpid(), signal.SIGKILL)
