"""One call of an operation: what it gets and what it gives back."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from .._contract.node import Node
from .._drivers.base import Driver
from .._store.record import NodeRecord
from .._store.store import Store

Result = dict[str, t.Any]


def be_silent(dummy: str) -> None:
    """Report nothing: for a module, whose output is its result alone."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What an operation works with.

    ``owner`` stands for the run; ``params`` are the module's options; ``report`` shows people what goes on.
    """

    node: Node
    params: t.Mapping[str, t.Any]
    store: Store
    driver: Driver
    owner: str
    check_mode: bool
    report: t.Callable[[str], None] = be_silent

    @property
    def reservation_timeout(self) -> float:
        """Seconds that a reservation outlives its run."""
        return float(self.params["reservation_timeout"])


def state_of(record: NodeRecord | None) -> Result:
    """Return the part of a result that tells where a node is."""
    if record is None:
        return {"provision_state": None, "power_state": None, "last_error": None}
    return {
        "provision_state": record.provision_state,
        "target_provision_state": record.target_provision_state,
        "power_state": record.power_state,
        "last_error": record.last_error,
    }
