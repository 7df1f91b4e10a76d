"""Erases NVMe drives with their own commands: Sanitize, and Format NVM."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

from ..._errors import StepError
from ..agent.command import run_binary, run_command
from .progress import Tell, say_nothing

_SYS = Path("/sys/class/block")
_NAMESPACE = re.compile(r"nvme\d+n\d+")
_CONTROLLER = re.compile(r"nvme\d+")

# NVM Express Base Specification, Identify Controller data structure: OACS, FNA, SANICAP.
_OACS_FORMAT = 1 << 1
_FNA_ALL = 0b011  # format, or its secure erase, changes all namespaces
_FNA_CRYPTO = 1 << 2
_SANICAP_CRYPTO = 1 << 0
_SANICAP_BLOCK = 1 << 1

_SES = {"user data erase": 1, "crypto erase": 2}  # Format NVM command, Secure Erase Settings
_SANACT = {"block erase": 2, "crypto erase": 4}  # Sanitize command, Sanitize Action
_STATUS_DONE = (1, 4)  # Sanitize Status log page: 4 is done, with blocks deallocated against the request
_STATUS_RUNNING = 2
_STATUS_FAILED = 3

_LIMIT_SECONDS = 24 * 3600.0
_POLL_SECONDS = 2.0
_FAILED_POLLS = 5  # in a row; a busy controller may not answer each


@dataclass(frozen=True)
class NvmeAbilities:
    """What the controller offers. ``neighbours``: other namespaces of the drive; in a plan, those to be kept.

    ``unreadable``: a sanitize operation goes on or has failed; until one succeeds the drive refuses to read and write.
    """

    formats: bool = False
    formats_crypto: bool = False
    formats_all: bool = False
    sanitizes_blocks: bool = False
    sanitizes_crypto: bool = False
    neighbours: tuple[str, ...] = ()
    unreadable: bool = False


def is_namespace(device: str) -> bool:
    """Whether the device is an NVMe namespace."""
    return bool(_NAMESPACE.fullmatch(os.path.basename(os.path.realpath(device))))


def read_nvme_abilities(device: str) -> NvmeAbilities:
    """Ask the controller; a drive that does not answer has no abilities."""
    controller = find_controller(device)
    text = run_command(["nvme", "id-ctrl", controller, "--output-format=json"], accept=range(256))
    neighbours = find_neighbours(device)
    hidden = _count_namespaces(controller) - len([device, *neighbours])
    others = [*neighbours, f"{hidden} that the system does not show"] if hidden > 0 else neighbours
    abilities = parse_id_ctrl(text, others)
    if not (abilities.sanitizes_blocks or abilities.sanitizes_crypto):
        return abilities
    status = parse_sanitize_status(_read_sanitize_log(controller, accept=range(256)))
    return replace(abilities, unreadable=status in (_STATUS_RUNNING, _STATUS_FAILED))


def _count_namespaces(controller: str) -> int:
    """Return how many namespaces the drive has, also not attached to this controller; 0 where it can't say."""
    # A controller without namespace management refuses --all; then there are none but those attached.
    for more in (["--all"], []):
        text = run_command(["nvme", "list-ns", controller, *more, "--output-format=json"], accept=range(256))
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return len(json.loads(text)["nsid_list"])
    return 0


def parse_id_ctrl(text: str, neighbours: t.Sequence[str] = ()) -> NvmeAbilities:
    """Return the abilities from what ``nvme id-ctrl`` prints as JSON."""
    try:
        found = json.loads(text)
        oacs, fna, sanicap = (int(found.get(key, 0)) for key in ("oacs", "fna", "sanicap"))
    except (ValueError, TypeError, AttributeError):
        return NvmeAbilities()
    return NvmeAbilities(
        formats=bool(oacs & _OACS_FORMAT),
        formats_crypto=bool(fna & _FNA_CRYPTO),
        formats_all=bool(fna & _FNA_ALL),
        sanitizes_blocks=bool(sanicap & _SANICAP_BLOCK),
        sanitizes_crypto=bool(sanicap & _SANICAP_CRYPTO),
        neighbours=tuple(neighbours),
    )


