"""bm_deploy: run the steps of the work that goes on, up to the next one that Ansible has to run in the ramdisk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC, WORK_SPEC
from .._drivers import steps as driver_steps
from .._errors import InvalidRequestError, InvalidStateError
from .._image import root_device
from .._states import verbs
from .._work import out_of_band, plans, steps, work
from .._work import task as tasks

ARGUMENT_SPEC = {
    **NODE_SPEC,
    **WORK_SPEC,
    "completed_step": {"type": "str"},
    "step_result": {"type": "dict", "default": {}},
}


def run(request: Request) -> Result:
    """Go on with the work that bm_prepare has started.

    ``completed_step`` says which in-band step has just been done, ``step_result`` what it found. Returns
    ``next_step``, the in-band step that is to be run now, or None at the end, and ``held`` after a step hold.

    :raises InvalidStateError: no work of this verb was started.
    :raises AbortedError: somebody has asked for it.
    :raises BareMetalError: a step failed; the node is in the verb's failed state then.
    """
    if request.check_mode:
        return {**state_of(request.store.get(request.node.name)), "changed": True, "next_step": None, "held": False}
    verb = verbs.VERBS[request.params["verb"]]
    with work.hold(request, verb.name) as task:
        if verb.paths.get(task.record.provision_state) != () or work.verb_of(task) is not verb:
            raise InvalidStateError(
                f"Node {request.node.name} is '{task.record.provision_state}', where no '{verb.name}' goes on.",
                node=request.node.name,
                hint="Run bm_prepare first.",
            )
        completed = request.params.get("completed_step")
        if completed:
            _complete(request, task, completed)
        next_step, held = _run_until_in_band(request, task)
        if held:
            work.add_counters(task, request)
            task.process_event("hold", message="bm_state with unhold lets it go on")
            request.report("held: unhold.yml and then this playbook again let it go on")
        elif next_step is None:
            _finish(request, task, verb)
        else:
            work.add_counters(task, request)
            task.note("progress", f"{next_step['step']} runs in the ramdisk")
        return tasks.task_result(
            task,
            changed=True,
            next_step=next_step,
            held=held,
            root_device=_root_device(task),
            work=work.totals(task.record),
        )


def _complete(request: Request, task: tasks.Task, key: str) -> None:
    """Mark an in-band step done, after what belongs to it out of band."""
    entry = work.current_step(task.record)
    if entry is None or entry["step"] != key:
        raise InvalidRequestError(
            f"The step '{key}' is not the current one; that is '{entry and entry['step']}'.",
            node=request.node.name,
            hint="Run the role anew.",
        )
    if key in out_of_band.AFTER_IN_BAND:
        out_of_band.AFTER_IN_BAND[key](request, task)
    work.mark(task, entry, steps.DONE)


def _run_until_in_band(request: Request, task: tasks.Task) -> tuple[dict[str, t.Any] | None, bool]:
    """Return the in-band step that comes next, None at the end; and whether the work is held."""
    by_key = {step.key: step for step in plans.wanted_steps(request, work.verb_of(task))}
    while True:
        task.renew()
        work.check_abort(request)
        if _is_hold_requested(request):
            return None, True
        entry = work.current_step(task.record)
        if entry is None:
            return None, False
        step = by_key.get(entry["step"])
        if step is None:
            raise InvalidRequestError(
                f"The step '{entry['step']}' is not among those asked for any more.",
                node=request.node.name,
                hint="Run the same playbook with the same steps, or abort.",
            )
        if step.key == steps.TEAR_DOWN_AGENT.key and not out_of_band.is_ramdisk_up(task):
            _complete(request, task, step.key)  # a step has ended the ramdisk before
            continue
        if step.in_band:
            out_of_band.ensure_ramdisk_is_up(request, task)
        work.mark(task, entry, steps.RUNNING)
        if step.in_band:
            return {"step": step.key, "name": step.step, "tasks": step.tasks}, False
        held = _run_step(request, task, step)
        work.mark(task, entry, steps.DONE)
        if held:
            return None, True


def _run_step(request: Request, task: tasks.Task, step: steps.Step) -> bool:
    """Run a step over the BMC, or in this run; return whether the work is held now."""
    if (step.interface, step.step) == steps.RESERVED["hold"]:
        return True
    if step.key in out_of_band.OUT_OF_BAND:
        out_of_band.OUT_OF_BAND[step.key](request, task)
    elif (step.interface, step.step) == steps.RESERVED["wait"]:
        out_of_band.wait(request, task, step.args)
    elif step.interface == "power" and out_of_band.is_ramdisk_up(task):
        out_of_band.power_with_ramdisk(request, task, step.step)
    else:
        _run_driver_step(request, step)
    return False


def _run_driver_step(request: Request, step: steps.Step) -> None:
    try:
        driver_steps.STEPS[step.interface, step.step](request.driver, step.args)
    except TypeError as exc:
        raise InvalidRequestError(
            f"The step '{step.key}' does not take these args: {exc}.",
            node=request.node.name,
            hint="Correct its args.",
        ) from exc


def _is_hold_requested(request: Request) -> bool:
    """Say whether somebody has asked the run to hold; the request is answered then."""
    record = request.store.get(request.node.name)
    if record is None or record.requested != "hold":
        return False
    request.store.request(record.name, None, None)
    return True


def _finish(request: Request, task: tasks.Task, verb: verbs.Verb) -> None:
    files = work.Files(request.node)
    files.publication.remove()
    files.remove_keys()
    if request.node.deploy_interface == "noop" and verb.kind == "deploy":
        task.record.power_state = request.driver.power.get_power_state()
    work.add_counters(task, request)
    info = task.record.driver_internal_info
    info.pop("ramdisk_booted", None)
    info["seconds"] = round(time.time() - info.get("started_at", time.time()), 1)
    task.process_event(work.end_event(verb, task.record))


def _root_device(task: tasks.Task) -> str | None:
    """Return the path of the disk that was chosen, None before that."""
    disk = task.record.instance_info.get("disk") if work.verb_of(task).kind == "deploy" else None
    return root_device.path_of(disk) if disk else None
