"""Work is begun, or gone on with: the way to the verb's state, the steps in the record, its files and boot media."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import time

from .. import _state_files as state_files
from .._boot.agent import Connection
from .._boot.registry import boot_interface
from .._calls.request import Request, Result
from .._drivers.base import POWER_ON
from .._errors import BareMetalError, InvalidRequestError
from .._image import config_drive
from .._states import states
from .._states.verbs import VERBS, Verb
from .._store.record import NodeRecord
from . import deployment, out_of_band, plans, requests, reservation, running, steps, waits, work
from .files import Files
from .task import Task

PROVIDE = VERBS["provide"]


def first_verb(verb: Verb, request: Request, record: NodeRecord | None) -> Verb:
    """Return the verb that comes first: before a deployment it may be cleaning, on the way to available."""
    return PROVIDE if deployment.cleans_first(verb, request.node, record) else verb


def begin(request: Request, task: Task, verb: Verb) -> tuple[bool, bool]:
    """Take the node the whole way from the state it is in to the verb's.

    Returns whether anything is to be done, and whether the inventory describes the node anew.

    :raises BareMetalError: see each; a node that was being worked on is in its failed state then.
    """
    wanted, verb = verb, first_verb(verb, request, task.record)
    all_steps = plans.wanted_steps(request, verb)
    plan = plans.plan_for(verb, request.node, task.record)
    described = _describe(request, task)
    if not plan.needed:
        task.record.power_state = request.driver.power.get_power_state()
        return False, described
    changed = running.is_changed(request, task.record)
    _take_machine(request, task, verb, all_steps)
    same = plan.resume and _is_same(plan, task.record) and not changed
    for event in plan.events[:-1]:
        _advance(request, task, event)
    requests.follow(request, may_hold=False)
    if not same:
        _replace(request, task, plan, verb, all_steps)  # saved together with the event that leads to the work
    task.record.driver_internal_info["wanted_verb"] = wanted.name
    for event in plan.events[-1:]:
        _advance(request, task, event)
    _start(request, task, verb, all_steps, same=same)
    return True, described


def _take_machine(request: Request, task: Task, verb: Verb, all_steps: list[steps.Step]) -> None:
    """Have the store know which machine it is, and, with what is saved next, that its runs decide what that runs.

    :raises InvalidRequestError: it runs what nobody knows.
    """
    power = running.check(request, verb, all_steps, task.record)
    if task.record.bmc != request.node.machine:
        reservation.claim(request, task.record)
    if power is not None or verb.kind == "deploy":
        running.take(request, task.record)
    if power == POWER_ON:
        task.note("taken", "a machine that ran, since bm_take_running is true", later=True)


def _describe(request: Request, task: Task) -> bool:
    """Keep what allocations go by, as the inventory has it now; say whether that is new."""
    node, record = request.node, task.record
    if not work.describes_anew(node, record):
        return False
    record.resource_class, record.traits = node.resource_class, list(node.traits)
    task.note("described", f"resource class {node.resource_class or 'none'}, traits {', '.join(node.traits) or 'none'}")
    return True


def _is_same(plan: work.Plan, record: NodeRecord) -> bool:
    return plan.instance_info is None or deployment.is_same(plan.instance_info, record.instance_info)


def _advance(request: Request, task: Task, event: str) -> None:
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


def _replace(request: Request, task: Task, plan: work.Plan, verb: Verb, all_steps: list[steps.Step]) -> None:
    """Replace what the record holds of older work, without saving: a dead run must not leave a mixture."""
    record = task.record
    record.steps = steps.to_record(all_steps)
    ours = record.driver_internal_info.get(running.OURS)
    record.driver_internal_info = {
        "verb": verb.name,
        "deployment": f"{request.node.name}-{int(time.time())}",
        "started_at": time.time(),
        **({running.OURS: ours} if ours else {}),
    }
    if plan.instance_info is not None:
        record.instance_info = plan.instance_info


def _start(request: Request, task: Task, verb: Verb, all_steps: list[steps.Step], *, same: bool) -> None:
    """Write down whether the work is new or gone on with, and make its files."""
    record = task.record
    record.owner_controller = request.owner.partition("@")[2].partition(" ")[0]
    if same:
        record.driver_internal_info["verb"] = verb.name  # a rebuild may go on as a deployment
        record.steps = steps.carry_over(all_steps, record.steps)
        reached = work.current_step(record)
        task.note("resume", f"at {reached['step'] if reached else 'the end'}", later=True)
        _start_instance_again(request, task)
    else:
        name = "deployment" if verb.kind == "deploy" else verb.name
        task.note(name, str(record.driver_internal_info["deployment"]), later=True)
    if verb.kind == "deploy":
        _keep_config_drive(request)
    _ensure_ramdisk(request, task, all_steps)
    work.add_counters(task, request)
    task.note("prepared", "ready for the steps")


def _start_instance_again(request: Request, task: Task) -> None:
    """Have the instance started once more, where the machine has lost its power since a dead run has started it."""
    started = next((entry for entry in task.record.steps if entry["step"] == steps.BOOT_INSTANCE.key), None)
    if started is None or started["status"] != steps.DONE or request.driver.power.get_power_state() == POWER_ON:
        return
    started["status"] = steps.TODO
    task.note("resume", "the machine is off: its instance is started again", later=True)


def _keep_config_drive(request: Request) -> None:
    files = Files(request.node)
    try:
        content = config_drive.build(request.node)
        if content is None:
            files.config_drive.unlink(missing_ok=True)
        else:
            state_files.write(files.config_drive, base64.b64encode(content))
    except (BareMetalError, OSError) as exc:
        kind = type(exc) if isinstance(exc, BareMetalError) else InvalidRequestError
        raise kind(
            f"Failed to store the config drive. Error: {exc}",
            node=request.node.name,
            hint=getattr(exc, "hint", "Check bm_state_dir."),
            retryable=getattr(exc, "retryable", None),
        ) from exc


def _ensure_ramdisk(request: Request, task: Task, all_steps: list[steps.Step]) -> None:
    """Make boot media, unless the ramdisk is up from before and answers to our key, or isn't needed any more."""
    waiting = waits.current(task.record)
    if waiting and waiting["for"] != "power_off":  # the ramdisk is asked anew, a job is found again by its module
        waits.forget(task.record)
    in_band = {step.key for step in all_steps if step.in_band}
    entries = task.record.steps
    todo = {entry["step"] for entry in entries if entry["step"] in in_band and entry["status"] != steps.DONE}
    if not todo:
        return
    boot = next(entry for entry in entries if entry["step"] in out_of_band.RAMDISK_STARTS)
    if boot["status"] == steps.DONE:
        if waits.current(task.record):
            return  # it is on its way down, and nothing else was left to be done in it
        answers, seen = work.agent_answers(request)
        if answers:
            return
        if todo == {steps.TEAR_DOWN_AGENT.key}:
            task.record.driver_internal_info["ramdisk_up"] = False
            task.note("resume", f"the ramdisk is gone ({seen}), and nothing was left to be done in it", later=True)
            return
        boot["status"] = steps.TODO
        task.note("resume", f"the ramdisk is gone ({seen}) and is started again")
    files = Files(request.node)
    if files.publication.is_torn:
        task.note(
            "media", "media.json was not whole: what it told of is not known, and media are made anew", later=True
        )
    try:
        boot_interface(request.node, request.driver).prepare(
            files.publication, files.folder, str(task.record.driver_internal_info["deployment"])
        )
    except OSError as exc:
        raise InvalidRequestError(
            f"The boot media can't be made: {exc}.", node=request.node.name, hint="Check bm_state_dir and bm_ramdisk."
        ) from exc
    task.note("media", "boot media made")


