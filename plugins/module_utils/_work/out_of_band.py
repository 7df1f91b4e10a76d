"""What the run itself does for a step, over the BMC and on the controller; the rest is done in the ramdisk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._boot.registry import boot_interface
from .._calls.request import Request
from .._drivers import base
from .._drivers.steps import STEPS as DRIVER_STEPS
from .._errors import BMCResponseError, InvalidRequestError, UnsupportedOperationError
from .._image import image
from .._states import states
from .._store.record import HistoryEntry
from . import disk_notes, inspection, ramdisk_boot, running, work
from .files import Files
from .steps import RESERVED, Step
from .task import Task
from .waits import COMPLETE, GO_ON, POWER_OFF_LIMIT, Wait

Handler = t.Callable[[Request, Task], t.Optional[Wait]]
"""Does something, and returns what has to be waited for before it counts as done."""


def run(request: Request, task: Task, step: Step) -> Wait | None:
    """Run a step over the BMC, or in this run; return what is to be waited for until it is done."""
    if (step.interface, step.step) == RESERVED["hold"]:
        return None
    if step.key in OUT_OF_BAND:
        return OUT_OF_BAND[step.key](request, task)
    if (step.interface, step.step) == RESERVED["wait"]:
        return _pause(request, step.args)
    if step.interface == "power" and is_ramdisk_up(task):
        return _power_with_ramdisk(request, task, step.step)
    try:
        DRIVER_STEPS[step.interface, step.step](request.driver, step.args)
    except TypeError as exc:
        raise InvalidRequestError(
            f"The step '{step.key}' does not take these args: {exc}.",
            node=request.node.name,
            hint="Correct its args.",
        ) from exc
    return None


def _deploy(request: Request, task: Task) -> Wait | None:
    """Step deploy: start the ramdisk, or start the media that are the instance, or do nothing."""
    ways: dict[str, Handler] = {
        "direct": ramdisk_boot.boot_ramdisk,
        "ramdisk": _boot_instance_media,
        "noop": lambda *dummy: None,
    }
    return ways[request.node.deploy_interface](request, task)


def _boot_instance_media(request: Request, task: Task) -> None:
    node = request.node
    if node.image is None:
        raise InvalidRequestError("bm_image is missing.", node=node.name, hint="Set bm_image.url to the ISO.")
    checksum = task.record.instance_info.get("image_checksum")
    if checksum:
        request.report("deploy: read the whole image to compare its checksum")
        image.verify_whole(node.image, checksum, node.name, meanwhile=task.renew)
    ramdisk_boot.boot_from_media(request, task, node.image.url, persistent=True)


def is_ramdisk_up(task: Task) -> bool:
    """Say whether the ramdisk runs, as far as this work knows."""
    return bool(task.record.driver_internal_info.get("ramdisk_up"))


def ensure_ramdisk_is_up(request: Request, task: Task) -> Wait | None:
    """Start the ramdisk again, where a step has ended it; return the wait for it."""
    if is_ramdisk_up(task):
        return None
    task.note("ramdisk", "started again: a step has ended it")
    return ramdisk_boot.boot_ramdisk(request, task, then=GO_ON)


def _power_with_ramdisk(request: Request, task: Task, step: str) -> Wait | None:
    """Steps power_on, power_off and reboot while the ramdisk runs: it is started again, not the disk."""
    if step == "reboot":
        return ramdisk_boot.boot_ramdisk(request, task)
    if step == "power_off":
        request.driver.power.set_power_state(base.POWER_OFF)
        task.record.power_state = base.POWER_OFF
        task.record.driver_internal_info["ramdisk_up"] = False
    return None


def _pause(request: Request, args: t.Mapping[str, t.Any]) -> Wait:
    """Step wait: let ``seconds`` pass."""
    seconds = args.get("seconds")
    if not isinstance(seconds, (int, float)) or seconds < 0:
        raise InvalidRequestError(
            "The step 'wait' needs its seconds.", node=request.node.name, hint="Give it args: {seconds: 60}."
        )
    return Wait("pause", float(seconds))


def _set_instance_boot(request: Request, task: Task) -> None:
    """Nothing else to boot from any more, and the disk from now on."""
    publication = Files(request.node).publication
    boot_interface(request.node, request.driver).clean_up(publication.url)
    publication.remove()
    _boot_from_disk(request, task)


def _boot_from_disk(request: Request, task: Task) -> None:
    """Make the disk what the machine boots from now on, as far as the BMC does that.

    Some keep no persistent device, or know no disk. UEFI firmware has the instance's own boot entry in the first place.

    :raises BMCResponseError: in BIOS mode, where the BMC is all that can choose the disk.
    :raises UnsupportedOperationError: likewise.
    """
    management, mode = request.driver.management, request.node.boot_mode
    try:
        management.set_boot_device(base.DISK, mode=mode, persistent=True)
    except (BMCResponseError, UnsupportedOperationError) as exc:
        task.note("boot device", f"the disk for one start only: {exc.message}")
        try:
            management.set_boot_device(base.DISK, mode=mode)
        except (BMCResponseError, UnsupportedOperationError) as again:
            if mode != "uefi":
                raise
            task.note("boot device", f"left to the firmware's boot entries: {again.message}")


def _await_power_off(request: Request, task: Task) -> Wait | None:
    """After tear_down_agent: the ramdisk powers itself off."""
    if request.driver.agent is not None:
        _ramdisk_is_down(request, task)
        return None
    limit = min(POWER_OFF_LIMIT, request.node.bmc.power_timeout)
    return Wait("power_off", limit, COMPLETE)


def _ramdisk_is_down(request: Request, task: Task) -> None:
    """After its power-down; one that hangs is cut off, its disks are flushed."""
    if request.driver.power.set_power_state(base.POWER_OFF):
        task.note("power", "cut")
    task.record.power_state = base.POWER_OFF
    task.record.driver_internal_info["ramdisk_up"] = False
    leave = _set_instance_boot if work.verb_of(task).kind == "deploy" else _forget_ramdisk
    leave(request, task)


def _forget_ramdisk(request: Request, task: Task) -> None:
    """Take back what the ramdisk was booted from."""
    publication = Files(request.node).publication
    boot_interface(request.node, request.driver).clean_up(publication.url)
    publication.remove()
    _restore_boot_order(request, task)


def _restore_boot_order(request: Request, task: Task) -> None:
    """Let the firmware's own boot order count again; the disk, where the BMC can't remove an override."""
    try:
        request.driver.management.clear_boot_device()
    except (BMCResponseError, UnsupportedOperationError):
        _boot_from_disk(request, task)


def _boot_instance(request: Request, task: Task) -> None:
    """Step boot_instance: power on, from the disk."""
    if work.verb_of(task).kind != "deploy":
        _boot_from_disk(request, task)
    request.report("boot_instance: power on")
    request.driver.power.set_power_state(base.POWER_ON)
    task.record.power_state = base.POWER_ON


def _verify_access(request: Request, task: Task) -> None:
    """Prove that the BMC answers to the credentials."""
    task.record.power_state = request.driver.power.get_power_state()


def _verify_bmc(request: Request, task: Task) -> None:
    """Step verify_bmc: prove it, and keep what the BMC says of itself, its firmware and boot mode among it."""
    _verify_access(request, task)
    _inspect_bmc(request, task)


def _adopt(request: Request, task: Task) -> None:
    """Step adopt: look, and touch nothing."""
    task.record.power_state = request.driver.power.get_power_state()
    running.take(request, task.record)
    task.note("adopted", f"as it is, {task.record.power_state}")


def _leave_ramdisk(request: Request, task: Task) -> None:
    """Step leave_ramdisk: power the rescue ramdisk off."""
    request.driver.power.set_power_state(base.POWER_OFF)
    task.record.power_state = base.POWER_OFF
    _forget_ramdisk(request, task)
    Files(request.node).forget_ramdisk()


def _tear_down_instance(request: Request, task: Task) -> None:
    """Leave nothing of an instance but what is on its disks."""
    node, files = request.node, Files(request.node)
    request.report("undeploy: power off")
    request.driver.power.set_power_state(base.POWER_OFF)
    task.record.power_state = base.POWER_OFF
    boot_interface(node, request.driver).clean_up(files.publication.url)
    files.publication.remove()
    _restore_boot_order(request, task)
    files.forget_ramdisk()
    for left in (files.config_drive, files.console):
        left.unlink(missing_ok=True)
    task.record.instance_info = {}
    freed = HistoryEntry(node=node.name, event="deallocate", owner=request.owner, message="undeployed")
    request.store.deallocate([node.name], freed)
    task.note("tear down", "instance powered off, nothing of it left on BMC and boot server")


def keep_evidence(task: Task, evidence: list[dict[str, t.Any]]) -> None:
    """Keep the evidence of an erase, also of one that has failed, with what is saved next."""
    if not evidence:
        return
    entry = work.current_step(task.record) or {}
    task.keep_evidence(str(entry.get("step")), evidence)


def _note_disk(request: Request, task: Task) -> None:
    """After write_image: what was on the disk before, in words, and where other disks are like it."""
    found = request.params["step_result"]
    if found.get("before"):
        task.note("disk before", disk_notes.describe(found["before"]), later=True)
    for copy in found.get("other_copies") or []:
        done = "erased" if copy["erased"] else "left as it is"
        task.note("other disk", f"{copy['device']} has {', '.join(copy['has'])}: {done}", later=True)


def _keep_facts(request: Request, task: Task) -> None:
    """After an inspection in the ramdisk: keep what was found."""
    _merge_facts(request, task, in_band=request.params["step_result"])


def _inspect_bmc(request: Request, task: Task) -> None:
    """Step inspect_bmc: keep what the BMC knows of the hardware."""
    request.report("inspect: ask the BMC")
    _merge_facts(request, task, out_of_band=request.driver.inspect.get_inventory() if request.driver.inspect else None)


def _merge_facts(request: Request, task: Task, **found: dict[str, t.Any] | None) -> None:
    """Put new facts beside those that are known, and compare all with what the inventory declares."""
    node = request.node
    known = {"out_of_band": None, "in_band": None, **task.record.inventory, **found}
    facts = inspection.merge(known["out_of_band"], known["in_band"])
    declared = {
        "bm_boot_mac": node.boot_mac,
        "bm_boot_mode": node.boot_mode,
        "bm_properties": request.params.get("properties"),
        "bm_root_device": dict(node.root_device),
    }
    task.record.inventory = {**facts, "differences": inspection.differences(declared, facts)}


def _rescued(request: Request, dummy: Task) -> None:
    """After rescue: the operator is let in; what the ramdisk came from is not needed any more."""
    boot_interface(request.node, request.driver).clean_up(Files(request.node).publication.url)


RAMDISK_STARTS = frozenset({"deploy.deploy", "deploy.start_ramdisk"})
"""Steps that start the ramdisk."""

OUT_OF_BAND: dict[str, Handler] = {
    "deploy.deploy": _deploy,
    "deploy.start_ramdisk": ramdisk_boot.boot_ramdisk,
    "deploy.boot_instance": _boot_instance,
    "deploy.adopt": _adopt,
    "deploy.leave_ramdisk": _leave_ramdisk,
    "management.verify_bmc": _verify_bmc,
    "management.inspect_bmc": _inspect_bmc,
}
"""Core steps that the run does itself."""

AFTER_IN_BAND: dict[str, Handler] = {
    "deploy.write_image": _note_disk,
    "deploy.tear_down_agent": _await_power_off,
    "deploy.inspect": _keep_facts,
    "deploy.rescue": _rescued,
}
"""What follows when a core step was done in the ramdisk."""

AFTER_WAIT: dict[str, Handler] = {"deploy.tear_down_agent": _ramdisk_is_down}
"""What follows when what a core step had to wait for is over."""

LEAVING: dict[str, Handler] = {states.VERIFYING: _verify_access, states.DELETING: _tear_down_instance}
"""What is done in a state on the way to a verb's work, before it is left."""
