"""bm_prepare: bring a node to a verb's working state and make what its work needs."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import time
import typing as t

from .. import _config_drive as config_drive
from .. import _deployment as deployment
from .. import _out_of_band as out_of_band
from .. import _states as states
from .. import _steps as steps
from .. import _task as tasks
from .. import _work as work
from .._agent import Connection, write_secret
from .._argspec import NODE_SPEC, WORK_SPEC
from .._boot.registry import bmc_calls, boot_interface
from .._errors import BareMetalError, InvalidRequestError
from .._machine import advance
from .._record import NodeRecord
from .._request import Request, Result, state_of, task_result
from .._verbs import VERBS, Verb

ARGUMENT_SPEC = {**NODE_SPEC, **WORK_SPEC}


def run(request: Request) -> Result:
    """Take the node the whole way from the state it is in to the verb's, or find that nothing is to be done.

    Returns ``needed``; where it is true also ``in_band_steps``, ``connection``, ``image`` and ``config_drive``.

    :raises BareMetalError: see each; a node that was being worked on is in its failed state then.
    """
    verb = VERBS[request.params["verb"]]
    if request.check_mode:
        return _predict(request, verb)
    # What is wrong with the request itself is said before the store knows of the node.
    wanted_steps(request)
    with work.hold(request, verb.name) as task:
        plan = plan_for(request, verb, task.record)
        task.record.resource_class, task.record.traits = request.node.resource_class, list(request.node.traits)
        if not plan.needed:
            task.record.power_state = request.driver.power.get_power_state()
            return task_result(task, changed=False, needed=False, in_band_steps=[])
        all_steps = wanted_steps(request)
        same = plan.resume and _is_same(plan, task.record)
        for event in plan.events[:-1]:
            _advance(request, task, event)
        if not same:
            _begin(request, task, plan, all_steps)  # saved together with the event that leads to the work
        for event in plan.events[-1:]:
            _advance(request, task, event)
        _start(request, task, all_steps, same=same)
        return task_result(task, changed=True, needed=True, **_what_next(request, task, all_steps, plan))


def wanted_steps(request: Request) -> list[steps.Step]:
    """Return the steps that the options ask for; see _steps.steps_of."""
    params = request.params
    return steps.steps_of(params["verb"], request.node, wanted=params["steps"], in_band=params["in_band"])


def plan_for(request: Request, verb: Verb, record: NodeRecord | None) -> work.Plan:
    """Return what the verb does now; see _work.make_plan and _deployment.make_plan."""
    if verb.kind == "deploy":
        return deployment.make_plan(request.node, record)
    return work.make_plan(verb, request.node, record)


def _is_same(plan: work.Plan, record: NodeRecord) -> bool:
    return plan.instance_info is None or deployment.is_same(plan.instance_info, record.instance_info)


def _advance(request: Request, task: tasks.Task, event: str) -> None:
    """Process one event of the way to the work, doing first what the state that it ends stands for.

    :raises InvalidRequestError: a deployment would pass by the automated cleaning.
    """
    if task.record.provision_state == states.CLEANING and request.node.automated_clean:
        raise InvalidRequestError(
            "The node has to be cleaned before it is deployed.",
            node=request.node.name,
            hint="Run the verb 'provide' first, as the role does, or set bm_automated_clean: false.",
        )
    if task.record.provision_state in out_of_band.LEAVING:
        out_of_band.LEAVING[task.record.provision_state](request, task)
    task.process_event(event)


def _begin(request: Request, task: tasks.Task, plan: work.Plan, all_steps: list[steps.Step]) -> None:
    """Replace what the record holds of older work, without saving: a dead run must not leave a mixture."""
    record = task.record
    record.steps = steps.to_record(all_steps)
    record.driver_internal_info = {
        "verb": request.params["verb"],
        "deployment": f"{request.node.name}-{int(time.time())}",
        "started_at": time.time(),
    }
    if plan.instance_info is not None:
        record.instance_info = plan.instance_info


def _start(request: Request, task: tasks.Task, all_steps: list[steps.Step], *, same: bool) -> None:
    """Write down whether the work is new or gone on with, and make its files."""
    record, verb = task.record, request.params["verb"]
    record.owner_controller = request.owner.partition("@")[2].partition(" ")[0]
    request.store.request(record.name, None, None)  # an older one was meant for another run
    if same:
        record.steps = steps.carry_over(all_steps, record.steps)
        reached = work.current_step(record)
        task.note("resume", f"at {reached['step'] if reached else 'the end'}")
    else:
        name = "deployment" if verb == "deploy" else verb
        task.note(name, str(record.driver_internal_info["deployment"]))
    if verb == "deploy":
        _keep_config_drive(request)
    _ensure_ramdisk(request, task, all_steps)
    work.add_counters(task, request)
    task.note("prepared", "ready for the steps")


def _keep_config_drive(request: Request) -> None:
    files = work.Files(request.node)
    try:
        content = config_drive.build(request.node)
        if content is None:
            files.config_drive.unlink(missing_ok=True)
        else:
            write_secret(files.config_drive, base64.b64encode(content).decode())
    except (BareMetalError, OSError) as exc:
        message = f"Failed to store the config drive. Error: {exc}"
        raise InvalidRequestError(
            message, node=request.node.name, hint=getattr(exc, "hint", "Check bm_state_dir.")
        ) from exc


def _ensure_ramdisk(request: Request, task: tasks.Task, all_steps: list[steps.Step]) -> None:
    """Make boot media, unless the ramdisk is up from before and answers to our key, or isn't needed any more."""
    in_band = {step.key for step in all_steps if step.in_band}
    entries = task.record.steps
    if not any(entry["step"] in in_band and entry["status"] != steps.DONE for entry in entries):
        return
    boot = next(entry for entry in entries if entry["step"] in out_of_band.RAMDISK_STARTS)
    if boot["status"] == steps.DONE:
        answers, seen = work.agent_answers(request)
        if answers:
            return
        boot["status"] = steps.TODO
        task.note("resume", f"the ramdisk is gone ({seen}) and is started again")
    files = work.Files(request.node)
    boot_interface(request.node, request.driver).prepare(
        files.publication, files.folder, str(task.record.driver_internal_info["deployment"])
    )
    task.note("media", "boot media made")


