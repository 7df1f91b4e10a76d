"""bm_deploy: run the steps of the work that goes on, up to where it would wait, needs the ramdisk, or ends."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC, WORK_SPEC
from .._errors import BareMetalError, CallBackTimeoutError, InvalidRequestError, InvalidStateError
from .._image import root_device
from .._states import verbs
from .._work import console, out_of_band, plans, preparation, requests, steps, waits, work
from .._work import task as tasks
from .._work.files import Files

ARGUMENT_SPEC = {
    **NODE_SPEC,
    **WORK_SPEC,
    "waited": {"type": "dict", "default": {}},
    "completed_step": {"type": "str"},
    "step_result": {"type": "dict", "default": {}},
    "job": {"type": "dict"},
    "ramdisk_steps": {"type": "bool", "default": True},
    "instance": {"type": "dict"},
    "instance_timeout": {"type": "float", "default": 0},
    "follow": {"type": "bool", "default": False},
    "lldp_timeout": {"type": "float", "default": 0},
    "rescue_ssh_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "rescue_password": {"type": "str", "default": "", "no_log": True},
    "report_dir": {"type": "str", "default": ""},
    "report_operator": {"type": "str", "default": ""},
}

GOES_ON = {"next_step": None, "wait": None, "held": False, "goes_on": False}
"""What a result has where nothing of it applies."""


def run(request: Request) -> Result:
    """Go on with the work that bm_prepare has started.

    ``waited`` is what bm_wait has seen; ``completed_step`` says which in-band step has just been done, ``step_result``
    what it found, or ``job`` what it has started. Returns ``wait``, what is to be waited for; or ``next_step``, the
    in-band step that is to be run now; or None for both at the end, and ``held`` after a step hold.

    Of a node that has what the verb leads to, nothing is left to be done.

    :raises InvalidStateError: no work of this verb was started.
    :raises AbortedError: somebody has asked for it.
    :raises BareMetalError: a step failed; the node is in the verb's failed state then.
    """
    if request.check_mode:
        record = request.store.get(request.node.name)
        return {**state_of(record), "changed": record is not None and work.is_begun(record), **GOES_ON}
    verb = verbs.VERBS[request.params["verb"]]
    if request.params["waited"].get("what") == "instance":
        return _judge_instance(request)
    with work.hold(request, verb.name, begins=False) as task:
        if work.is_reached(verb, task.record):
            return tasks.task_result(task, changed=False, **GOES_ON, connection=None, work=work.totals(task.record))
        if not work.is_begun(task.record) or verb not in (work.verb_of(task), work.wanted_verb(task)):
            raise InvalidStateError(
                f"Node {request.node.name} is '{task.record.provision_state}', where no '{verb.name}' goes on.",
                node=request.node.name,
                hint="Run bm_prepare first. Where it was run, the store has been lost or replaced since.",
            )
        goes_on = {**GOES_ON, **_go_on(request, task)}
        request.driver.goes_on = not work.is_reached(verb, task.record) and not goes_on["held"]
        work.add_counters(task, request)  # saved with what follows
        if goes_on["held"]:
            task.process_event("hold", message="bm_state with unhold lets it go on")
            request.report("held: unhold.yml and then this playbook again let it go on")
        elif goes_on["next_step"]:
            task.note("progress", f"{goes_on['next_step']['step']} runs in the ramdisk")
        return tasks.task_result(
            task,
            changed=True,
            **{**goes_on, "goes_on": bool(goes_on["wait"] or goes_on["next_step"])},
            **_chosen_disk(task),
            connection=preparation.connection_of(request, task),
            work=work.totals(task.record),
        )


def _judge_instance(request: Request) -> Result:
    """Say whether the deployed system answers; the node itself is done, and nobody's any more.

    :raises CallBackTimeoutError: it does not.
    """
    waited, name = request.params["waited"], request.node.name
    record = request.store.get(name)
    if waited["ready"] and not waited["done"]:
        raise CallBackTimeoutError(
            f"The system deployed to node {name} did not answer on SSH within"
            f" {request.params['instance_timeout']:g} s; last seen: {waited['seen']}.{console.last_words(request)}",
            node=name,
            hint="Look at its console, and at ansible_host and ansible_port. The node is active.",
        )
    wait = None if waited["ready"] or record is None else waits.instance_of(record, request.owner)
    told = {"work": work.totals(record)} if record else {}
    return {
        **state_of(record),
        "changed": False,
        **GOES_ON,
        "wait": wait,
        "goes_on": bool(wait),
        "connection": None,
        **told,
    }


def _go_on(request: Request, task: tasks.Task) -> Result:
    """Take in what has happened since the last call, then run steps; return what is to be done now."""
    waiting, completed, job = waits.current(task.record), request.params["completed_step"], request.params["job"]
    if waiting:
        stopped = _end_wait(request, task, waiting)
        if stopped is not None:
            return stopped
    elif completed:
        pending = _complete(request, task, completed, out_of_band.AFTER_IN_BAND)
        if pending:
            return _wait(request, task, pending)
    elif job:
        return _wait(request, task, waits.Wait("job", job["limit"], waits.GO_ON, {"job": job}))
    return _run_steps(request, task)


def _wait(request: Request, task: tasks.Task, wait: waits.Wait) -> Result:
    work.add_counters(task, request)
    waits.begin(request, task, wait)
    return {"wait": waits.current(task.record)}


def _end_wait(request: Request, task: tasks.Task, waiting: Result) -> Result | None:
    """Return what is to be done where the wait is not over, or is over and asks for more; None to go on with steps.

    :raises BareMetalError: it ends badly.
    """
    waited = request.params["waited"]
    try:
        hold = requests.follow(request, may_hold=waiting["for"] in waits.HOLDABLE)
    except BareMetalError:
        out_of_band.keep_evidence(task, (waited.get("result") or {}).get("evidence", []))
        raise
    if hold:
        waits.forget(task.record)
        return {"held": True}
    if not waits.is_over(request, waiting, waited):
        task.renew()
        return {"wait": waiting}
    waits.forget(task.record)
    if waiting["for"] == "ramdisk":
        task.record.driver_internal_info["ramdisk_up"] = True
    if not work.is_at_work(task.record):
        task.process_event("resume")
    entry = work.current_step(task.record)
    if entry is None:
        return None
    if waiting["then"] == waits.DONE:
        work.mark(task, entry, steps.DONE, at=waited.get("at"))
    elif waiting["then"] == waits.COMPLETE:
        _complete(request, task, entry["step"], out_of_band.AFTER_WAIT)
    elif waiting["for"] == "job":
        found = waits.job_result(request, waiting, waited)
        return {"next_step": _in_band_step(request, task, entry["step"]), "step_result": found}
    return None


def _complete(
    request: Request, task: tasks.Task, key: str, after: t.Mapping[str, out_of_band.Handler]
) -> waits.Wait | None:
    """Mark an in-band step done, after what belongs to it out of band; or return what that has to wait for.

    :raises BareMetalError: it has failed in the ramdisk.
    """
    entry, found = work.current_step(task.record), request.params["step_result"]
    if entry is None or entry["step"] != key:
        raise InvalidRequestError(
            f"The step '{key}' is not the current one; that is '{entry and entry['step']}'.",
            node=request.node.name,
            hint="Run the role anew.",
        )
    out_of_band.keep_evidence(task, found.get("evidence", []))
    if found.get("failed"):
        raise BareMetalError.from_result(found, node=request.node.name)
    pending = after[key](request, task) if key in after else None
    if pending is None:
        work.mark(task, entry, steps.DONE)
    return pending


def _run_steps(request: Request, task: tasks.Task) -> Result:
    """Run steps up to a wait, one that is to be run in the ramdisk, a hold, or the end."""
    by_key = {step.key: step for step in plans.wanted_steps(request, work.verb_of(task))}
    while True:
        task.renew()
        if requests.follow(request):
            return {"held": True}
        entry = work.current_step(task.record)
        if entry is None:
            _finish(request, task)
            wanted = work.wanted_verb(task)
            if wanted is work.verb_of(task):
                return {"wait": waits.instance_of(task.record, request.owner)}
            preparation.begin(request, task, wanted)
            by_key = {step.key: step for step in plans.wanted_steps(request, wanted)}
            continue
        step = by_key.get(entry["step"])
        if step is None:
            raise InvalidRequestError(
                f"The step '{entry['step']}' is not among those asked for any more.",
                node=request.node.name,
                hint="Run the same playbook with the same steps, or abort.",
            )
        stopped = _run_step(request, task, step, entry)
        if stopped is not None:
            return stopped


def _run_step(request: Request, task: tasks.Task, step: steps.Step, entry: Result) -> Result | None:
    """Run one step, or begin it; return what is to be done now, None where it is done."""
    if step.key == steps.TEAR_DOWN_AGENT.key and not out_of_band.is_ramdisk_up(task):
        _complete(request, task, step.key, out_of_band.AFTER_WAIT)  # a step has ended the ramdisk before
        return None
    if step.in_band:
        pending = out_of_band.ensure_ramdisk_is_up(request, task)
        if pending:
            return _wait(request, task, pending)
        if (entry["status"], entry.get("run")) != (steps.RUNNING, request.owner):  # else it was only not run yet
            entry["run"] = request.owner
            work.mark(task, entry, steps.RUNNING)
        return {"next_step": _in_band_step(request, task, step.key)}
    work.mark(task, entry, steps.RUNNING)
    pending = out_of_band.run(request, task, step)
    if pending:
        return _wait(request, task, pending)
    work.mark(task, entry, steps.DONE)
    return {"held": True} if (step.interface, step.step) == steps.RESERVED["hold"] else None


def _in_band_step(request: Request, task: tasks.Task, key: str) -> Result:
    """Return what is to be run in the ramdisk: a task file of the user's, or a core step with all that it needs."""
    step = next(step for step in plans.wanted_steps(request, work.verb_of(task)) if step.key == key)
    told = {"step": step.key, "name": step.step, "tasks": step.tasks}
    if step.tasks:
        return told
    more = {"image": preparation.image_of(request, task), "config_drive": preparation.config_drive_of(request, task)}
    return {**told, "args": step.args, **(more if step.step == "write_image" else {})}


def _finish(request: Request, task: tasks.Task) -> None:
    verb = work.verb_of(task)
    files = Files(request.node)
    files.publication.remove()
    files.remove_keys()
    if request.node.deploy_interface == "noop" and verb.kind == "deploy":
        task.record.power_state = request.driver.power.get_power_state()
    work.add_counters(task, request)
    info = task.record.driver_internal_info
    info.pop("ramdisk_booted", None)
    limit = request.params["instance_timeout"]
    # Whether media that are the instance have an SSH server is not known; what is on a disk of ours has one.
    if verb.kind == "deploy" and request.node.deploy_interface == "direct" and request.driver.agent is None and limit:
        waits.keep_instance(task, request.params["instance"], limit, request.owner)
    info["seconds"] = round(time.time() - info.get("started_at", time.time()), 1)
    task.process_event(work.end_event(verb, task.record))


def _chosen_disk(task: tasks.Task) -> Result:
    """Return the disk that was chosen, and its path; None before that."""
    disk = task.record.instance_info.get("disk") if work.verb_of(task).kind == "deploy" else None
    return {"disk": disk, "root_device": root_device.path_of(disk) if disk else None}
