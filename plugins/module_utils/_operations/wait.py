"""bm_wait: wait for many nodes at once, in one process, until they are ready to be gone on with."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import time
import typing as t

from .._calls.request import Result
from .._calls.store_request import StoreRequest
from .._contract.argspec import NODE_SPEC
from .._watch.watcher import Keeper, Watcher
from .._work import waits

ARGUMENT_SPEC = {
    "names": {"type": "list", "elements": "str", "default": []},
    "instances": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 600},
    **{name: NODE_SPEC[name] for name in ("store", "state_dir", "reservation_timeout", "owner")},
}


def run(request: StoreRequest) -> Result:
    """Return ``nodes``: by name, what was seen of each; a node that waits for nothing is ready.

    Returns before all are ready where those that are have waited long enough; the others are to be waited for again.

    :raises StoreError: the store is away.
    """
    names, instances = request.params["names"], request.params["instances"]
    ready: dict[str, Result] = {name: {"ready": True, "seen": "it waits for nothing"} for name in (*names, *instances)}
    if request.check_mode:
        return {"changed": False, "nodes": ready}
    nodes = {**ready, **_watch_work(request, names), **_watch_instances(request, instances)}
    return {"changed": False, "nodes": nodes}


def _watch_work(request: StoreRequest, names: t.Collection[str]) -> dict[str, Result]:
    """Wait for what this run has begun on these nodes."""
    begun = {}
    for record in request.store.records(names):
        wait = waits.current(record)
        if wait and record.reservation == request.owner:
            begun[record.name] = wait
    keeper = _Holder(request, begun)
    return _watch(begun, keeper, request, batch=len(names)) if begun else {}


def _watch_instances(request: StoreRequest, instances: dict[str, t.Any]) -> dict[str, Result]:
    """Wait for deployed systems to answer on SSH."""
    limit, now = float(request.params["timeout"]), time.time()
    wanted = {
        name: {"for": "instance", "since": now, "limit": limit, **where} for name, where in instances.items() if where
    }
    return _watch(wanted, _Nobody(), request, batch=None) if wanted else {}


def _watch(
    wanted: dict[str, Result], keeper: Keeper, request: StoreRequest, *, batch: int | None
) -> dict[str, Result]:
    seen = asyncio.run(Watcher(wanted, keeper, request.report, batch=batch).run())
    return {name: told.to_result() for name, told in seen.items()}


class _Nobody:
    """Instances are nobody's any more."""

    def check(self, dummy: t.Collection[str]) -> dict[str, str]:
        """Let nobody go."""
        return {}


class _Holder:
    """This run, which holds its nodes while they wait."""

    def __init__(self, request: StoreRequest, begun: dict[str, Result]) -> None:
        self._store = request.store
        self._owner = request.owner
        self._seconds = float(request.params["reservation_timeout"])
        self._begun = begun
        self._renewed = float("-inf")

    def check(self, names: t.Collection[str]) -> dict[str, str]:
        """Keep the reservations of these nodes; return those that are to be let go, and why."""
        if time.monotonic() - self._renewed > self._seconds / 4:
            self._store.renew(names, self._owner, self._seconds)
            self._renewed = time.monotonic()
        found = {glance.name: glance for glance in self._store.glance(names).values()}
        let_go = {}
        for name in names:
            glance = found.get(name)
            if glance is None or glance.reservation != self._owner:
                let_go[name] = "this run holds the node no longer"
            elif glance.maintenance:
                let_go[name] = f"maintenance: {glance.maintenance_reason or 'no reason was given'}"
            elif glance.requested == "abort" or (
                glance.requested == "hold" and self._begun[name]["for"] in waits.HOLDABLE
            ):
                let_go[name] = f"{glance.requested} was requested by {glance.requested_by}"
        return let_go
