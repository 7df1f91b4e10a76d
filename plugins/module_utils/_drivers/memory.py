"""What was learnt of a BMC before, kept in the store: what need not be asked again, and is forgotten after a day."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

Facts = dict[str, t.Any]

LASTS = 86400.0
"""Seconds after which all is learnt anew: a BMC may get other firmware."""


class Memory:
    """What is known of one BMC, and what was learnt of it since.

    :param recall: returns what ``learnt`` was before, whenever that was; called once, at the first question.
    :param of: which BMC it is; what was learnt of another one is of no use.
    """

    def __init__(self, recall: t.Callable[[], t.Mapping[str, t.Any]], of: str) -> None:
        self._recall = recall
        self._of = of
        self._facts: Facts | None = None
        self._is_new = False
        self.is_recalled = False

    def __getitem__(self, fact: str) -> t.Any:
        """Return what was learnt, None for what was not."""
        return self._all.get(fact)

    def __setitem__(self, fact: str, value: t.Any) -> None:
        if self._all.get(fact) != value:
            self._all[fact] = value
            self._is_new = True

    def changed(self) -> None:
        """Say that a fact was changed in its place."""
        self._is_new = True

    def forget(self) -> None:
        """Forget all: it is learnt anew from now on."""
        self._facts = {"of": self._of, "at": time.time()}
        self._is_new, self.is_recalled = True, False

    @property
    def learnt(self) -> Facts | None:
        """What is to be remembered; None where nothing is new."""
        return self._facts if self._is_new else None

    @property
    def _all(self) -> Facts:
        if self._facts is None:
            before = dict(self._recall())
            if before.get("of") == self._of and 0 <= time.time() - before.get("at", 0.0) < LASTS:
                self._facts, self.is_recalled = before, True
            else:
                self._facts = {"of": self._of, "at": time.time()}
        return self._facts
