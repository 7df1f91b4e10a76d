"""bm_node_info: what the store knows of a node; its BMC is not asked, and nothing is changed."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC
from .._errors import InvalidRequestError
from .._store.record import NodeRecord
from .._work import inspection, reservation, work


def _record(request: Request, record: NodeRecord) -> Result:
    """Return a record, and whether the run that holds it goes on (null: that can't be seen from here)."""
    return {**dataclasses.asdict(record), "reservation_is_alive": reservation.is_holder_alive(record)}


def _history(request: Request, record: NodeRecord) -> list[Result]:
    """Return the newest lines of the history, oldest first; that of a removed node is still there."""
    entries = request.store.history(record.name)[-request.params["history_limit"] :]
    return [dataclasses.asdict(entry) for entry in entries]


def _work(dummy: Request, record: NodeRecord) -> Result:
    """Return the last work in figures, and how far it is."""
    step = work.current_step(record)
    return {
        **work.totals(record),
        "started_at": record.driver_internal_info.get("started_at"),
        "step": step["step"] if step else None,
    }


def _inventory(dummy: Request, record: NodeRecord) -> Result:
    """Return what inspections have found; the same keys where there was none."""
    return {**inspection.merge(None, None), "differences": [], **record.inventory}


SOURCES: dict[str, t.Callable[[Request, NodeRecord], object]] = {
    "record": _record,
    "history": _history,
    "work": _work,
    "evidence": lambda request, record: request.store.evidence(record.name),
    "inventory": _inventory,
}
"""What can be asked for, by name."""

ARGUMENT_SPEC = {
    **NODE_SPEC,
    "gather": {"type": "list", "elements": "str", "choices": list(SOURCES), "default": ["record", "work"]},
    "history_limit": {"type": "int", "default": 0},
}


def run(request: Request) -> Result:
    """Return ``known``, and what was asked for; of a node never seen, or removed, what there is.

    :raises InvalidRequestError: the limit is negative.
    """
    node, params = request.node, request.params
    if params["history_limit"] < 0:
        raise InvalidRequestError(
            f"history_limit is {params['history_limit']}, which is no number of lines.",
            node=node.name,
            hint="Give the number of lines, or 0 for all.",
        )
    record = request.store.get(node.name)
    seen = record or NodeRecord(node.name, node.driver)
    said = {name: source(request, seen) for name, source in SOURCES.items() if name in params["gather"]}
    if record is None and "record" in said:
        said["record"] = None
    return {
        **state_of(record),
        "changed": False,
        "known": record is not None,
        "phases": work.totals(seen)["phases"],
        **said,
    }
