"""bm_deploy: run a deployment's steps, up to the next one that Ansible has to run in the ramdisk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from .. import _deployment as deployment
from .. import _image as image
from .. import _root_device as root_device
from .. import _steps as steps
from .. import _task as tasks
from .._argspec import NODE_SPEC
from .._boot.registry import boot_interface
from .._drivers import base
from .._errors import BMCError, BMCTimeoutError, CallBackTimeoutError, InvalidRequestError, InvalidStateError
from .._request import Request, Result, state_of, task_result
from .._wait import wait_until

ARGUMENT_SPEC = {**NODE_SPEC, "completed_step": {"type": "str"}}

PROBE_INTERVAL = 2.0
"""Seconds between two questions whether the ramdisk answers."""

REPORT_INTERVAL = 10.0
"""Seconds between two lines that say what is waited for."""

POWER_OFF_TIMEOUT = 90.0
"""Seconds for the ramdisk to power itself off, before the power is cut."""


def run(request: Request) -> Result:
    """Go on with the deployment that bm_prepare has started.

    ``completed_step`` says which in-band step has just been done. Returns ``next_step``, the in-band step that
    is to be run now, or None once the node is active.

    :raises InvalidStateError: no deployment was started.
    :raises BareMetalError: a step failed; the node is ``deploy failed`` then.
    """
    if request.check_mode:
        return {**state_of(request.store.get(request.node.name)), "changed": True, "next_step": None}
    with deployment.hold(request) as task:
        if task.record.provision_state != "deploying":
            raise InvalidStateError(
                f"Node {request.node.name} is '{task.record.provision_state}', not 'deploying'.",
                node=request.node.name,
                hint="Run bm_prepare first.",
            )
        completed = request.params.get("completed_step")
        if completed:
            _complete(request, task, completed)
        next_step = _run_until_in_band(request, task)
        if next_step is None:
            _finish(request, task)
        else:
            deployment.add_counters(task, request)
            task.note("progress", f"{next_step['step']} runs in the ramdisk")
        return task_result(
            task, changed=True, next_step=next_step, root_device=_root_device(task), deployment=_totals(task)
        )


def _complete(request: Request, task: tasks.Task, key: str) -> None:
    """Mark an in-band step done, after what belongs to it out of band."""
    entry = deployment.current_step(task.record)
    if entry is None or entry["step"] != key:
        raise InvalidRequestError(
            f"The step '{key}' is not the current one; that is '{entry and entry['step']}'.",
            node=request.node.name,
            hint="Run the role anew.",
        )
    if key in AFTER_IN_BAND:
        AFTER_IN_BAND[key](request, task)
    deployment.mark(task, entry, steps.DONE)


def _run_until_in_band(request: Request, task: tasks.Task) -> dict[str, t.Any] | None:
    by_key = {step.key: step for step in steps.deploy_steps(request.node)}
    while (entry := deployment.current_step(task.record)) is not None:
        step = by_key[entry["step"]]
        task.renew()
        deployment.mark(task, entry, steps.RUNNING)
        if step.in_band:
            return {"step": step.key, "name": step.step, "tasks": step.tasks}
        if step.key in OUT_OF_BAND:
            OUT_OF_BAND[step.key](request, task)
        else:
            _run_driver_step(request, step)
        deployment.mark(task, entry, steps.DONE)
    return None


def _run_driver_step(request: Request, step: steps.Step) -> None:
    try:
        base.STEPS[step.interface, step.step](request.driver, step.args)
    except TypeError as exc:
        raise InvalidRequestError(
            f"The step '{step.key}' does not take these args: {exc}.",
            node=request.node.name,
            hint="Correct bm_deploy_steps.",
        ) from exc


def _finish(request: Request, task: tasks.Task) -> None:
    files = deployment.Files(request.node)
    files.publication.remove()
    files.remove_keys()
    if request.node.deploy_interface == "noop":
        task.record.power_state = request.driver.power.get_power_state()
    deployment.add_counters(task, request)
    info = task.record.driver_internal_info
    info.pop("ramdisk_booted", None)
    info["seconds"] = round(time.time() - info.get("started_at", time.time()), 1)
    task.process_event("done")


def _root_device(task: tasks.Task) -> str | None:
    """Return the path of the disk that was chosen, None before that."""
    disk = task.record.instance_info.get("disk")
    return root_device.path_of(disk) if disk else None


def _totals(task: tasks.Task) -> Result:
    """Return the whole deployment in figures, over all runs that it took."""
    info = task.record.driver_internal_info
    phases = {entry["step"]: entry["seconds"] for entry in task.record.steps if "seconds" in entry}
    return {
        "bmc_requests": info.get("bmc_requests", 0),
        "power_ons": info.get("power_ons", 0),
        "phases": phases,
        "seconds": info.get("seconds"),
    }


def _deploy(request: Request, task: tasks.Task) -> None:
    """Step deploy: start the ramdisk and wait for it, or start the media that are the instance, or do nothing."""
    {"direct": _boot_ramdisk, "ramdisk": _boot_instance_media, "noop": lambda *dummy: None}[
        request.node.deploy_interface
    ](request, task)


def _boot_from_media(request: Request, task: tasks.Task, url: str, *, persistent: bool) -> None:
    """Power off, prepare the next boot, power on; each awaited and read back."""
    driver, node = request.driver, request.node
    task.record.driver_internal_info["ramdisk_booted"] = True
    task.note("power", "off, to boot the ramdisk" if not persistent else "off, to boot from media")
    request.report("deploy: power off")
    driver.power.set_power_state(base.POWER_OFF)
    # Where the BMC can't switch it, what the machine says of itself counts: see bm_root_device.
    if node.secure_boot is not None and driver.management.get_secure_boot() not in {None, node.secure_boot}:
        request.report(f"deploy: switch Secure Boot {'on' if node.secure_boot else 'off'}")
        driver.management.set_secure_boot(node.secure_boot)
    request.report(f"deploy: boot by {node.boot_interface}")
    boot_interface(node, driver).boot(url, persistent=persistent)
    request.report("deploy: power on")
    driver.power.set_power_state(base.POWER_ON)
    task.record.power_state = base.POWER_ON


def _boot_instance_media(request: Request, task: tasks.Task) -> None:
    node = request.node
    if node.image is None:
        raise InvalidRequestError("bm_image is missing.", node=node.name, hint="Set bm_image.url to the ISO.")
    checksum = task.record.instance_info.get("image_checksum")
    if checksum:
        request.report("deploy: read the whole image to compare its checksum")
        image.verify_whole(node.image, checksum, node.name)
    _boot_from_media(request, task, node.image.url, persistent=True)


def _boot_ramdisk(request: Request, task: tasks.Task) -> None:
    url = deployment.Files(request.node).publication.url
    if url is None:
        raise InvalidStateError(
            "There are no boot media for this deployment.", node=request.node.name, hint="Run bm_prepare again."
        )
    _boot_from_media(request, task, url, persistent=False)
    task.process_event("wait")
    _await_call_back(request, task)
    task.process_event("resume")


def _await_call_back(request: Request, task: tasks.Task) -> None:
    """Ask the ramdisk until it answers.

    :raises CallBackTimeoutError: with the limit, what was seen last, and the power state.
    """
    limit = request.node.ramdisk.timeout
    started = renewed = reported = time.monotonic()
    while True:
        answers, seen = deployment.agent_answers(request)
        now = time.monotonic()
        if answers:
            return
        if now - started >= limit:
            break
        if now - reported >= REPORT_INTERVAL:
            request.report(f"deploy: waiting for the ramdisk, {now - started:.0f} of {limit:g} s; last seen: {seen}")
            reported = now
        if now - renewed > request.reservation_timeout / 4:
            task.renew()
            renewed = now
        time.sleep(min(PROBE_INTERVAL, max(0.0, limit - (now - started))))
    try:
        power = request.driver.power.get_power_state()
    except BMCError as exc:
        power = exc.message
    raise CallBackTimeoutError(
        f"The ramdisk of node {request.node.name} did not answer within {limit:g} s;"
        f" last seen: {seen}; power: {power}.",
        node=request.node.name,
        hint="Look at the machine's console; check bm_ramdisk.address and network,"
        f" and that BMC and node reach bm_boot_server.url.{_secure_boot_hint(request)}",
    )


def _secure_boot_hint(request: Request) -> str:
    return " Secure Boot is on: firmware refuses media that are not signed." if request.node.secure_boot else ""


def _set_instance_boot(request: Request, dummy: tasks.Task) -> None:
    """After prepare_instance_boot: nothing else to boot from any more, and the disk from now on."""
    publication = deployment.Files(request.node).publication
    boot_interface(request.node, request.driver).clean_up(publication.url)
    publication.remove()
    request.driver.management.set_boot_device(base.DISK, mode=request.node.boot_mode, persistent=True)


def _await_power_off(request: Request, task: tasks.Task) -> None:
    """After tear_down_agent: the ramdisk powers itself off; one that hangs is cut off, its disks are flushed."""
    power = request.driver.power
    if request.driver.agent is None:
        try:
            request.report("tear_down_agent: waiting for the ramdisk to power off")
            limit = min(POWER_OFF_TIMEOUT, request.node.bmc.power_timeout)
            wait_until(power.get_power_state, base.POWER_OFF, what="power state", node=request.node.name, timeout=limit)
        except BMCTimeoutError as exc:
            task.note("power", f"cut: {exc.message}")
    power.set_power_state(base.POWER_OFF)
    task.record.power_state = base.POWER_OFF


def _boot_instance(request: Request, task: tasks.Task) -> None:
    """Step boot_instance: power on, from the disk."""
    request.report("boot_instance: power on")
    request.driver.power.set_power_state(base.POWER_ON)
    task.record.power_state = base.POWER_ON


Handler = t.Callable[[Request, tasks.Task], None]

OUT_OF_BAND: dict[str, Handler] = {"deploy.deploy": _deploy, "deploy.boot_instance": _boot_instance}
"""Core steps that this run does over the BMC."""

AFTER_IN_BAND: dict[str, Handler] = {
    "deploy.prepare_instance_boot": _set_instance_boot,
    "deploy.tear_down_agent": _await_power_off,
}
"""What follows over the BMC when a core step was done in the ramdisk."""
