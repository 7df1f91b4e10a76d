"""Deploy steps: which there are, in which order, and which are done.

Priorities and slots are Ironic's (admin guide, "Node Deployment"): above 100 before the ramdisk, 81-99 in
it before the write, 61-79 after the write, 41-59 after the boot loader, 21-39 after the ramdisk, 1-19 with
the instance running.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from ._drivers.base import STEPS as DRIVER_STEPS
from ._errors import InvalidRequestError
from ._node import Node

DONE = "done"
RUNNING = "running"
TODO = "todo"

_INTERFACE_RANK = ("power", "management", "boot", "deploy")
_IN_BAND_SLOTS = range(41, 100)


@dataclasses.dataclass(frozen=True)
class Step:
    """One step. ``in_band``: it runs in the ramdisk, as a task file; else in the run, over the BMC."""

    interface: str
    step: str
    priority: int
    in_band: bool = False
    tasks: str | None = None
    args: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> str:
        """How the step is called in the store and in results."""
        return f"{self.interface}.{self.step}"


CORE_STEPS = {
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
"""The steps of each deploy interface."""


def deploy_steps(node: Node) -> list[Step]:
    """Return all steps of a deployment in the order in which they run.

    :raises InvalidRequestError: a user's step does not exist, or is in a slot where it can't run.
    """
    core = CORE_STEPS[node.deploy_interface]
    steps = [*core, *(_user_step(node, entry) for entry in node.deploy_steps if entry["priority"] > 0)]
    keys = [step.key for step in steps]
    for key in keys:
        if keys.count(key) > 1:
            raise InvalidRequestError(
                f"The deploy step '{key}' is there twice.",
                node=node.name,
                hint="Give each step in bm_deploy_steps its own name.",
            )
    return sorted(steps, key=lambda step: (-step.priority, _INTERFACE_RANK.index(step.interface), step.step))


def _user_step(node: Node, entry: t.Mapping[str, t.Any]) -> Step:
    name, interface, priority = entry["step"], entry.get("interface", "deploy"), entry["priority"]
    args = dict(entry.get("args") or {})
    if not entry.get("tasks"):
        if (interface, name) not in DRIVER_STEPS:
            raise InvalidRequestError(
                f"The step '{interface}.{name}' in bm_deploy_steps does not exist.",
                node=node.name,
                hint=f"Name an Ansible file in 'tasks', or one of: {', '.join('.'.join(key) for key in DRIVER_STEPS)}.",
            )
        return Step(interface, name, priority, args=args)
    if node.deploy_interface != "direct" or priority not in _IN_BAND_SLOTS:
        raise InvalidRequestError(
            f"The step '{name}' in bm_deploy_steps runs in the ramdisk, which is not there at priority {priority}"
            f" of the deploy interface '{node.deploy_interface}'.",
            node=node.name,
            hint="Choose a priority from 99 to 41 and bm_deploy_interface: direct.",
        )
    return Step(interface, name, priority, in_band=True, tasks=entry["tasks"], args=args)


def to_record(steps: t.Iterable[Step]) -> list[dict[str, t.Any]]:
    """Return steps as the store keeps them: without arguments, which may hold secrets."""
    return [{"step": step.key, "priority": step.priority, "status": TODO} for step in steps]


def carry_over(steps: t.Iterable[Step], stored: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return ``steps`` for the store, those done that were done before."""
    done = {entry["step"]: entry for entry in stored if entry["status"] == DONE}
    return [done.get(entry["step"], entry) for entry in to_record(steps)]
