"""Writes a qcow2 image: fetched to the ramdisk, judged, converted onto the disk, compared."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import typing as t

from ..._errors import ImageError
from ..disk.disk import BLOCK, Disk
from ..disk.mounts import get_filesystem_type
from .fetch import Fetch
from .finish import finish, sealed
from .image_format import ImageFacts, check_fit, check_whole, inspect_qcow2, inspect_raw
from .memory import get_free_memory
from .preserved import Preserved
from .progress import Progress
from .qcow2_tables import check_tables
from .qemu_img import Window, check_consistency, check_info, compare, convert
from .raw import Preserve, Written, write_head
from .readahead import Pipeline
from .target import Target
from .verify import gather

_IN_MEMORY = ("tmpfs", "ramfs", "rootfs")
_DIRECT_ALIGNMENT = 4096


def plan_qcow2(fetch: Fetch, target: Target, _preserve: Preserve) -> tuple[int, Preserved]:
    """Do all checks that need no more than the header; return the size of the disk in the image."""
    with Pipeline() as pipeline:
        return _inspect(fetch, target, next(gather(fetch.pieces(pipeline)), b"")), Preserved(target)


def _inspect(fetch: Fetch, target: Target, head: bytes) -> int:
    facts = inspect_qcow2(head, fetch.name)
    _check_fit(fetch, target, facts)
    return facts.extent


def _check_fit(fetch: Fetch, target: Target, facts: ImageFacts) -> None:
    check_fit(
        facts,
        fetch.name,
        device=target.device,
        size=target.size,
        block_size=target.block_size,
        is_block=target.is_block,
    )


def write_qcow2(fetch: Fetch, disk: Disk, progress: Progress, preserve: Preserve) -> Written:
    """Fetch, check, convert, compare and finish.

    The image is in a file without a name, so that it is gone however this process ends.
    :raises ImageError: the image is not what was declared, or not safe.
    :raises StepError: the disk or a tool failed.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile(prefix="baremetal-lifecycle-") as file:
        size = _download(fetch, disk.target, file, progress)
        fetch.checksum.check(fetch.name)
        path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        was_closed = check_tables(file.fileno(), fetch.name)
        check_info(path, size, fetch.name)
        if was_closed:  # else its reference counts are stale, which only matters to who writes into it
            check_consistency(path, fetch.name)
        head = _read_head(path, size, fetch.name)
        content = inspect_raw(head, f"{fetch.name} (its content)").of_size(size)
        check_whole(content, fetch.name, size)
        _check_fit(fetch, disk.target, content)
        source = Window("qcow2", path, len(head), size - len(head), name=fetch.name)
        preserved = preserve(head, size)
        with sealed(disk, preserved):
            written = _convert(source, disk, progress, began)
            _compare(source, disk, progress, written)
            write_head(disk, preserved, head)
            finish(disk)
            preserved.check(disk)
    written.image_size = size
    written.preserved = preserved.names
    return written


def _download(fetch: Fetch, target: Target, file: t.IO[bytes], progress: Progress) -> int:
    """Fetch the image to the file; return the size of the disk in it."""
    progress.start("fetch")
    size = 0
    with Pipeline() as pipeline:
        for piece in gather(fetch.pieces(pipeline)):
            if not size:
                size = _inspect(fetch, target, piece)
                _check_space(fetch.name, fetch.get_declared_size() or len(piece))
            else:
                _check_space(fetch.name, len(piece))
            with _naming_space(fetch.name):
                file.write(piece)
            progress.update(fetch.source.fetched, fetch.source.total)
    if not size:
        raise ImageError(f"The image {fetch.name} is empty.", hint="Publish the image again.")
    with _naming_space(fetch.name):
        file.flush()
    return size


def _check_space(name: str, needed: int) -> None:
    free = _get_free_space(tempfile.gettempdir())
    if needed > free:
        raise ImageError(
            f"The image {name} needs {needed} bytes in the ramdisk's {tempfile.gettempdir()}, {free} are free; "
            "nothing was written.",
            hint="Publish it as raw.zst, which is streamed to the disk without a copy in memory.",
        )


def _get_free_space(directory: str) -> int:
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    if get_filesystem_type(directory) not in _IN_MEMORY:
        return free
    memory = get_free_memory()
    return min(free, memory) if status.f_blocks else memory  # ramfs has no size


@contextlib.contextmanager
def _naming_space(name: str) -> t.Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ImageError(
            f"The image {name} can't be kept in the ramdisk's {tempfile.gettempdir()}: {exc.strerror}.",
            hint="Publish it as raw.zst, which is streamed to the disk without a copy in memory.",
        ) from exc


def _read_head(path: str, size: int, name: str) -> bytes:
    length = min(BLOCK, size)
    with tempfile.TemporaryFile(prefix="baremetal-lifecycle-") as file:
        file.truncate(length)
        target = Window("file", f"/proc/{os.getpid()}/fd/{file.fileno()}", 0, length)
        convert(Window("qcow2", path, 0, length, name=name), target, lambda _percent: None)
        return file.read()


def _get_window(disk: Disk, source: Window) -> Window:
    driver = "host_device" if disk.target.is_block else "file"
    # qemu-img refuses O_DIRECT where a size is no multiple of what the file system wants; the flush between
    # converting and comparing empties the page cache, so that the comparison reads the disk all the same.
    direct = disk.direct and disk.target.size % _DIRECT_ALIGNMENT == 0 and source.size % _DIRECT_ALIGNMENT == 0
    return Window(driver, disk.target.path, source.offset, source.size, direct)


def _convert(source: Window, disk: Disk, progress: Progress, began: float) -> Written:
    written = Written()
    progress.start("write", source.size)
    if source.size:
        convert(source, _get_window(disk, source), lambda percent: progress.update(source.size * percent // 100))
    disk.flush()
    written.bytes_written = source.offset + source.size
    written.fetch_write = time.monotonic() - began
    return written


def _compare(source: Window, disk: Disk, progress: Progress, written: Written) -> None:
    began = time.monotonic()
    progress.start("verify", source.size)
    if source.size:
        compare(
            source,
            _get_window(disk, source),
            disk.target.device,
            lambda percent: progress.update(source.size * percent // 100),
        )
    written.verify = time.monotonic() - began
