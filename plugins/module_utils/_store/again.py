"""A transaction whose connection was cut in its middle, as by a server that restarts, is carried through."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t

from .._errors import StoreError

T = t.TypeVar("T")

ATTEMPTS = 3
"""How often a transaction is begun, where a server that restarts cuts the connection in its middle."""


class Again(t.Protocol):
    """What has such methods; they may look whether they are called again."""

    _is_again: bool


def carried_through(kind: type[T]) -> type[T]:
    """Have each method of a class try again where the connection to the server is lost in its middle.

    Whether its transaction was committed is not known then: all of them may be done twice.
    """
    for name, method in list(vars(kind).items()):
        if callable(method) and not name.startswith("_") and name != "close":
            setattr(kind, name, _tried_again(method))
    return kind


def _tried_again(method: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    @functools.wraps(method)
    def call(self: Again, *arguments: t.Any, **options: t.Any) -> t.Any:
        for attempt in range(ATTEMPTS):
            self._is_again = attempt > 0
            try:
                return method(self, *arguments, **options)
            except StoreError as exc:
                if not exc.is_lost or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    return call
