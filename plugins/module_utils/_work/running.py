"""A machine that runs, and that this store has never worked on, is not taken by surprise: it may be somebody's."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._calls.request import Request
from .._drivers.base import POWER_ON
from .._errors import InvalidRequestError
from .._states.verbs import Verb
from .._store.record import NodeRecord
from . import work
from .steps import Step

LOOKING = frozenset(
    {"management.verify_bmc", "management.inspect_bmc", "deploy.adopt", "deploy.wait", "deploy.hold"},
)
"""Steps that only look; all others switch the machine, change what it starts from, or run on it."""

OURS = "ours"
"""Of what the store knows of a node: its machine is off, or runs because of what was done by this store's runs."""


def is_ours(record: NodeRecord | None) -> bool:
    """Say whether a machine runs what this store has it run, as far as the store knows."""
    return record is not None and bool(record.driver_internal_info.get(OURS) or record.instance_info)


def touches(request: Request, verb: Verb, wanted: t.Iterable[Step]) -> bool:
    """Say whether a verb's steps do anything to the machine; the deploy interface noop has none by itself."""
    looking = LOOKING | ({"deploy.deploy"} if request.node.deploy_interface == "noop" else set())
    return any(step.key.partition("#")[0] not in looking for step in wanted)


def check(request: Request, verb: Verb, wanted: t.Iterable[Step], record: NodeRecord | None) -> str | None:
    """Refuse work on a machine that is switched on and not ours; return its power state, None where none was asked for.

    :raises InvalidRequestError: it is, and bm_take_running does not allow it.
    """
    if is_ours(record) or (record and work.is_begun(record)) or not touches(request, verb, wanted):
        return None
    power = request.driver.power.get_power_state()
    if power == POWER_ON and not request.node.take_running:
        raise InvalidRequestError(
            f"The machine of node {request.node.name} is switched on, and this store has never worked on it:"
            " it may run something that is needed.",
            node=request.node.name,
            hint="If it has an instance, play adopt.yml; so, too, where a store was lost. If not, power it off, or set"
            " bm_take_running: true.",
        )
    return power
