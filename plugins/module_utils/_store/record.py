"""What the store keeps of a node: its record, and the lines of its history."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._states import states


@dataclasses.dataclass
class NodeRecord:
    """One node as the store knows it: never a secret in it. Times are seconds since the epoch, UTC.

    ``steps``: those of the work that goes on, or was done last. ``inventory``: what an inspection has found.
    ``allocation``: for whom an available node is kept. ``requested``: abort or hold, for the run that holds it.
    ``bmc``: which machine it is, see ``Node.machine``; no two nodes have the same.
    ``reservation_expired``: whether the reservation had expired when this was read, by the store's clock; not saved.
    """

    name: str
    driver: str
    provision_state: str = states.INITIAL_STATE
    target_provision_state: str | None = None
    power_state: str | None = None
    last_error: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    reservation: str | None = None
    reservation_purpose: str | None = None
    reservation_since: float | None = None
    reservation_expires: float | None = None
    owner_controller: str | None = None
    instance_info: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    driver_internal_info: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    steps: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    protected: bool = False
    protected_reason: str | None = None
    retired: bool = False
    retired_reason: str | None = None
    resource_class: str | None = None
    traits: list[str] = dataclasses.field(default_factory=list)
    inventory: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    allocation: str | None = None
    allocated_at: float | None = None
    requested: str | None = None
    requested_by: str | None = None
    bmc: str | None = None
    created_at: float = dataclasses.field(default_factory=time.time)
    provision_updated_at: float = dataclasses.field(default_factory=time.time)
    reservation_expired: bool = False


@dataclasses.dataclass(frozen=True)
class Glance:
    """What somebody wants to know of many nodes again and again: cheap to read. Fields as in ``NodeRecord``."""

    name: str
    provision_state: str
    reservation: str | None
    requested: str | None
    requested_by: str | None
    maintenance: bool
    maintenance_reason: str | None


@dataclasses.dataclass(frozen=True)
class HistoryEntry:
    """One line of a node's history; append-only. ``seconds`` is how long the phase before it took."""

    node: str
    event: str
    from_state: str | None = None
    to_state: str | None = None
    seconds: float | None = None
    owner: str | None = None
    message: str | None = None
    at: float = dataclasses.field(default_factory=time.time)
