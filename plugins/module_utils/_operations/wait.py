"""bm_wait: wait for many nodes at once, in one process, until they are ready to be gone on with."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import time
import typing as t

from .._calls.request import Result
from .._calls.store_request import StoreRequest
from .._contract.argspec import NODE_SPEC
from .._drivers.registry import connect
from .._errors import BareMetalError
from .._store.record import NodeRecord
from .._watch import consoles
from .._watch.watcher import LOST, Watcher
from .._work import console, waits
from .._work import task as tasks
from .._work.files import Files

STARTING = frozenset({"ramdisk", "instance"})
"""What is waited for while a machine starts, and may say on its console why it does not."""

ARGUMENT_SPEC = {
    "names": {"type": "list", "elements": "str", "required": True},
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
        return {"changed": False, "nodes": ready, "user_steps": False}
    records = [record for record in map(request.store.get, names) if record]
    held = [record for record in records if record.reservation == request.owner]
    begun = {record.name: wait for record in held if (wait := waits.current(record))}
    deployed = {record.name: wait for record in records if (wait := waits.instance_of(record, request.owner))}
    watcher = Watcher(
        {**begun, **deployed},
        _Holder(request, begun),
        request.report,
        batch=len(names),
        others=len(held) > len(begun),
    )
    with _consoles(request, {**begun, **deployed}):
        seen = {name: told.to_result() for name, told in asyncio.run(watcher.run()).items()}
    return {"changed": False, "nodes": {**ready, **seen}, "user_steps": any(map(_has_user_steps, held))}


@contextlib.contextmanager
def _consoles(request: StoreRequest, begun: dict[str, Result]) -> t.Iterator[None]:
    """Hear the consoles of machines that start, where they are to be kept and their BMCs only pass them on."""
    found = {}
    with contextlib.ExitStack() as opened:
        for name in [name for name, wait in begun.items() if wait["for"] in STARTING]:
            # What is wrong with a node is for its own bm_deploy to say.
            with contextlib.suppress(BareMetalError):
                node = request.node_of(name)
                driver = opened.enter_context(connect(node)) if node and console.is_kept(node) else None
                if node and driver and driver.console:
                    found[Files(node).console] = driver.console
        with consoles.heard(found):
            yield


def _has_user_steps(record: NodeRecord) -> bool:
    """Say whether the node's work has steps of users in the ramdisk: all nodes of a batch keep in step then."""
    return any(entry.get("user") for entry in record.steps)


class _Holder:
    """This run, which holds its nodes while they wait; one that is active already is nobody's."""

    def __init__(self, request: StoreRequest, begun: dict[str, Result]) -> None:
        self._store = request.store
        self._owner = request.owner
        self._seconds = float(request.params["reservation_timeout"])
        self._begun = begun
        self._renewed = float("-inf")

    def check(self, names: t.Collection[str]) -> dict[str, str]:
        """Keep the reservations of these nodes; return those that are to be let go, and why."""
        names = self._begun.keys() & set(names)
        tasks.check_play()
        if time.monotonic() - self._renewed > self._seconds / 4:
            self._store.renew(names, self._owner, self._seconds)
            self._renewed = time.monotonic()
        found = self._store.glance(names)
        let_go = {}
        for name in names:
            glance = found.get(name)
            if glance is None or glance.reservation != self._owner:
                let_go[name] = LOST
            elif glance.maintenance:
                let_go[name] = f"maintenance: {glance.maintenance_reason or 'no reason was given'}"
            elif glance.requested == "abort" or (
                glance.requested == "hold" and self._begun[name]["for"] in waits.HOLDABLE
            ):
                let_go[name] = f"{glance.requested} was requested by {glance.requested_by}"
        return let_go
