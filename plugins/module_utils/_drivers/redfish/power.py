"""Power of a Redfish System: ComputerSystem.Reset and PowerState (DSP2046)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
import typing as t

from ..._errors import BMCResponseError, UnsupportedOperationError
from .. import base
from .system import SystemSession
from .writes import Limits, carry_through

STATES = {"On": base.POWER_ON, "Off": base.POWER_OFF, "Paused": base.POWER_ON}
"""PowerState to ours."""

BETWEEN = {"PoweringOn": base.POWER_OFF, "PoweringOff": base.POWER_ON}
"""... of a machine that is on its way: it counts as what it leaves."""

RESET_TYPES = {
    (base.POWER_ON, False): ("On", "ForceOn"),
    (base.POWER_OFF, False): ("ForceOff", "GracefulShutdown"),
    (base.POWER_OFF, True): ("GracefulShutdown",),
}
"""Wanted state and softness to ResetType, best first; none that does something else when it is sent twice."""

STATE_TRIES, STATE_PAUSE = 3, 1.0
"""How often a power state that is none of Redfish's, or null, is asked for, and after how many seconds."""

RECENT, SAME_MOMENT = 2.0, 0.25
"""Seconds for which a power state may be relied on, where nothing was written since it was read: before something is
asked for that depends on it; and where it is asked for twice."""


class RedfishPower(base.PowerInterface):
    """Power through ComputerSystem.Reset."""

    first_look = 0.7  # hardly a machine is faster, and each look is a request

    def __init__(self, driver: base.Driver, session: SystemSession) -> None:
        super().__init__(driver)
        self._session = session

    def get_power_state(self) -> str:
        for attempt in range(STATE_TRIES):
            if attempt:
                time.sleep(STATE_PAUSE)
            state = self._read()
            if state in STATES or state in BETWEEN:
                return STATES.get(state) or BETWEEN[state]
        raise BMCResponseError(
            f"The BMC reports the power state '{state}'.", node=self._node.name, hint="See its log.", retryable=True
        )

    def get_settled_power_state(self) -> str:
        deadline = time.monotonic() + self._node.bmc.power_timeout
        recent = self._session.recent_system(RECENT)
        state = self._read() if recent is None else str(recent.json.get("PowerState"))
        while state not in STATES and time.monotonic() < deadline:
            time.sleep(STATE_PAUSE)
            with contextlib.suppress(BMCResponseError):
                state = self._read()
        return STATES.get(state) or self.get_power_state()

    def request_power_state(self, state: str, *, soft: bool) -> None:
        offered = self._session.reset_types()
        reset_type = self._choose(state, soft, offered)
        try:
            self._reset(reset_type, state)
        except BMCResponseError as exc:
            offered = None if exc.retryable or offered is not None else self._session.reset_types(ask=True)
            if offered is None or reset_type in offered:
                raise
            self._reset(self._choose(state, soft, offered), state)

    def _reset(self, reset_type: str, state: str) -> None:
        quirk = self._session.quirk
        carry_through(
            self._session,
            f"reset the machine ({reset_type})",
            lambda: self._session.reset(reset_type),
            lambda: self.get_power_state() == state,  # a refusal because it is so already is success
            Limits(quirk.reset_attempts, quirk.reset_wait, self._node.bmc.power_timeout),
        )

    def _choose(self, state: str, soft: bool, offered: t.Sequence[str] | None) -> str:
        """Return the best ResetType; of a service that does not tell what it offers, the usual one."""
        for reset_type in RESET_TYPES[state, soft]:
            if offered is None or reset_type in offered:
                return reset_type
        raise UnsupportedOperationError(
            f"The BMC can't bring the machine to '{state}'{' softly' if soft else ''}.",
            node=self._node.name,
            hint=f"It offers: {', '.join(sorted(offered or ())) or 'nothing'}.",
        )

    def _read(self) -> str:
        system = self._session.recent_system(SAME_MOMENT) or self._session.read_system("read the power state")
        return str(system.json.get("PowerState"))
