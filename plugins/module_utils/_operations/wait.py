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
    "names": {"type": "list", "elements": "str", "required": True},
    "what": {"type": "str", "choices": ["work", "instance"], "default": "work"},
    "timeout": {"type": "float", "default": 600},
    **{name: NODE_SPEC[name] for name in ("store", "state_dir", "reservation_timeout", "owner")},
}


def run(request: StoreRequest) -> Result:
    """Return ``nodes``: by name, what was seen of each; a node that waits for nothing is ready.

    Returns before all are ready where those that are have waited long enough; the others are to be waited for again.

    :raises StoreError: the store is away.
    """
    names = request.params["names"]
    ready = {name: {"ready": True, "done": True, "seen": "it waits for nothing"} for name in names}
    if request.check_mode:
        return {"changed": False, "nodes": ready}
    watch = {"work": _watch_work, "instance": _watch_instances}[request.params["what"]]
    return {"changed": False, "nodes": {**ready, **watch(request, names)}}


def _watch_work(request: StoreRequest, names: t.Collection[str]) -> dict[str, Result]:
    """Wait for what this run has begun on these nodes."""
    records = [request.store.get(name) for name in names]
    held = [record for record in records if record and record.reservation == request.owner]
    begun = {record.name: wait for record in held if (wait := waits.current(record))}
    others = len(held) > len(begun)
    return _watch(begun, _Holder(request, begun), request, batch=len(names), others=others) if begun else {}


def _watch_instances(request: StoreRequest, names: t.Collection[str]) -> dict[str, Result]:
    """Wait until the systems that this run has deployed answer on SSH."""
    deployed, limit, now = {}, float(request.params["timeout"]), time.time()
    for name in names:
        record = request.store.get(name)
        where = waits.instance_of(record, request.owner) if record else None
        if where:
            deployed[name] = {"for": "instance", "since": now, "limit": limit, **where}
    return _watch(deployed, _Nobody(), request, batch=None) if deployed else {}


def _watch(
    wanted: dict[str, Result], keeper: Keeper, request: StoreRequest, *, batch: int | None, others: bool = False
) -> dict[str, Result]:
    watcher = Watcher(wanted, keeper, request.report, batch=batch, others=others)
    return {name: told.to_result() for name, told in asyncio.run(watcher.run()).items()}


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
        found = self._store.glance(names)
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