def in_band_steps(request: Request, task: Task) -> list[Result]:
    """Return the steps that are still to be run in the ramdisk."""
    todo = {entry["step"] for entry in task.record.steps if entry["status"] != steps.DONE}
    return [
        {"step": step.key, "name": step.step, "tasks": step.tasks, "priority": step.priority}
        for step in plans.wanted_steps(request, work.verb_of(task))
        if step.in_band and step.key in todo
    ]


def connection_of(request: Request, task: Task) -> Result | None:
    """Return how to reach the ramdisk of this work; None where there is none, or it is this machine itself."""
    starts = any(entry["step"] in out_of_band.RAMDISK_STARTS for entry in task.record.steps)
    if request.driver.agent is not None or not starts or not in_band_steps(request, task):
        return None
    return Connection.of(request.node, Files(request.node).folder).to_result()


def image_of(request: Request, task: Task) -> Result | None:
    """Return what is to be written, as bm_write_image takes it."""
    image = request.node.image
    if image is None or work.verb_of(task).kind != "deploy":
        return None
    return {
        "url": image.url,
        "checksum": task.record.instance_info["image_checksum"],
        "format": image.format,
        "compression": image.real_compression,
        "ca_path": image.ca_path,
        "validate_certs": image.validate_certs,
        "other_copies": image.other_copies,
    }


def config_drive_of(request: Request, task: Task) -> str | None:
    """Return the file on the controller that has the config drive, None where there is none."""
    if not request.node.config_drive or work.verb_of(task).kind != "deploy":
        return None
    return str(Files(request.node).config_drive)