def _what_next(request: Request, task: tasks.Task, all_steps: list[steps.Step], plan: work.Plan) -> Result:
    node, files = request.node, work.Files(request.node)
    todo = {entry["step"] for entry in task.record.steps if entry["status"] != steps.DONE}
    in_band = [step for step in all_steps if step.in_band and step.key in todo]
    image = node.image if plan.instance_info else None
    return {
        "in_band_steps": [
            {"step": step.key, "name": step.step, "tasks": step.tasks, "priority": step.priority} for step in in_band
        ],
        "connection": Connection.of(node, files.folder).to_result()
        if in_band and request.driver.agent is None
        else None,
        "config_drive": str(files.config_drive) if node.config_drive and plan.instance_info else None,
        "image": image
        and {
            "url": image.url,
            "checksum": (plan.instance_info or {})["image_checksum"],
            "format": image.format,
            "compression": image.real_compression,
            "ca_path": image.ca_path,
            "validate_certs": image.validate_certs,
        },
    }


def _predict(request: Request, verb: Verb) -> Result:
    """Return what would be done, having asked but changed nothing: the plan of check mode and diff."""
    node = request.node
    record = request.store.get(node.name)
    if record is not None:
        tasks.check_maintenance(record)
        tasks.check_lock(record, request.owner)
    plan, all_steps = plan_for(request, verb, record), wanted_steps(request)
    before = state_of(record)
    if not plan.needed:
        return {**before, "needed": False, "in_band_steps": []}
    state, transitions = work.state_now(record), []
    ramdisk = any(step.in_band for step in all_steps)
    end = work.end_event(verb, record) if record else verb.end
    for event in (*plan.events, *(("wait", "resume") if ramdisk else ()), end):
        transition = advance(state, event, node=node.name)
        transitions.append(f"{state} -> {transition.to}")
        state = transition.to
    plan_text: dict[str, t.Any] = {
        "transitions": transitions,
        "steps": [step.key for step in all_steps],
        "bmc_calls": bmc_calls(node) if verb.kind == "deploy" else [],
        "image": plan.instance_info,
        "root_device": dict(node.root_device),
    }
    recorded = record.instance_info if record else {}
    after = recorded if plan.instance_info is None else plan.instance_info
    return {
        **before,
        "changed": True,
        "needed": True,
        "in_band_steps": [],
        "plan": plan_text,
        "diff": {
            "before": {"provision_state": before["provision_state"], "instance": recorded},
            "after": {"provision_state": state, "instance": after},
        },
    }
