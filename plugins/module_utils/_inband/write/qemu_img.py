"""The qemu-img tool, used on images whose header was judged before; bounded in memory."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import subprocess
import typing as t

from ..._errors import ImageError, StepError
from ..agent.command import die_with_parent, environment, require_tools, run_tool

#: A crafted image must not use up the ramdisk (CVE-2015-5162).
_ADDRESS_SPACE = 2 * 1024**3
_PERCENT = re.compile(rb"\((\d+)\.\d+/100%\)")
_MISMATCH = re.compile(r"mismatch at offset (\d+)")
_NAMELESS = re.compile(r"/proc/\d+/fd/\d+")  # the image's file has no name of its own
_MESSAGE_LENGTH = 600
_ASK_SECONDS = 600
_LEAKED = 3  # qemu-img check: clusters that nothing uses; no harm


class Window(t.NamedTuple):
    """A range of a disk image, for --image-opts; ``driver`` is file, host_device or qcow2, ``name`` is for messages."""

    driver: str
    path: str
    offset: int
    size: int
    direct: bool = False
    name: str = ""

    def to_options(self) -> str:
        """Return the option string; nothing in it is guessed by qemu-img."""
        path = self.path.replace(",", ",,")
        below = f"file.driver={self.driver},file.filename={path}"
        if self.driver == "qcow2":
            below = f"file.driver=qcow2,file.file.driver=file,file.file.filename={path}"
        cache = ",cache.direct=on" if self.direct else ""
        return f"driver=raw,offset={self.offset},size={self.size},{below}{cache}"


def check_info(path: str, size: int, name: str) -> None:
    """Have qemu-img's own view of a qcow2 image agree with what was found in its header.

    :raises ImageError: it does not, or qemu-img can't read the image.
    """
    info = json.loads(_ask(["qemu-img", "info", "--output=json", "-f", "qcow2", path], name))
    details = info.get("format-specific", {}).get("data", {})
    outside = info.get("backing-filename") or info.get("full-backing-filename") or details.get("data-file")
    if outside or info.get("encrypted") or info.get("format") != "qcow2" or info.get("virtual-size") != size:
        raise ImageError(
            f"qemu-img sees the image {name} otherwise than its header says; nothing was written.",
            hint="Don't trust this image; build it again: qemu-img convert -O qcow2.",
        )


def check_consistency(path: str, name: str) -> None:
    """Have qemu-img compare all tables of a qcow2 image with each other.

    :raises ImageError: they contradict each other: data may be lost.
    """
    _ask(["qemu-img", "check", "-f", "qcow2", path], name, accept=(0, _LEAKED))


def _ask(argv: list[str], name: str, accept: t.Collection[int] = (0,)) -> bytes:
    """Run qemu-img on an image that is not on the disk yet; whatever it does not like is the image's fault."""
    done = run_tool(argv, timeout=_ASK_SECONDS, accept=range(-256, 256), address_space=_ADDRESS_SPACE)
    if done.returncode not in accept:
        said = _shorten((done.stderr + b" " + done.stdout).decode("utf-8", "replace"))
        raise ImageError(
            f"qemu-img {argv[1]} refuses the image {name} (code {done.returncode}): {said}; nothing was written.",
            hint="Don't trust this image; look at it with qemu-img check, or build it again.",
        )
    return done.stdout


def _shorten(output: str) -> str:
    said = " ".join(_NAMELESS.sub("the image", output).split())
    return said[:_MESSAGE_LENGTH].rstrip(".") or "no message"


def _failed(action: str, name: str, code: int, output: str) -> StepError:
    return StepError(
        f"qemu-img {action} failed with code {code} for the image {name}: {_shorten(output)}.",
        hint="Look at the kernel's messages (dmesg) in the ramdisk; if the disk is well, build the image again.",
    )


def convert(source: Window, target: Window, on_percent: t.Callable[[int], None]) -> None:
    """Copy a range; zeroes are written as zeroes, because the target is not taken for empty (-n)."""
    argv = ["qemu-img", "convert", "-p", "-n", "-W", "--image-opts", "--target-image-opts"]
    argv += [source.to_options(), target.to_options()]
    code, output = _run(argv, on_percent)
    if code:
        raise _failed("convert", source.name, code, output)


def compare(source: Window, target: Window, device: str, on_percent: t.Callable[[int], None]) -> None:
    """Compare a range.

    :raises StepError: a difference, with its offset on the disk.
    """
    argv = ["qemu-img", "compare", "-p", "--image-opts", source.to_options(), target.to_options()]
    code, output = _run(argv, on_percent)
    if code == 1:
        found = _MISMATCH.search(output)
        where = f" at byte {target.offset + int(found.group(1))}" if found else ""
        raise StepError(
            f"{device} does not hold what was written{where}.",
            hint="The disk or its controller is failing: look at dmesg and smartctl, or choose another disk.",
        )
    if code:
        raise _failed("compare", source.name, code, output)


def _run(argv: list[str], on_percent: t.Callable[[int], None]) -> tuple[int, str]:
    """Run qemu-img and follow its progress; it is killed when this process dies."""
    require_tools(argv[0])
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function
        argv,
        env={**environment(), "MALLOC_ARENA_MAX": "3"},  # arenas count against the address space
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_parent(_ADDRESS_SPACE),
    )
    output = b""
    with process:
        try:
            while process.stdout and (piece := os.read(process.stdout.fileno(), 4096)):
                output = (output + piece)[-4096:]
                found = _PERCENT.findall(piece)
                if found:
                    on_percent(int(found[-1]))
            return process.wait(), _PERCENT.sub(b"", output).decode("utf-8", "replace")
        finally:
            process.kill()
