"""Provision states, events and transitions: data only.

The vocabulary and the table are those of OpenStack Ironic (``ironic/common/states.py`` and
``state_machine.py``), so that an operator who knows one knows the other.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

ENROLL = "enroll"
"""Known by name only; nothing about it has been proven."""

VERIFYING = "verifying"
"""Its BMC is being asked for the first time."""

MANAGEABLE = "manageable"
"""The BMC answers to the credentials; the node can be inspected, cleaned, adopted or provided."""

AVAILABLE = "available"
"""Ready to be deployed."""

DEPLOYING = "deploying"
"""Being prepared, written or booted by a run."""

WAIT_CALLBACK = "wait call-back"
"""The deploy ramdisk has been started; nothing runs until it answers."""

DEPLOY_FAILED = "deploy failed"
"""The deployment stopped; last_error says why."""

DEPLOY_HOLD = "deploy hold"
"""The deployment stopped on request, between two steps."""

ACTIVE = "active"
"""Runs what was deployed."""

CLEANING = "cleaning"
"""Being cleaned by a run."""

CLEAN_WAIT = "clean wait"
"""Cleaning waits for the ramdisk."""

CLEAN_FAILED = "clean failed"
"""Cleaning stopped; last_error says why."""

CLEAN_HOLD = "clean hold"
"""Cleaning stopped on request."""

DELETING = "deleting"
"""The instance is being torn down."""

ERROR = "error"
"""Tearing the instance down failed."""

INSPECTING = "inspecting"
"""Hardware is being read by a run."""

INSPECT_WAIT = "inspect wait"
"""Inspection waits for the ramdisk."""

INSPECT_FAILED = "inspect failed"
"""Inspection stopped; last_error says why."""

ADOPTING = "adopting"
"""A machine that somebody else deployed is being taken over, untouched."""

ADOPT_FAILED = "adopt failed"
"""Adoption stopped; last_error says why."""

RESCUING = "rescuing"
"""Being booted into the rescue ramdisk."""

RESCUE_WAIT = "rescue wait"
"""The rescue waits for the ramdisk."""

RESCUE = "rescue"
"""Runs the rescue ramdisk; its disk is untouched."""

RESCUE_FAILED = "rescue failed"
"""The rescue stopped; last_error says why."""

UNRESCUING = "unrescuing"
"""Being booted back into its instance."""

UNRESCUE_FAILED = "unrescue failed"
"""The way back from the rescue stopped; last_error says why."""

SERVICING = "servicing"
"""An active node is being serviced by a run."""

SERVICE_WAIT = "service wait"
"""The service waits for the ramdisk."""

SERVICE_FAILED = "service failed"
"""The service stopped; last_error says why."""

SERVICE_HOLD = "service hold"
"""The service stopped on request."""

INITIAL_STATE = ENROLL
"""The state of a node that the store has never seen."""

TARGETS: dict[str, str | None] = {
    ENROLL: None,
    VERIFYING: MANAGEABLE,
    MANAGEABLE: None,
    AVAILABLE: None,
    DEPLOYING: ACTIVE,
    WAIT_CALLBACK: ACTIVE,
    DEPLOY_FAILED: ACTIVE,
    DEPLOY_HOLD: ACTIVE,
    ACTIVE: None,
    CLEANING: AVAILABLE,
    CLEAN_WAIT: AVAILABLE,
    CLEAN_FAILED: AVAILABLE,
    CLEAN_HOLD: AVAILABLE,
    DELETING: AVAILABLE,
    ERROR: None,
    INSPECTING: MANAGEABLE,
    INSPECT_WAIT: MANAGEABLE,
    INSPECT_FAILED: MANAGEABLE,
    ADOPTING: ACTIVE,
    ADOPT_FAILED: ACTIVE,
    RESCUING: RESCUE,
    RESCUE_WAIT: RESCUE,
    RESCUE: None,
    RESCUE_FAILED: RESCUE,
    UNRESCUING: ACTIVE,
    UNRESCUE_FAILED: ACTIVE,
    SERVICING: ACTIVE,
    SERVICE_WAIT: ACTIVE,
    SERVICE_FAILED: ACTIVE,
    SERVICE_HOLD: ACTIVE,
}
"""Each state with the target that a node has by default when it enters it; None for a stable state."""

STABLE_STATES = frozenset(state for state, target in TARGETS.items() if target is None)
"""States that a node stays in until somebody asks for something."""

FAIL_WHEN_OWNER_DIES = frozenset(
    {
        ADOPTING,
        CLEANING,
        DELETING,
        DEPLOYING,
        INSPECTING,
        RESCUING,
        SERVICING,
        UNRESCUING,
        VERIFYING,
    }
)
"""States in which a run works on the node: what a dead run leaves behind."""

DELETABLE = frozenset({ADOPT_FAILED, ENROLL, MANAGEABLE})
"""States in which the record of a node may be deleted."""

VERBS = {
    "active": "deploy",
    "deploy": "deploy",
    "deleted": "delete",
    "undeploy": "delete",
    "manage": "manage",
    "provide": "provide",
    "inspect": "inspect",
    "abort": "abort",
    "clean": "clean",
    "adopt": "adopt",
    "rescue": "rescue",
    "unrescue": "unrescue",
    "unhold": "unhold",
    "service": "service",
}
"""What an operator asks for, and the event that it means."""


class Transition(t.NamedTuple):
    """One row of the table: in ``state``, ``event`` leads to ``to`` with the target ``target``."""

    state: str
    event: str
    to: str
    target: str | None


TRANSITIONS = (
    Transition(ACTIVE, "delete", DELETING, AVAILABLE),
    Transition(ACTIVE, "rebuild", DEPLOYING, ACTIVE),
    Transition(ACTIVE, "rescue", RESCUING, RESCUE),
    Transition(ACTIVE, "service", SERVICING, ACTIVE),
    Transition(ADOPT_FAILED, "adopt", ADOPTING, ACTIVE),
    Transition(ADOPT_FAILED, "manage", MANAGEABLE, None),
    Transition(ADOPTING, "done", ACTIVE, None),
    Transition(ADOPTING, "fail", ADOPT_FAILED, ACTIVE),
    Transition(AVAILABLE, "deploy", DEPLOYING, ACTIVE),
    Transition(AVAILABLE, "manage", MANAGEABLE, None),
    Transition(CLEAN_FAILED, "manage", MANAGEABLE, None),
    Transition(CLEAN_HOLD, "abort", CLEAN_FAILED, AVAILABLE),
    Transition(CLEAN_HOLD, "unhold", CLEAN_WAIT, AVAILABLE),
    Transition(CLEAN_WAIT, "abort", CLEAN_FAILED, AVAILABLE),
    Transition(CLEAN_WAIT, "fail", CLEAN_FAILED, AVAILABLE),
    Transition(CLEAN_WAIT, "hold", CLEAN_HOLD, AVAILABLE),
    Transition(CLEAN_WAIT, "resume", CLEANING, AVAILABLE),
    Transition(CLEANING, "done", AVAILABLE, None),
    Transition(CLEANING, "fail", CLEAN_FAILED, AVAILABLE),
    Transition(CLEANING, "hold", CLEAN_HOLD, AVAILABLE),
    Transition(CLEANING, "manage", MANAGEABLE, None),
    Transition(CLEANING, "wait", CLEAN_WAIT, AVAILABLE),
    Transition(DELETING, "clean", CLEANING, AVAILABLE),
    Transition(DELETING, "fail", ERROR, None),
    Transition(DEPLOY_FAILED, "delete", DELETING, AVAILABLE),
    Transition(DEPLOY_FAILED, "deploy", DEPLOYING, ACTIVE),
    Transition(DEPLOY_FAILED, "rebuild", DEPLOYING, ACTIVE),
    Transition(DEPLOY_HOLD, "abort", DEPLOY_FAILED, ACTIVE),
    Transition(DEPLOY_HOLD, "unhold", WAIT_CALLBACK, ACTIVE),
    Transition(DEPLOYING, "done", ACTIVE, None),
    Transition(DEPLOYING, "fail", DEPLOY_FAILED, ACTIVE),
    Transition(DEPLOYING, "hold", DEPLOY_HOLD, ACTIVE),
    Transition(DEPLOYING, "wait", WAIT_CALLBACK, ACTIVE),
    Transition(ENROLL, "manage", VERIFYING, MANAGEABLE),
    Transition(ERROR, "delete", DELETING, AVAILABLE),
    Transition(ERROR, "rebuild", DEPLOYING, ACTIVE),
    Transition(INSPECT_FAILED, "inspect", INSPECTING, MANAGEABLE),
    Transition(INSPECT_FAILED, "manage", MANAGEABLE, None),
    Transition(INSPECT_WAIT, "abort", INSPECT_FAILED, MANAGEABLE),
    Transition(INSPECT_WAIT, "done", MANAGEABLE, None),
    Transition(INSPECT_WAIT, "fail", INSPECT_FAILED, MANAGEABLE),
    Transition(INSPECT_WAIT, "resume", INSPECTING, MANAGEABLE),
    Transition(INSPECTING, "done", MANAGEABLE, None),
    Transition(INSPECTING, "fail", INSPECT_FAILED, MANAGEABLE),
    Transition(INSPECTING, "wait", INSPECT_WAIT, MANAGEABLE),
    Transition(MANAGEABLE, "adopt", ADOPTING, ACTIVE),
    Transition(MANAGEABLE, "clean", CLEANING, AVAILABLE),
    Transition(MANAGEABLE, "inspect", INSPECTING, MANAGEABLE),
    Transition(MANAGEABLE, "provide", CLEANING, AVAILABLE),
    Transition(RESCUE, "delete", DELETING, AVAILABLE),
    Transition(RESCUE, "rescue", RESCUING, RESCUE),
    Transition(RESCUE, "unrescue", UNRESCUING, ACTIVE),
    Transition(RESCUE_FAILED, "delete", DELETING, AVAILABLE),
    Transition(RESCUE_FAILED, "rescue", RESCUING, RESCUE),
    Transition(RESCUE_FAILED, "unrescue", UNRESCUING, ACTIVE),
    Transition(RESCUE_WAIT, "abort", RESCUE_FAILED, RESCUE),
    Transition(RESCUE_WAIT, "delete", DELETING, AVAILABLE),
    Transition(RESCUE_WAIT, "fail", RESCUE_FAILED, RESCUE),
    Transition(RESCUE_WAIT, "resume", RESCUING, RESCUE),
    Transition(RESCUING, "done", RESCUE, None),
    Transition(RESCUING, "fail", RESCUE_FAILED, RESCUE),
    Transition(RESCUING, "wait", RESCUE_WAIT, RESCUE),
    Transition(SERVICE_FAILED, "abort", ACTIVE, None),
    Transition(SERVICE_FAILED, "delete", DELETING, AVAILABLE),
    Transition(SERVICE_FAILED, "hold", SERVICE_HOLD, ACTIVE),
    Transition(SERVICE_FAILED, "rescue", RESCUING, RESCUE),
    Transition(SERVICE_FAILED, "service", SERVICING, ACTIVE),
    Transition(SERVICE_FAILED, "wait", SERVICE_WAIT, ACTIVE),
    Transition(SERVICE_HOLD, "abort", SERVICE_FAILED, ACTIVE),
    Transition(SERVICE_HOLD, "fail", SERVICE_FAILED, ACTIVE),
    Transition(SERVICE_HOLD, "service", SERVICING, ACTIVE),
    Transition(SERVICE_HOLD, "unhold", SERVICE_WAIT, ACTIVE),
    Transition(SERVICE_WAIT, "abort", SERVICE_FAILED, ACTIVE),
    Transition(SERVICE_WAIT, "delete", DELETING, AVAILABLE),
    Transition(SERVICE_WAIT, "fail", SERVICE_FAILED, ACTIVE),
    Transition(SERVICE_WAIT, "hold", SERVICE_HOLD, ACTIVE),
    Transition(SERVICE_WAIT, "resume", SERVICING, ACTIVE),
    Transition(SERVICING, "done", ACTIVE, None),
    Transition(SERVICING, "fail", SERVICE_FAILED, ACTIVE),
    Transition(SERVICING, "hold", SERVICE_HOLD, ACTIVE),
    Transition(SERVICING, "wait", SERVICE_WAIT, ACTIVE),
    Transition(UNRESCUE_FAILED, "delete", DELETING, AVAILABLE),
    Transition(UNRESCUE_FAILED, "rescue", RESCUING, RESCUE),
    Transition(UNRESCUE_FAILED, "unrescue", UNRESCUING, ACTIVE),
    Transition(UNRESCUING, "done", ACTIVE, None),
    Transition(UNRESCUING, "fail", UNRESCUE_FAILED, ACTIVE),
    Transition(VERIFYING, "done", MANAGEABLE, None),
    Transition(VERIFYING, "fail", ENROLL, None),
    Transition(WAIT_CALLBACK, "abort", DEPLOY_FAILED, ACTIVE),
    Transition(WAIT_CALLBACK, "delete", DELETING, AVAILABLE),
    Transition(WAIT_CALLBACK, "fail", DEPLOY_FAILED, ACTIVE),
    Transition(WAIT_CALLBACK, "hold", DEPLOY_HOLD, ACTIVE),
    Transition(WAIT_CALLBACK, "resume", DEPLOYING, ACTIVE),
)
"""All transitions, ordered by state and event."""
