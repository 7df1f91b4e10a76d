"""bm_power: switch a machine on or off, or reboot it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
import typing as t

from .._calls.request import Request, Result
from .._contract.argspec import NODE_SPEC
from .._drivers.base import POWER_OFF, POWER_ON
from .._errors import BMCError, BMCResponseError, BMCTimeoutError
from .._work import task as tasks
from .._work.single_act import check_free, hold, result_of


class Switch(t.NamedTuple):
    """What an option asks for: the power state at the end, and how it is reached."""

    to: str
    soft: bool = False
    reboot: bool = False


SWITCHES = {
    "on": Switch(POWER_ON),
    "off": Switch(POWER_OFF),
    "soft_off": Switch(POWER_OFF, soft=True),
    "rebooted": Switch(POWER_ON, reboot=True),
    "soft_rebooted": Switch(POWER_ON, soft=True, reboot=True),
}

ARGUMENT_SPEC = {**NODE_SPEC, "state": {"type": "str", "required": True, "choices": list(SWITCHES)}}


def run(request: Request) -> Result:
    """Bring the machine into a power state and wait until it is. Idempotent, but for a reboot.

    :raises NodeLockedError: another live run holds the node; nothing was asked of its BMC.
    :raises BMCTimeoutError: the state did not come true within the BMC's power_timeout.
    :raises BMCError: the BMC is away or refuses.
    """
    switch = SWITCHES[request.params["state"]]
    record = check_free(request)
    before = request.driver.power.get_power_state()
    changed = switch.reboot or before != switch.to
    after = switch.to if changed else before
    stale = record is not None and record.power_state != before
    if not request.check_mode and (changed or stale):
        with hold(request, "power") as task:
            task.record.power_state = before
            seconds = _switch(request, task, switch) if changed else None
            name = request.params["state"] if changed else "seen"
            task.note("power", f"{name}: {before}{f' -> {after}' if changed else ''}", seconds=seconds)
    seen = before if request.check_mode else after
    return {
        **result_of(request, changed, {"power_state": before}, {"power_state": after}),
        "power_state": seen,
    }


def _switch(request: Request, task: tasks.Task, switch: Switch) -> float:
    """Switch the machine; return the seconds that it took. The record's power state is true also after an error."""
    power = request.driver.power
    started = time.monotonic()
    request.report(f"power: {task.record.power_state}, asking for {request.params['state']}")
    try:
        if switch.reboot:
            power.set_power_state(POWER_OFF, soft=switch.soft)
            task.record.power_state = POWER_OFF
            task.renew()
        power.set_power_state(switch.to, soft=switch.soft and switch.to == POWER_OFF)
    except (BMCTimeoutError, BMCResponseError):
        with contextlib.suppress(BMCError):  # it may have happened all the same
            task.record.power_state = power.get_power_state()
        raise
    task.record.power_state = switch.to
    return round(time.monotonic() - started, 3)
