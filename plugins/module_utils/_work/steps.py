"""Steps of every kind of work: which there are, in which order, and which are done.

Priorities and slots of a deployment are Ironic's (admin guide, "Node Deployment"): above 100 before the ramdisk,
81-99 in it before the write, 61-79 after the write, 41-59 after the boot loader, 21-39 after the ramdisk, 1-19
with the instance running.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from .._contract.node import digest_of

DONE = "done"
RUNNING = "running"
TODO = "todo"

INTERFACE_RANK = ("power", "management", "boot", "deploy")
IN_BAND_SLOTS = range(41, 100)
BOOT_LOADER_SLOTS = range(41, 60)

RESERVED = {
    "power_on": ("power", "power_on"),
    "power_off": ("power", "power_off"),
    "reboot": ("power", "reboot"),
    "wait": ("deploy", "wait"),
    "hold": ("deploy", "hold"),
}
"""Steps that every kind of work has, by name alone (Ironic's reserved steps), and that may come more than once."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One step. ``in_band``: it runs in the ramdisk, as a task file; else in the run, over the BMC.

    ``nth`` counts a reserved step that comes more than once.
    """

    interface: str
    step: str
    priority: int
    in_band: bool = False
    tasks: str | None = None
    args: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    nth: int = 1

    @property
    def key(self) -> str:
        """How the step is called in the store and in results."""
        return f"{self.interface}.{self.step}{f'#{self.nth}' if self.nth > 1 else ''}"


START_RAMDISK = Step("deploy", "start_ramdisk", 1000)
TEAR_DOWN_AGENT = Step("deploy", "tear_down_agent", 0, in_band=True)
BOOT_INSTANCE = Step("deploy", "boot_instance", 0)

DEPLOY_STEPS = {
    "direct": (
        Step("deploy", "deploy", 100),
        Step("deploy", "write_image", 80, in_band=True),
        Step("deploy", "prepare_instance_boot", 60, in_band=True),
        Step("deploy", "tear_down_agent", 40, in_band=True),
        Step("deploy", "boot_instance", 20),
    ),
    "ramdisk": (Step("deploy", "deploy", 100),),
    "noop": (Step("deploy", "deploy", 100),),
}
"""The core steps of each deploy interface."""

CLEAN_STEPS = (
    Step("deploy", "erase_devices_metadata", 99, in_band=True),
    Step("deploy", "erase_devices_express", 0, in_band=True),
    Step("deploy", "erase_devices", 0, in_band=True),
)
"""What cleaning can do; the priority is that of automated cleaning, 0 is off."""

INSPECT_BMC = Step("management", "inspect_bmc", 100)
INSPECT = Step("deploy", "inspect", 50, in_band=True)

FIXED_STEPS = {
    "enroll": (Step("management", "verify_bmc", 100),),
    "adopt": (Step("deploy", "adopt", 100),),
    "rescue": (START_RAMDISK, Step("deploy", "rescue", 50, in_band=True)),
    "unrescue": (Step("deploy", "leave_ramdisk", 100), BOOT_INSTANCE),
}
"""The steps of verbs that take none from users."""

CORE_STEPS = frozenset(RESERVED) | {
    step.step
    for group in (*DEPLOY_STEPS.values(), CLEAN_STEPS, *FIXED_STEPS.values(), (INSPECT_BMC, INSPECT, TEAR_DOWN_AGENT))
    for step in group
}
"""Names that no step of users has: after them comes what belongs to the core step of that name."""

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "deploy.erase_devices_metadata": ("disks",),
    "deploy.erase_devices_express": ("disks",),
    "deploy.erase_devices": ("disks", "method"),
    "deploy.wait": ("seconds",),
    "power.power_off": ("soft",),
    "management.set_boot_device": ("device", "mode", "persistent"),
    "boot.insert_media": ("url",),
}
"""Arguments by the key of a step that is no task file; the others have none."""

NEEDED: dict[str, tuple[str, ...]] = {
    "deploy.wait": ("seconds",),
    "management.set_boot_device": ("device", "mode"),
    "boot.insert_media": ("url",),
}
"""Arguments without which a step can't run."""

VARIABLES = {"deploy": "bm_deploy_steps", "clean": "bm_clean_steps", "service": "bm_service_steps"}
"""Where users' steps of each kind of work come from."""


def to_record(steps: t.Iterable[Step]) -> list[dict[str, t.Any]]:
    """Return steps as the store keeps them: of arguments, which may hold secrets, the digest alone."""
    return [
        {
            "step": step.key,
            "priority": step.priority,
            "status": TODO,
            "content": digest_of([step.tasks, step.args]),
            **({"user": True} if step.tasks else {}),
        }
        for step in steps
    ]


def carry_over(steps: t.Iterable[Step], stored: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return ``steps`` for the store, those done that were done before: with the same tasks and arguments."""
    done = {(entry["step"], entry.get("content")): entry for entry in stored if entry["status"] == DONE}
    return [done.get((entry["step"], entry["content"]), entry) for entry in to_record(steps)]
