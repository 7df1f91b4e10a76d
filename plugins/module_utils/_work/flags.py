"""Flags that an operator sets on a node: maintenance, protected, retired. What each forbids: verbs.py and task.py."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._errors import InvalidStateError
from .._states import states
from .._store.record import NodeRecord
from .work import state_now

Changes = dict[str, tuple[bool, t.Optional[str]]]
"""Flags with their new values and reasons."""

FLAGS = {"maintenance": "maintenance", "protect": "protected", "retire": "retired"}
"""Each option of bm_state that sets a flag, with the flag."""

_ONLY_IN = {"protected": frozenset({states.ACTIVE, states.RESCUE})}
"""States outside of which a flag can't be set: there is nothing to protect."""

_NOT_IN = {"retired": frozenset({states.AVAILABLE})}
"""States in which a flag can't be set: somebody could be about to deploy the node."""


def changes(record: NodeRecord | None, params: t.Mapping[str, t.Any], node: str) -> Changes:
    """Return the flags that differ from what is asked for, with their new values and reasons.

    :raises InvalidStateError: a flag can't be set in this state.
    """
    wanted = {flag: bool(params[option]) for option, flag in FLAGS.items() if params.get(option) is not None}
    reason = params.get("reason")
    found: Changes = {}
    for flag, value in wanted.items():
        now = (getattr(record, flag, False), getattr(record, f"{flag}_reason", None))
        after = (value, reason if value else None)
        if now == after or (value and now[0] and reason is None):
            continue
        _check_state(flag, value, state_now(record), node)
        found[flag] = after
    return found


def _check_state(flag: str, value: bool, state: str, node: str) -> None:
    only, never = _ONLY_IN.get(flag), _NOT_IN.get(flag, frozenset())
    if value and (state in never or (only is not None and state not in only)):
        where = f"only in: {', '.join(sorted(only))}" if only else f"not in: {', '.join(sorted(never))}"
        raise InvalidStateError(
            f"Node {node} is '{state}', where {flag} can't be set.",
            node=node,
            hint=f"It can be set {where}. Another verb brings it there.",
        )


def apply(record: NodeRecord, changed: Changes) -> str:
    """Set flags in a record; return what was done, in words."""
    for flag, (value, reason) in changed.items():
        setattr(record, flag, value)
        setattr(record, f"{flag}_reason", reason)
    return "; ".join(describe(flag, value, reason) for flag, (value, reason) in changed.items())


def describe(flag: str, value: bool, reason: str | None) -> str:
    """Return in words that a flag was set or cleared."""
    return f"{flag} {'set' if value else 'cleared'}{f': {reason}' if reason else ''}"