def find_controller(device: str, root: Path = _SYS) -> str:
    """Return the controller's device node, such as ``/dev/nvme0``."""
    name = os.path.basename(os.path.realpath(device))
    owner = (root / name / "device").resolve()
    # With the kernel's own multipath a namespace belongs to a subsystem, which lists its controllers.
    names = [owner.name, *sorted(path.name for path in owner.glob("nvme*"))]
    found = next((item for item in names if _CONTROLLER.fullmatch(item)), name.rpartition("n")[0])
    return f"/dev/{found}"


def find_neighbours(device: str, root: Path = _SYS) -> list[str]:
    """Return the other namespaces of the same drive."""
    name = os.path.basename(os.path.realpath(device))
    owner = (root / name / "device").resolve()
    names = (path.name for path in root.glob("nvme*") if _NAMESPACE.fullmatch(path.name) and path.name != name)
    return sorted(f"/dev/{other}" for other in names if (root / other / "device").resolve() == owner)


def format_namespace(device: str, variant: str) -> None:
    """Erase one namespace, keeping its LBA format. Blocks until done.

    :raises StepError: the drive refused, or did not end in time.
    """
    # Where a format means all namespaces, nvme-cli takes the first LBA format unless it is told.
    options = [f"--ses={_SES[variant]}", f"--lbaf={_read_lba_format(device)}"]
    run_command(
        ["nvme", "format", device, *options, "--force", f"--timeout={int(_LIMIT_SECONDS * 1000)}"],
        timeout=_LIMIT_SECONDS + 60,
    )


def _read_lba_format(device: str) -> int:
    """Return the index of the LBA format (FLBAS of the Identify Namespace data structure: bits 6:5 and 3:0)."""
    text = run_command(["nvme", "id-ns", device, "--output-format=json"])
    try:
        flbas = int(json.loads(text)["flbas"])
    except (ValueError, TypeError, KeyError) as exc:
        raise StepError(
            f"The LBA format of {device} can't be read.", hint="Look at nvme id-ns in the ramdisk."
        ) from exc
    return (flbas & 0x60) >> 1 | flbas & 0x0F


def sanitize(device: str, variant: str, tell: Tell = say_nothing) -> None:
    """Erase the whole drive, with all its namespaces; one that is being sanitized, after that. Blocks until done.

    :raises StepError: the drive refused, failed, or did not end in time.
    """
    controller = find_controller(device)
    deadline = time.monotonic() + _LIMIT_SECONDS
    _await_sanitize(controller, tell, deadline)  # it refuses a second operation while one goes on
    run_command(["nvme", "sanitize", controller, f"--sanact={_SANACT[variant]}"])
    status = _await_sanitize(controller, tell, deadline)
    if status not in _STATUS_DONE:
        raise StepError(
            f"The sanitize operation of {controller} did not succeed: status {status}.",
            hint="Until a sanitize operation succeeds the drive refuses to work: look at nvme sanitize-log.",
        )


def _await_sanitize(controller: str, tell: Tell, deadline: float) -> int:
    """Return the status once no sanitize operation goes on, or at the deadline.

    :raises StepError: the drive does not answer any more.
    """
    failures = 0
    while True:
        try:
            log = _read_sanitize_log(controller)
        except StepError:
            failures += 1
            if failures > _FAILED_POLLS:
                raise
        else:
            failures, status = 0, parse_sanitize_status(log)
            if status != _STATUS_RUNNING or time.monotonic() > deadline:
                return status
            tell(parse_sanitize_percent(log))
        time.sleep(_POLL_SECONDS)


def _read_sanitize_log(controller: str, accept: t.Collection[int] = (0,)) -> bytes:
    return run_binary(["nvme", "sanitize-log", controller, "--raw-binary"], accept=accept)


def parse_sanitize_status(log: bytes) -> int:
    """Return the state of the last sanitize operation from the log page (bits 2:0 of SSTAT, bytes 2 and 3)."""
    return int.from_bytes(log[2:4], "little") & 0b111


def parse_sanitize_percent(log: bytes) -> float:
    """Return how much of a running sanitize operation is done (SPROG, bytes 0 and 1: parts of 65536)."""
    return 100 * int.from_bytes(log[:2], "little") / 65536
