"""bm_allocate: keep available nodes for somebody, or give them back."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._calls.request import Result
from .._calls.store_request import StoreRequest
from .._contract.argspec import NODE_SPEC
from .._errors import NodeLockedError
from .._store import allocation
from .._store.record import HistoryEntry, NodeRecord
from .._wait import retry
from .._work import reservation

ARGUMENT_SPEC = {
    "allocation": {"type": "str", "required": True},
    "resource_class": {"type": "str"},
    "traits": {"type": "list", "elements": "str", "default": []},
    "count": {"type": "int", "default": 1},
    "candidates": {"type": "list", "elements": "str"},
    "state": {"type": "str", "default": "present", "choices": ["absent", "present"]},
    **{name: NODE_SPEC[name] for name in ("store", "state_dir", "owner")},
}

ATTEMPTS = 50
"""How often nodes are chosen anew because another run was faster; of all that try at once, one succeeds each time."""

PAUSE = 0.02
"""Seconds before the second attempt; they grow to eight times as much."""


def run(request: StoreRequest) -> Result:
    """Allocate what is missing, or give back; return ``nodes`` that the allocation has now.

    :raises InvalidRequestError: there are too few nodes, with ``reasons`` in the result; or what the allocation has
        does not go with what is asked for. Nothing was taken.
    :raises NodeLockedError: other runs were faster too often. Nothing was taken.
    """
    needs = allocation.Needs.from_params(request.params)
    if request.params["state"] == "absent":
        return _give_back(request, needs)
    return retry(lambda: _allocate(request, needs), on=(NodeLockedError,), attempts=ATTEMPTS, wait=PAUSE)


def _allocate(request: StoreRequest, needs: allocation.Needs) -> Result:
    records = {record.name: record for record in request.store.records()}
    reserved = {name for name, record in records.items() if _is_reserved(record, request.owner)}
    found = allocation.survey(records.values(), needs, reserved=reserved)
    request.result.update(nodes=found.held)
    if found.missing > len(found.free):
        request.result.update(missing=found.missing - len(found.free), reasons=found.reasons())
    added = found.choose()
    if added and not request.check_mode:
        for name in added:
            if records[name].reservation:  # of a run that is dead, which would never give it up
                request.store.release(name, records[name].reservation or "")
        entries = _entries(request, added, "allocate", f"for {needs.allocation}")
        if not request.store.allocate(added, needs.allocation, *entries, held=found.held):
            raise NodeLockedError(
                f"Allocation {needs.allocation}: other runs were faster to take the nodes, {ATTEMPTS} times in a row.",
                hint="Run again.",
            )
    return _result(needs, before=found.held, after=sorted(found.held + added))


def _give_back(request: StoreRequest, needs: allocation.Needs) -> Result:
    held = [record.name for record in request.store.records() if record.allocation == needs.allocation]
    given = [name for name in held if needs.is_candidate(name)]
    if given and not request.check_mode:
        entries = _entries(request, given, "deallocate", f"given back by {needs.allocation}")
        request.store.deallocate(given, *entries, allocation=needs.allocation)
    return _result(needs, before=held, after=[name for name in held if name not in given])


def _entries(request: StoreRequest, names: t.Iterable[str], event: str, message: str) -> list[HistoryEntry]:
    return [HistoryEntry(node=name, event=event, owner=request.owner, message=message) for name in names]


def _result(needs: allocation.Needs, *, before: list[str], after: list[str]) -> Result:
    return {
        "changed": before != after,
        "allocation": needs.allocation,
        "nodes": after,
        "added": [name for name in after if name not in before],
        "released": [name for name in before if name not in after],
        "diff": {
            "before": {"allocation": needs.allocation, "nodes": before},
            "after": {"allocation": needs.allocation, "nodes": after},
        },
    }


def _is_reserved(record: NodeRecord, owner: str) -> bool:
    """Say whether a live run holds a node, also this one; a run that can't be seen is live until it expires."""
    if record.reservation is None:
        return False
    alive = reservation.is_holder_alive(record)
    return not record.reservation_expired if alive is None else alive
