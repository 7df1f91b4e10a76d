"""bm_prepare: bring a node to a verb's working state and make what its work needs."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import time

from .._boot.agent import Connection, write_secret
from .._boot.registry import boot_interface
from .._calls.request import Request, Result
from .._contract.argspec import NODE_SPEC, WORK_SPEC
from .._errors import BareMetalError, InvalidRequestError
from .._image import config_drive
from .._states import states
from .._states.verbs import VERBS
from .._store.record import NodeRecord
from .._work import deployment, out_of_band, plans, steps, work
from .._work import task as tasks

ARGUMENT_SPEC = {**NODE_SPEC, **WORK_SPEC}


def run(request: Request) -> Result:
    """Take the node the whole way from the state it is in to the verb's, or find that nothing is to be done.

    Returns ``needed``; where it is true also ``in_band_steps``, ``connection``, ``image`` and ``config_drive``.

    :raises BareMetalError: see each; a node that was being worked on is in its failed state then.
    """
    verb = VERBS[request.params["verb"]]
    if request.check_mode:
        return plans.predict(request, verb)
    # What is wrong with the request itself is said before the store knows of the node.
    all_steps = plans.wanted_steps(request, verb)
    with work.hold(request, verb.name) as task:
        request.store.request(request.node.name, None, None)  # an older one was meant for another run
        plan = plans.plan_for(verb, request.node, task.record)
        described = _describe(request, task)
        if not plan.needed:
            task.record.power_state = request.driver.power.get_power_state()
            return tasks.task_result(task, changed=described, needed=False, in_band_steps=[])
        same = plan.resume and _is_same(plan, task.record)
        for event in plan.events[:-1]:
            _advance(request, task, event)
        work.check_abort(request)
        if not same:
            _begin(request, task, plan, all_steps)  # saved together with the event that leads to the work
        for event in plan.events[-1:]:
            _advance(request, task, event)
        _start(request, task, all_steps, same=same)
        return tasks.task_result(task, changed=True, needed=True, **_what_next(request, task, all_steps, plan))


def _describe(request: Request, task: tasks.Task) -> bool:
    """Keep what allocations go by, as the inventory has it now; say whether that is new."""
    node, record = request.node, task.record
    if not work.describes_anew(node, record):
        return False
    record.resource_class, record.traits = node.resource_class, list(node.traits)
    task.note("described", f"resource class {node.resource_class or 'none'}, traits {', '.join(node.traits) or 'none'}")
    return True


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
    record, verb = task.record, VERBS[request.params["verb"]]
    record.owner_controller = request.owner.partition("@")[2].partition(" ")[0]
    if same:
        record.driver_internal_info["verb"] = verb.name  # a rebuild may go on as a deployment
        record.steps = steps.carry_over(all_steps, record.steps)
        reached = work.current_step(record)
        task.note("resume", f"at {reached['step'] if reached else 'the end'}")
    else:
        name = "deployment" if verb.kind == "deploy" else verb.name
        task.note(name, str(record.driver_internal_info["deployment"]))
    if verb.kind == "deploy":
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
    try:
        boot_interface(request.node, request.driver).prepare(
            files.publication, files.folder, str(task.record.driver_internal_info["deployment"])
        )
    except OSError as exc:
        raise InvalidRequestError(
            f"The boot media can't be made: {exc}.", node=request.node.name, hint="Check bm_state_dir and bm_ramdisk."
        ) from exc
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
