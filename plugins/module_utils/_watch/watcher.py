"""Waits for many nodes at once, in one process: looks at each, tells from time to time, keeps all reservations."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import dataclasses
import time
import typing as t

from .targets import TARGETS, Limits, Look, Target

Result = dict[str, t.Any]

CHECK_SECONDS = 2.0
"""Between two looks at the store, for many nodes in one query."""

REPORT_SECONDS, MAX_REPORT_SECONDS = 10.0, 60.0
"""Between two lines that say what is waited for; the pauses grow."""

LOOKS_A_SECOND = 100
"""Where many nodes are waited for, each is looked at less often."""

MIN_PATIENCE, PATIENCE_A_NODE, PATIENCE_PART = 2.0, 0.04, 0.1
"""How long who is done waits for others, in seconds: what it costs Ansible to take all nodes once through the role's
next tasks (about 40 ms a node), and a part of the time waited so far."""

LOST = "this run holds the node no longer"
"""Why a node is let go that another run has taken, or an operator has released."""


@dataclasses.dataclass
class Seen:
    """What came of one node's wait for ``what``: ``ready`` to go on, or not; ``at``, when, in seconds since the epoch.

    ``done``: what was waited for is there; one that is ready without has waited long enough, or is to be let go.
    """

    what: str = ""
    ready: bool = False
    done: bool = False
    seen: str = "nothing"
    at: float | None = None
    result: Result | None = None

    def to_result(self) -> Result:
        """Return what bm_deploy is told."""
        return dataclasses.asdict(self)


class Keeper(t.Protocol):
    """Who holds the nodes meanwhile."""

    def check(self, names: t.Collection[str]) -> dict[str, str]:
        """Keep the reservations of these nodes; return those that are not to be waited for any more, and why."""


class Watcher:
    """Waits for the nodes of one batch."""

    def __init__(
        self,
        waits: t.Mapping[str, Result],
        keeper: Keeper,
        report: t.Callable[[str], None],
        *,
        batch: int | None,
        others: bool = False,
    ) -> None:
        """Prepare it.

        :param batch: how many nodes go on together; None to wait for all of them, without impatience.
        :param others: whether there are nodes in the batch that could go on now.
        """
        self._others = others
        self.seen = {name: Seen(wait["for"]) for name, wait in waits.items()}
        self._waits = waits
        self._keeper = keeper
        self._report = report
        self._batch = batch
        self._started = time.monotonic()
        self._let_go: dict[str, str] = {}

    async def run(self) -> dict[str, Seen]:
        """Return what was seen of each node, once all are done, or some have waited long enough for the others."""
        limits = Limits()
        targets = {name: TARGETS[wait["for"]](wait, limits) for name, wait in self._waits.items()}
        following = {name: asyncio.create_task(self._follow(name, target)) for name, target in targets.items()}
        helping = [asyncio.create_task(self._tell()), asyncio.create_task(self._check(following))]
        try:
            await self._until_enough(following, helping[1])
        finally:
            for task in (*following.values(), *helping):
                task.cancel()
            await asyncio.gather(*following.values(), *helping, return_exceptions=True)
        return self.seen

    async def _until_enough(self, following: dict[str, asyncio.Task[None]], checking: asyncio.Task[None]) -> None:
        first = self._started if self._others else None
        while pending := {task for task in following.values() if not task.done()}:
            patience = None
            if first is not None and self._batch is not None:
                patience = first + self._patience(self._batch) - time.monotonic()
                if patience <= 0:
                    return
            await asyncio.wait({*pending, checking}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if checking.done():
                checking.result()  # the store is away
            if first is None and any(seen.ready for seen in self.seen.values()):
                first = time.monotonic()

    def _patience(self, batch: int) -> float:
        waited = time.monotonic() - self._started
        return max(MIN_PATIENCE, PATIENCE_A_NODE * batch, PATIENCE_PART * waited)

    async def _follow(self, name: str, target: Target) -> None:
        """Look until it is done, too late, or to be let go: all three are for bm_deploy to judge."""
        seen = self.seen[name]
        try:
            look = await self._until_done(target, seen)
            result = look.result if look.done else await target.give_up("late")
        except asyncio.CancelledError:
            if name not in self._let_go:
                raise
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
            look = Look(False, self._let_go[name])
            # What goes on in the ramdisk belongs to whoever has the node now.
            result = None if look.seen == LOST else await target.give_up("stopped")
        self.seen[name] = Seen(seen.what, ready=True, done=look.done, seen=look.seen, at=time.time(), result=result)

    async def _until_done(self, target: Target, seen: Seen) -> Look:
        interval = max(target.interval, len(self._waits) / LOOKS_A_SECOND)
        deadline = target.wait["since"] + target.wait["limit"]
        while True:
            look = await target.look()
            seen.seen = look.seen
            if look.done or time.time() >= deadline:
                return look
            await asyncio.sleep(min(interval, max(0.05, deadline - time.time())))

    async def _check(self, following: dict[str, asyncio.Task[None]]) -> None:
        """Keep the reservations, and stop waiting for a node that somebody wants to be let go."""
        while True:
            pending = [name for name, task in following.items() if not task.done() and name not in self._let_go]
            self._let_go.update(await asyncio.to_thread(self._keeper.check, pending))
            for name in self._let_go.keys() & set(pending):
                following[name].cancel()
            await asyncio.sleep(CHECK_SECONDS)

    async def _tell(self) -> None:
        pause = REPORT_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, MAX_REPORT_SECONDS)
            waiting = [name for name, seen in self.seen.items() if not seen.ready]
            if waiting:
                slowest = min(waiting, key=lambda name: (self._waits[name]["since"], name))
                wait, done = self._waits[slowest], len(self.seen) - len(waiting)
                self._report(
                    f"{done} of {len(self.seen)} nodes are ready; {slowest} waits for {wait['for'].replace('_', ' ')}"
                    f" for {time.time() - wait['since']:.0f} of {wait['limit']:g} s,"
                    f" last seen: {self.seen[slowest].seen}"
                )
