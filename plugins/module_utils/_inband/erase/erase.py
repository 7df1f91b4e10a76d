"""Erases the node's disks, with evidence for each: the operation behind the module bm_erase_devices."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import re
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from ..._errors import BareMetalError, InvalidRequestError, StepError
from ..agent.command import require_tools
from ..agent.one_job import run_once
from ..disk.disks import find_twins, list_disks
from ..write.progress import get_run_directory
from ..write.target import MARKER, inspect_target, is_ramdisk
from .areas import find_cluster_file_systems, find_disk_users
from .ata import read_ata_security
from .block import can_discard
from .disk import Evidence, Job, describe_job, erase_disk
from .nvme import find_controller, is_namespace, read_nvme_abilities
from .plan import METHODS, Abilities, choose_techniques
from .progress import EraseProgress, get_file_name
from .select import Choice, choose_disks

if t.TYPE_CHECKING:
    from pathlib import Path

LEVELS = ("metadata", "express", "full")

_STAND_IN = re.compile(r"(?!/dev/).*|/dev/loop\d+")
_AT_ONCE = 4  # disks; Ironic's disk_erasure_concurrency
_FAILURES = ("failed", "guarded", "read-only")
_NO_ATA_BUSES = ("usb", "virtio", "nvme")  # bridges between USB and ATA may lose their power in the middle


@dataclass(frozen=True)
class EraseRequest:
    """What to erase how; as the module's options."""

    level: str
    method: str = "auto"
    disks: t.Sequence[str] | None = None
    allow: t.Sequence[str] | None = None
    skip: t.Sequence[str] = ()
    devices: t.Sequence[str] = ()
    samples: int = 64
    guard: bool = True
    job: str | None = None


def erase_devices(request: EraseRequest, *, check_mode: bool = False, marker: Path = MARKER) -> dict[str, t.Any]:
    """Erase the disks and return the module's result; ``failed`` is in it where a disk was not erased.

    Blocks until done. In check mode nothing is touched, and the result is a plan.
    Where an erase with the same ``job`` is at work it is waited for, and its result is returned.
    :raises InvalidRequestError: the request is wrong, or a real disk is meant outside of the ramdisk;
        nothing was touched.
    :raises StepError: the erase that was waited for ended without a result.
    """
    _check(request)
    if check_mode:
        jobs = plan_jobs(request, marker)
        return {"changed": any(_can_change(job) for job in jobs), "plan": [_describe_plan(job) for job in jobs]}
    name = request.job or hashlib.sha256(repr(request).encode()).hexdigest()[:16]
    progress_path = os.path.join(get_run_directory(), get_file_name(name))
    return run_once(f"{progress_path}.lock", progress_path, lambda: _plan_and_erase(request, marker, progress_path))


def _plan_and_erase(request: EraseRequest, marker: Path, progress_path: str) -> dict[str, t.Any]:
    jobs = plan_jobs(request, marker)
    with EraseProgress(progress_path, sum(job.result is None for job in jobs)) as progress:
        return _conclude(jobs, _erase(jobs, request.samples, progress))


def _check(request: EraseRequest) -> None:
    if request.level not in LEVELS or request.method not in ("auto", *METHODS):
        raise InvalidRequestError(
            f"Level {request.level} or method {request.method} is unknown.",
            hint=f"Levels: {', '.join(LEVELS)}. Methods: auto, {', '.join(METHODS)}.",
        )
    if request.samples < 2:
        raise InvalidRequestError(f"samples is {request.samples}.", hint="Give 2 or more: the first and the last.")
    require_tools("lsblk", "blkid", "wipefs")


def plan_jobs(request: EraseRequest, marker: Path = MARKER) -> list[Job]:
    """Return a job for each disk of the node; touches nothing.

    :raises InvalidRequestError: see erase_devices.
    """
    disks = list_disks(request.devices)
    choices = choose_disks(disks, request.disks, request.allow, request.skip)
    jobs = _refuse_twins([_assess(choice, request, marker) for choice in choices])
    erased = {os.path.realpath(job.disk["name"]) for job in jobs if job.result is None}
    return [_plan(job, request.method, erased) if job.result is None else job for job in jobs]


def _assess(choice: Choice, request: EraseRequest, marker: Path) -> Job:
    """Return the job of one disk, with what the disk can, yet without techniques."""
    job = Job(choice.disk, request.level)
    if choice.reason:
        return replace(job, result="skipped", reason=choice.reason)
    try:
        return _look_at(job, choice.named, request.guard, marker)
    except (BareMetalError, OSError) as exc:  # a disk that hangs, or is gone: the others are erased all the same
        if isinstance(exc, InvalidRequestError) and not is_ramdisk(marker):
            raise  # here it is no broken disk, but one that must not be touched
        return replace(job, result="failed", reason=exc.message if isinstance(exc, BareMetalError) else str(exc))


