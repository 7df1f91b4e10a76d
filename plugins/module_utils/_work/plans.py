"""What a verb does now: its way through the states and its steps; in check mode all of it is told in advance."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

from .._boot.registry import bmc_calls
from .._calls.request import Request, Result, state_of
from .._contract.node import Node
from .._states import states
from .._states.machine import advance
from .._states.verbs import VERBS, Verb
from .._store.record import NodeRecord
from . import deployment, reservation, running, step_lists, work
from . import task as tasks
from .steps import Step


def wanted_steps(request: Request, verb: Verb) -> list[Step]:
    """Return the steps that the options ask for; see step_lists.steps_of."""
    params = request.params
    return step_lists.steps_of(verb, request.node, wanted=params["steps"], in_band=params["in_band"])


def plan_for(verb: Verb, node: Node, record: NodeRecord | None) -> work.Plan:
    """Return what the verb does now; see work.make_plan and deployment.make_plan.

    An adopted machine counts as the instance that the inventory describes.
    """
    if verb.kind == "deploy":
        return deployment.make_plan(verb, node, record)
    plan = work.make_plan(verb, node, record)
    if verb.name == "adopt" and plan.needed:
        return dataclasses.replace(plan, instance_info=deployment.wanted_instance(node))
    return plan


def predict(request: Request, verb: Verb) -> Result:
    """Return what would be done, having asked but changed nothing: the plan of check mode and diff."""
    node = request.node
    record = request.store.get(node.name)
    if record is not None:
        tasks.check_maintenance(record)
        reservation.check_lock(record, request.owner)
    first = VERBS["provide"] if deployment.cleans_first(verb, node, record) else verb
    before, told, end = state_of(record), _Told(), record
    if first is not verb:
        told.add(request, first, work.make_plan(first, node, record), record)
        end = dataclasses.replace(record or NodeRecord(node.name, node.driver), provision_state=states.AVAILABLE)
    plan = plan_for(verb, node, end)
    told.add(request, verb, plan, end)
    described = work.describes_anew(node, record)
    if not told.transitions:
        return {**before, "changed": described, "needed": False, "in_band_steps": []}
    running.check(request, first, wanted_steps(request, first), record)
    recorded = record.instance_info if record else {}
    return {
        **before,
        "changed": True,
        "needed": True,
        "in_band_steps": [],
        "plan": {
            "transitions": told.transitions,
            "steps": told.steps,
            "bmc_calls": bmc_calls(node) if verb.kind == "deploy" else [],
            "image": plan.instance_info,
            "root_device": dict(node.root_device),
        },
        "diff": {
            "before": {"provision_state": before["provision_state"], "instance": recorded},
            "after": {
                "provision_state": told.transitions[-1].rpartition(" -> ")[2],
                "instance": recorded if plan.instance_info is None else plan.instance_info,
                "steps": told.steps,
            },
        },
    }


@dataclasses.dataclass
class _Told:
    """What one verb after another would do."""

    transitions: list[str] = dataclasses.field(default_factory=list)
    steps: list[str] = dataclasses.field(default_factory=list)

    def add(self, request: Request, verb: Verb, plan: work.Plan, record: NodeRecord | None) -> None:
        """Tell a verb's way and steps, where anything is to be done."""
        if not plan.needed:
            return
        wanted = wanted_steps(request, verb)
        state = work.state_now(record)
        ramdisk = ("wait", "resume") if any(step.in_band for step in wanted) else ()
        end = work.end_event(verb, record) if record else verb.end
        for event in (*plan.events, *ramdisk, end):
            transition = advance(state, event, node=request.node.name)
            self.transitions.append(f"{state} -> {transition.to}")
            state = transition.to
        self.steps += [step.key for step in wanted]
