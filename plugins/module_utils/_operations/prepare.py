"""bm_prepare: bring a node to ``deploying`` and make what its deployment needs."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import time
import typing as t

from .. import _config_drive as config_drive
from .. import _deployment as deployment
from .. import _states as states
from .. import _steps as steps
from .. import _task as tasks
from .._agent import Connection, write_secret
from .._argspec import NODE_SPEC
from .._boot.registry import bmc_calls, boot_interface
from .._errors import BareMetalError, InvalidRequestError
from .._machine import advance
from .._request import Request, Result, state_of, task_result

ARGUMENT_SPEC = NODE_SPEC


def run(request: Request) -> Result:
    """Take the node the whole way from the state it is in to ``deploying``, or find that nothing is to be done.

    Returns ``needed``; where it is true also ``in_band_steps``, ``connection``, ``image`` and ``config_drive``.

    :raises BareMetalError: see each; a node that was deploying is ``deploy failed`` then.
    """
    if request.check_mode:
        return _predict(request)
    with deployment.hold(request) as task:
        plan = deployment.make_plan(request.node, task.record)
        if not plan.needed:
            task.record.power_state = request.driver.power.get_power_state()
            return task_result(task, changed=False, needed=False, in_band_steps=[])
        all_steps = steps.deploy_steps(request.node)
        same = plan.resume and deployment.is_same(plan.instance_info, task.record.instance_info)
        for event in plan.events[:-1]:
            _advance(request, task, event)
        if not same:
            _begin(request, task, plan, all_steps)  # saved together with the event that leads to deploying
        for event in plan.events[-1:]:
            _advance(request, task, event)
        _start(request, task, all_steps, same=same)
        return task_result(task, changed=True, needed=True, **_what_next(request, task, all_steps, plan))


def _advance(request: Request, task: tasks.Task, event: str) -> None:
    """Process one event of the way to deploying, doing the work of the state that it ends."""
    if task.record.provision_state == states.VERIFYING:
        task.record.power_state = request.driver.power.get_power_state()
    if task.record.provision_state == states.CLEANING and request.node.automated_clean:
        raise InvalidRequestError(
            "Automated cleaning does not exist yet.", node=request.node.name, hint="Set bm_automated_clean: false."
        )
    task.process_event(event)


def _begin(request: Request, task: tasks.Task, plan: deployment.Plan, all_steps: list[steps.Step]) -> None:
    """Replace what the record holds of an older deployment, without saving: a dead run must not leave a mixture."""
    record = task.record
    record.steps = steps.to_record(all_steps)
    record.driver_internal_info = {
        "deployment": f"{request.node.name}-{int(time.time())}",
        "started_at": time.time(),
    }
    record.instance_info = plan.instance_info


def _start(request: Request, task: tasks.Task, all_steps: list[steps.Step], *, same: bool) -> None:
    """Write down whether the deployment is new or gone on with, and make its files."""
    record = task.record
    record.owner_controller = request.owner.partition("@")[2].partition(" ")[0]
    if same:
        record.steps = steps.carry_over(all_steps, record.steps)
        reached = deployment.current_step(record)
        task.note("resume", f"at {reached['step'] if reached else 'the end'}")
    else:
        task.note("deployment", str(record.driver_internal_info["deployment"]))
    _keep_config_drive(request)
    _ensure_ramdisk(request, task, all_steps)
    deployment.add_counters(task, request)
    task.note("prepared", "ready for the steps")


def _keep_config_drive(request: Request) -> None:
    files = deployment.Files(request.node)
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
    boot = next(entry for entry in entries if entry["step"] == "deploy.deploy")
    if boot["status"] == steps.DONE:
        answers, seen = deployment.agent_answers(request)
        if answers:
            return
        boot["status"] = steps.TODO
        task.note("resume", f"the ramdisk is gone ({seen}) and is started again")
    files = deployment.Files(request.node)
    boot_interface(request.node, request.driver).prepare(
        files.publication, files.folder, str(task.record.driver_internal_info["deployment"])
    )
    task.note("media", "boot media made")


def _what_next(request: Request, task: tasks.Task, all_steps: list[steps.Step], plan: deployment.Plan) -> Result:
    node, files = request.node, deployment.Files(request.node)
    todo = {entry["step"] for entry in task.record.steps if entry["status"] != steps.DONE}
    in_band = [step for step in all_steps if step.in_band and step.key in todo]
    image = node.image
    return {
        "in_band_steps": [
            {"step": step.key, "name": step.step, "tasks": step.tasks, "priority": step.priority} for step in in_band
        ],
        "connection": Connection.of(node, files.folder).to_result()
        if in_band and request.driver.agent is None
        else None,
        "config_drive": str(files.config_drive) if node.config_drive else None,
        "image": image
        and {
            "url": image.url,
            "checksum": plan.instance_info["image_checksum"],
            "format": image.format,
            "compression": image.real_compression,
            "ca_path": image.ca_path,
            "validate_certs": image.validate_certs,
        },
    }


def _predict(request: Request) -> Result:
    """Return what would be done, having asked but changed nothing: the plan of check mode and diff."""
    node = request.node
    record = request.store.get(node.name)
    if record is not None:
        tasks.check_maintenance(record)
        tasks.check_lock(record, request.owner)
    plan = deployment.make_plan(node, record)
    state = record.provision_state if record else states.INITIAL_STATE
    before = state_of(record)
    if not plan.needed:
        return {**before, "needed": False, "in_band_steps": []}
    transitions: list[str] = []
    for event in (
        (*plan.events, "wait", "resume", "done") if node.deploy_interface == "direct" else (*plan.events, "done")
    ):
        transition = advance(state, event, node=node.name)
        transitions.append(f"{state} -> {transition.to}")
        state = transition.to
    plan_text: dict[str, t.Any] = {
        "transitions": transitions,
        "steps": [step.key for step in steps.deploy_steps(node)],
        "bmc_calls": bmc_calls(node),
        "image": plan.instance_info,
        "root_device": dict(node.root_device),
    }
    recorded = record.instance_info if record else {}
    return {
        **before,
        "changed": True,
        "needed": True,
        "in_band_steps": [],
        "plan": plan_text,
        "diff": {
            "before": {"provision_state": before["provision_state"], "instance": recorded},
            "after": {"provision_state": states.ACTIVE, "instance": plan.instance_info},
        },
    }