def _refuse_twins(jobs: list[Job]) -> list[Job]:
    """Return the jobs, those failed that would erase one disk over several paths at the same time."""
    twins = find_twins([job.disk for job in jobs if job.result is None])
    return [
        replace(job, result="failed", reason=f"it has the same WWN as {', '.join(others)}: name all but one in skip")
        if (others := twins.get(job.disk["name"]))
        else job
        for job in jobs
    ]


def _look_at(job: Job, named: bool, guard: bool, marker: Path) -> Job:
    """Return the job with what forbids it, or with what the disk can."""
    disk = job.disk
    if not is_ramdisk(marker) and not _STAND_IN.fullmatch(os.path.realpath(disk["name"])):
        inspect_target(disk["name"], marker=marker)  # refuses all, before what is said of a single disk
    if disk["read_only"]:
        if disk["removable"] and not named:
            return replace(job, result="skipped", reason="a removable medium that can't be written, as of a BMC")
        return replace(job, result="read-only", reason="the kernel refuses writes")
    users = find_disk_users(disk["name"], not os.path.isfile(disk["name"]))
    if users:
        return replace(job, result="guarded", reason=f"in use: {'; '.join(users)}")
    return _ask(job, guard, marker)


def _ask(job: Job, guard: bool, marker: Path) -> Job:
    """Return the job after asking the disk what it can, and what it holds."""
    target = inspect_target(job.disk["name"], marker=marker)
    nvme = ata = None
    if job.level != "metadata" and is_namespace(target.path):
        nvme = read_nvme_abilities(target.path)
    elif job.level == "full" and _may_be_ata(target.path, job.disk["tran"]):
        ata = read_ata_security(target.path)
    abilities = Abilities(nvme, ata, can_discard(target))
    # What can't be read no other node can be using.
    found = find_cluster_file_systems(target) if guard and not abilities.unreadable else []
    if found:
        return replace(job, result="guarded", reason=f"other nodes may use it: {', '.join(found)}")
    return replace(job, target=target, abilities=abilities)


def _may_be_ata(path: str, bus: str | None) -> bool:
    return os.path.basename(path).startswith("sd") and bus not in _NO_ATA_BUSES


def _plan(job: Job, method: str, erased: set[str]) -> Job:
    """Return the job with the techniques to try, now that it is known which namespaces are erased with it."""
    abilities = job.abilities
    if abilities.nvme:
        kept = tuple(other for other in abilities.nvme.neighbours if other not in erased)
        abilities = replace(abilities, nvme=replace(abilities.nvme, neighbours=kept))
    return replace(job, techniques=choose_techniques(job.level, method, abilities))


def _describe_plan(job: Job) -> dict[str, t.Any]:
    evidence = describe_job(job)
    keys = ("device", "by_path", "serial", "wwn", "model", "size_bytes", "level", "reason")
    return {
        **{key: evidence[key] for key in keys},
        "action": job.result or "erase",
        "methods": [technique.method for technique in job.techniques if not technique.refusal],
        "refused": {technique.method: technique.refusal for technique in job.techniques if technique.refusal},
    }


def _erase(jobs: list[Job], samples: int, progress: EraseProgress) -> list[Evidence]:
    """Do the jobs, several at once, but one namespace of an NVMe drive after the other."""
    groups: dict[str, list[int]] = {}
    for index, job in enumerate(jobs):
        device = job.disk["name"]
        groups.setdefault(find_controller(device) if is_namespace(device) else device, []).append(index)

    def work(indexes: list[int]) -> list[tuple[int, Evidence]]:
        return [(index, erase_disk(jobs[index], samples, progress)) for index in indexes]

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="erase") as workers:
        done = dict(pair for pairs in workers.map(work, groups.values()) for pair in pairs)
    return [done[index] for index in range(len(jobs))]


def _conclude(jobs: list[Job], evidence: list[Evidence]) -> dict[str, t.Any]:
    tried = [item for job, item in zip(jobs, evidence) if _can_change(job)]
    result = {"changed": any(item["attempts"] for item in tried), "evidence": evidence}
    failures = [f"{item['device']} ({item['result']}): {item['reason']}" for item in evidence if _is_failure(item)]
    if not failures:
        return result
    meant = sum(item["result"] != "skipped" for item in evidence)
    error = StepError(
        f"{len(failures)} of {meant} disks were not erased: {' | '.join(failures).rstrip('.')}.",
        hint="Free (umount, swapoff, mdadm --stop), mend or replace the disk, or name it in skip; where no other node "
        "uses its cluster file system, set bm_erase.guard: false (option guard). See evidence.",
    )
    return {**result, **error.to_result(), "failed": True}


def _can_change(job: Job) -> bool:
    return any(not technique.refusal for technique in job.techniques)


def _is_failure(evidence: Evidence) -> bool:
    return evidence["result"] in _FAILURES
