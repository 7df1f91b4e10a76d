"""Puts an image on a disk: the operation behind the module bm_write_image."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from ..._errors import InvalidRequestError
from ..agent.command import require_tools
from ..disk.contents import describe_contents
from ..disk.disk import open_disk
from ..disk.partition_table import Reader
from .checksum import Checksum
from .decode import COMPRESSIONS, detect_compression
from .fetch import Fetch
from .image_format import check_bootable
from .other_disks import REFUSE, OtherDisks, file_reader
from .preserved import Preserved, find_preserved, reader
from .progress import Progress, get_file_name, get_run_directory, slug
from .qcow2 import plan_qcow2, write_qcow2
from .raw import Preserve, Written, plan_raw, write_raw
from .source import SourceOptions, open_source
from .target import MARKER, Target, inspect_target
from .writer_lock import writer_lock


@dataclass(frozen=True)
class ImageRequest:
    """What to write where; as the module's options."""

    url: str
    checksum: str
    device: str
    format: str = "raw"
    compression: str = "auto"
    preserve: tuple[str, ...] = ()
    boot_mode: str | None = None
    other_disks: tuple[str, ...] | None = None
    other_copies: str = REFUSE
    progress_path: str | None = None
    source: SourceOptions = field(default_factory=SourceOptions)


def write_image(request: ImageRequest, *, check_mode: bool = False, marker: Path = MARKER) -> dict[str, t.Any]:
    """Write the image and prove that the disk holds it; returns the module's result.

    Blocks until done. In check mode the first bytes are fetched and judged, and nothing is written.
    :raises InvalidRequestError: the request, or the device, is wrong; nothing was touched.
    :raises ImageError: the image is not what was declared.
    :raises StepError: the disk or a tool failed.
    """
    fetch = _prepare(request)
    if check_mode:
        return _plan(request, fetch, inspect_target(request.device, marker=marker), marker)
    directory = get_run_directory()
    progress_path = request.progress_path or os.path.join(directory, get_file_name(request.device))
    if not os.path.isdir(os.path.dirname(progress_path)):
        raise InvalidRequestError(f"The folder of progress_path {progress_path} does not exist.", hint="Make it first.")
    # By the real path: two names of one disk must not let two writers in.
    lock = os.path.join(directory, f"write_image-{slug(os.path.realpath(request.device))}.lock")
    with writer_lock(lock), Progress(progress_path, request.device) as progress:
        return _write(request, fetch, inspect_target(request.device, marker=marker), progress, marker)


def _prepare(request: ImageRequest) -> Fetch:
    compression = request.compression
    if compression == "auto":
        compression = detect_compression(urllib.parse.urlsplit(request.url).path)
    if compression not in COMPRESSIONS:
        raise InvalidRequestError(f"Unknown compression {compression}.", hint=f"Known: {', '.join(COMPRESSIONS)}.")
    fetch = Fetch(open_source(request.url, request.source), Checksum(request.checksum), compression)
    # Asked for now: a tool that is missing after the write would cost all of it.
    require_tools(
        "sgdisk",
        *(["zstd"] if compression == "zst" else []),
        *(["qemu-img"] if request.format == "qcow2" else []),
    )
    return fetch


def _plan(request: ImageRequest, fetch: Fetch, target: Target, marker: Path) -> dict[str, t.Any]:
    plan = plan_qcow2 if request.format == "qcow2" else plan_raw
    others = OtherDisks(request.other_disks, target, request.other_copies, marker)
    with Path(target.path).open("rb") as file:
        read = file_reader(file)
        before = describe_contents(read, target.size, target.block_size)
        size, preserved = plan(fetch, target, _judging(request, fetch, target, read, others))
    return {
        "changed": True,
        "device": target.device,
        "checksum": str(fetch.checksum),
        "would_write": {"url": fetch.name, "device": target.device, "bytes": size},
        "preserved": preserved.names,
        "before": before,
        "other_copies": others.copies,
        "other_esps": others.with_esp,
        "diff": _diff(fetch, target),
    }


def _write(request: ImageRequest, fetch: Fetch, target: Target, progress: Progress, marker: Path) -> dict[str, t.Any]:
    began = time.monotonic()
    write: t.Callable[..., Written] = write_qcow2 if request.format == "qcow2" else write_raw
    others = OtherDisks(request.other_disks, target, request.other_copies, marker)
    with open_disk(target) as disk:
        before = describe_contents(reader(disk), target.size, target.block_size)
        written = write(fetch, disk, progress, _judging(request, fetch, target, reader(disk), others))
    others.erase()
    return {
        "changed": True,
        "device": target.device,
        "bytes_fetched": fetch.source.fetched,
        "bytes_written": written.bytes_written,
        "bytes_zeroed": written.bytes_zeroed,
        "image_size": written.image_size,
        "preserved": written.preserved,
        "before": before,
        "other_copies": others.copies,
        "other_esps": others.with_esp,
        "checksum": str(fetch.checksum),
        "verified": True,
        "resumed": fetch.source.resumed,
        "seconds": {
            "fetch_write": round(written.fetch_write, 3),
            "verify": round(written.verify, 3),
            "total": round(time.monotonic() - began, 3),
        },
        "diff": _diff(fetch, target),
    }


def _judging(request: ImageRequest, fetch: Fetch, target: Target, read: Reader, others: OtherDisks) -> Preserve:
    """Return what judges an image by its head and size, before the disk is touched, and finds what is preserved."""

    def judge(head: bytes, size: int) -> Preserved:
        check_bootable(head, request.boot_mode, fetch.name)
        preserved = find_preserved(read, target, request.preserve, head=head, image=fetch.name)
        preserved.check_room(fetch.name, size)
        others.look(head, fetch.name)
        return preserved

    return judge


def _diff(fetch: Fetch, target: Target) -> dict[str, str]:
    return {
        "before_header": target.device,
        "after_header": target.device,
        "before": "whatever the disk held\n",
        "after": f"{fetch.name} ({fetch.checksum})\n",
    }
