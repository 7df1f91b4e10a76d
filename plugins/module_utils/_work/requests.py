"""What somebody asks a run for while it works on a node: to stop, to hold, to let a node in maintenance be."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._calls.request import Request
from .._errors import AbortedError
from .task import check_maintenance


def follow(request: Request, *, may_hold: bool = True) -> bool:
    """Follow what somebody has asked the run for; say whether it is to hold, which is answered then.

    :param may_hold: whether it can hold now; else that is left for later.
    :raises AbortedError: it is to stop.
    :raises NodeInMaintenanceError: the node was set aside.
    """
    name, store = request.node.name, request.store
    seen = store.glance([name]).get(name)
    if seen is None:
        return False
    check_maintenance(seen)
    if seen.requested == "abort" or (seen.requested == "hold" and may_hold):
        store.request(name, None, None)
    if seen.requested == "abort":
        raise AbortedError(
            f"Aborted on request of {seen.requested_by}.", node=name, hint="Run the verb again to start anew."
        )
    return seen.requested == "hold" and may_hold
