"""The state machine: from a state and an event to the next state. Pure: no store, no hardware."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._errors import InvalidStateError
from . import states

_TABLE = {(row.state, row.event): row for row in states.TRANSITIONS}


def allowed_events(state: str) -> list[str]:
    """Return the events that ``state`` allows, sorted."""
    return sorted(row.event for row in states.TRANSITIONS if row.state == state)


def advance(state: str, event: str, *, node: str | None = None) -> states.Transition:
    """Return the transition that ``event`` means in ``state``.

    :raises InvalidStateError: naming the events that the state allows.
    """
    transition = _TABLE.get((state, event))
    if transition is not None:
        return transition
    subject = f"Node {node}" if node else "The node"
    allowed = ", ".join(allowed_events(state)) or "nothing"
    raise InvalidStateError(
        f"{subject} is '{state}', where the event '{event}' is not allowed.",
        node=node,
        hint=f"Allowed in '{state}': {allowed}.",
    )


def is_working(state: str) -> bool:
    """Say whether a run works on a node in ``state``, so that its reservation must be kept."""
    return state in states.FAIL_WHEN_OWNER_DIES or state.endswith((" wait", "call-back"))
