"""Erases one disk: tries its techniques in order, reads back what each left, and writes down all of it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import functools
import os
import random
import time
import typing as t
from dataclasses import dataclass, field

from ..._errors import BareMetalError, StepError
from ..agent.command import run_command
from ..write.progress import get_run_directory, slug
from ..write.target import Target
from ..write.writer_lock import writer_lock
from .ata import PasswordLeftError, secure_erase
from .block import discard_and_zero, overwrite
from .metadata import erase_metadata
from .nvme import format_namespace, is_namespace, sanitize
from .plan import METADATA, Abilities, Technique
from .progress import EraseProgress, Tell
from .sample import DIFFERS, SAMPLE, ZEROS, choose_positions, judge, mark_samples, read_samples

Evidence = dict[str, t.Any]

NO_SIGNATURE = "no signature"

_RUNNERS: dict[str, t.Callable[[Target, str, Tell], None]] = {
    METADATA: lambda target, variant, tell: erase_metadata(target),
    "nvme_sanitize": lambda target, variant, tell: sanitize(target.path, variant, tell),
    "nvme_format": lambda target, variant, tell: format_namespace(target.path, variant),
    "ata_secure_erase": lambda target, variant, tell: secure_erase(target.path, variant),
    "blkdiscard": lambda target, variant, tell: discard_and_zero(target, tell),
    "overwrite": lambda target, variant, tell: overwrite(target, tell),
}

_BY_KERNEL = ("blkdiscard", "overwrite")
_UNMARKED = (METADATA, *_BY_KERNEL)  # zeroes, or no signature, are asked for, whatever was there before
_VERSIONS = {METADATA: ["wipefs", "--version"], "ata_secure_erase": ["hdparm", "-V"]}  # the others: nvme


@dataclass(frozen=True)
class Job:
    """A disk with what it can, and what is to be done: techniques to try, or the result that it has without one."""

    disk: dict[str, t.Any]
    level: str
    result: str | None = None
    reason: str | None = None
    target: Target | None = None
    abilities: Abilities = field(default_factory=Abilities)
    techniques: list[Technique] = field(default_factory=list)


def erase_disk(job: Job, samples: int, progress: EraseProgress) -> Evidence:
    """Do the job and return the evidence. Never raises for what a disk does: that is a result."""
    evidence = describe_job(job)
    if job.target is None or job.result:
        return evidence
    began, evidence["started_at"] = time.monotonic(), _now()
    # The lock of bm_write_image: a writer that a killed play left behind must not write after the erase.
    lock = os.path.join(get_run_directory(), f"write_image-{slug(job.target.path)}.lock")
    try:
        with writer_lock(lock):
            _try_all(job.target, job.techniques, evidence, samples, progress)
    except BareMetalError as exc:
        evidence["reason"] = exc.message
    except OSError as exc:  # of the ramdisk itself, such as a full /run: what other disks prove must not be lost
        evidence["reason"] = f"The ramdisk failed: {exc}."
    if evidence["result"] is None:
        evidence["result"] = "failed"
        evidence["reason"] = evidence["reason"] or "; ".join(
            f"{item['method']}: {item['error']}" for item in evidence["attempts"]
        )
    evidence["seconds"], evidence["finished_at"] = round(time.monotonic() - began, 3), _now()
    progress.finish(evidence["device"], evidence)
    return evidence


def describe_job(job: Job) -> Evidence:
    """Return the evidence of a disk that nothing has been done to."""
    keys = ("by_path", "serial", "wwn", "vendor", "model", "size_bytes")
    return {
        "device": job.disk["name"],
        **{key: job.disk[key] for key in keys},
        "media_type": _get_media_type(job),
        "level": job.level,
        "method": None,
        "variant": None,
        "tool": None,
        "sanitization": None,
        "attempts": [],
        "started_at": None,
        "finished_at": None,
        "seconds": None,
        "result": job.result,
        "reason": job.reason,
        "verification": {"samples": 0, "bytes": 0, "result": None},
    }


def _get_media_type(job: Job) -> str | None:
    disk, ata = job.disk, job.abilities.ata
    if disk["tran"] in (None, "virtio") and not disk["model"]:
        return None  # a file, a loop device, a virtual disk: what the kernel calls rotational tells of no medium
    if is_namespace(disk["name"]):
        return "flash memory"
    rotates = disk["rotational"] if ata is None or ata.rotates is None else ata.rotates
    return "magnetic" if rotates else "flash memory"


def _try_all(
    target: Target, techniques: t.Sequence[Technique], evidence: Evidence, samples: int, progress: EraseProgress
) -> None:
    positions = choose_positions(target.size, samples, random.Random())
    for technique in techniques:
        tell = functools.partial(progress.update, evidence["device"], technique.method)
        error = _try(target, technique, positions, evidence, tell)
        result = "failed" if error else "erased"
        evidence["attempts"].append(
            {"method": technique.method, "result": result, "error": error.message if error else None}
        )
        if isinstance(error, PasswordLeftError):
            evidence["reason"] = error.message
            return
        if error is None:
            evidence.update(
                method=technique.method,
                variant=technique.variant or None,
                tool=_describe_tool(technique.method),
                sanitization=technique.sanitization,
                result="erased",
            )
            return


def _try(
    target: Target, technique: Technique, positions: list[int], evidence: Evidence, tell: t.Callable[..., None]
) -> BareMetalError | None:
    """Erase with one technique; return why it did not succeed, None if it did."""
    if technique.refusal:
        return StepError(technique.refusal)
    tell()
    try:
        before = mark_samples(target, positions) if technique.method not in _UNMARKED else []
        _RUNNERS[technique.method](target, technique.variant, tell)
        if technique.method == METADATA:
            evidence["verification"] = {"samples": 0, "bytes": 0, "result": NO_SIGNATURE}
            return None
        result = judge(before, read_samples(target, positions))
        if technique.method in _BY_KERNEL and result != ZEROS:
            result = DIFFERS
    except BareMetalError as exc:
        return exc
    size = len(positions) * min(SAMPLE, target.size)
    evidence["verification"] = {"samples": len(positions), "bytes": size, "result": result}
    if result == DIFFERS:
        return StepError("the disk reported success, but what was read back is not erased")
    return None


def _describe_tool(method: str) -> str:
    """Return what did it, with its version."""
    if method in _BY_KERNEL:
        return f"Linux {os.uname().release}"
    argv = _VERSIONS.get(method, ["nvme", "version"])
    try:
        said = run_command(argv, accept=range(256)).splitlines()
    except BareMetalError:  # the erase is done: a tool that does not tell its version can't make it fail
        said = []
    return said[0].strip() if said else argv[0]


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
