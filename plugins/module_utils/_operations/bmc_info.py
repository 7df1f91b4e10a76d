"""bm_bmc_info: what the BMC says now; nothing is changed."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC
from .._drivers.base import Driver

SOURCES: dict[str, t.Callable[[Driver], object]] = {
    "power_state": lambda driver: driver.power.get_power_state(),
    "boot_device": lambda driver: dataclasses.asdict(driver.management.get_boot_device()),
    "secure_boot": lambda driver: driver.management.get_secure_boot(),
    "sensors": lambda driver: driver.health and driver.health.get_sensors(),
    "event_log": lambda driver: driver.health and driver.health.get_event_log(),
}
"""What can be asked for, by name; None where the driver does not know it."""

ARGUMENT_SPEC = {
    **NODE_SPEC,
    "gather": {
        "type": "list",
        "elements": "str",
        "choices": list(SOURCES),
        "default": ["power_state", "boot_device", "secure_boot"],
    },
}


def run(request: Request) -> Result:
    """Return ``bmc`` with what was asked for.

    :raises BMCError: the BMC is away or refuses.
    """
    said = {name: SOURCES[name](request.driver) for name in SOURCES if name in request.params["gather"]}
    return {**state_of(request.store.get(request.node.name)), "changed": False, "bmc": said}
