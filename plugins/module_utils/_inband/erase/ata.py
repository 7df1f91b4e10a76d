"""Erases ATA drives with their security feature set, through hdparm."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from ..._errors import StepError
from ..agent.command import run_command

#: The user password, from before the erase until its end. A drive that lost power in between is locked with it.
PASSWORD = "bm-erase"

_FLAG = re.compile(r"(not\s+)?(supported|enabled|locked|frozen)")
_TIME = re.compile(r"(more than )?(\d+)min for (ENHANCED )?SECURITY ERASE UNIT")
_RATE = re.compile(r"^\s*Nominal Media Rotation Rate:\s*(.+)$", re.MULTILINE)
_SHORTEST_LIMIT = 3600
_LONGEST_LIMIT = 72 * 3600  # for drives that name no time, or "more than 508 min"


@dataclass(frozen=True)
class AtaSecurity:
    """State of the security feature set (ATA/ATAPI Command Set ACS-4, section 4.18); ``limit`` in seconds.

    ``rotates``: what the drive says of its medium, None where it says nothing. HBAs call flash rotational, too.
    """

    supported: bool = False
    enabled: bool = False
    locked: bool = False
    frozen: bool = False
    enhanced: bool = False
    rotates: bool | None = None
    limit: int = _LONGEST_LIMIT


class PasswordLeftError(StepError):
    """The drive keeps the password, and locks when it loses power: no other method may call it erased."""


def read_ata_security(device: str) -> AtaSecurity:
    """Ask the drive; one that is no ATA drive, or does not answer, supports nothing."""
    return parse_identify(run_command(["hdparm", "-I", device], accept=range(256)))


def parse_identify(text: str) -> AtaSecurity:
    """Return the security state from what ``hdparm -I`` prints."""
    dummy, found, section = text.partition("\nSecurity:")
    lines = [line.strip() for line in section.splitlines()[1:]] if found else []
    flags = {}
    for line in lines:
        flag = _FLAG.fullmatch(line)
        if flag:
            flags[flag.group(2)] = not flag.group(1)
    enhanced = "supported: enhanced erase" in lines
    rate = _RATE.search(text)
    rotates = rate.group(1).strip().isdigit() if rate else None
    return AtaSecurity(**flags, enhanced=enhanced, rotates=rotates, limit=_read_limit(section, enhanced))


def _read_limit(section: str, enhanced: bool) -> int:
    for more, minutes, kind in _TIME.findall(section):
        if bool(kind) == enhanced and not more:
            return max(_SHORTEST_LIMIT, 2 * 60 * int(minutes))
    return _LONGEST_LIMIT


def secure_erase(device: str, variant: str) -> None:
    """Erase the drive, reallocated sectors included where ``variant`` is ``enhanced``. Blocks until done.

    :raises StepError: the drive refused, is locked, or did not end in time.
    :raises PasswordLeftError: it did not give up the password either.
    """
    security = read_ata_security(device)
    if security.locked:
        _unlock(device)
    try:
        _run_security("set-pass", device)
        _run_security("erase-enhanced" if variant == "enhanced" else "erase", device, timeout=security.limit)
    except StepError:
        _ensure_no_password(device)
        raise
    if _ensure_no_password(device):  # an erase that is done takes it away
        raise StepError(f"{device} did not finish the erase.", hint="Look at dmesg in the ramdisk.")


def _ensure_no_password(device: str) -> bool:
    """Take the password away; return whether it was there.

    :raises PasswordLeftError: it still is.
    """
    if not _has_password(device):
        return False
    for action in ("unlock", "disable"):
        with contextlib.suppress(StepError):  # one that is not locked refuses to be unlocked; the state is what counts
            _run_security(action, device)
    if _has_password(device):
        raise PasswordLeftError(
            f"{device} may still have the ATA user password {PASSWORD!r}, and lock when it loses power. Take it away "
            f"with hdparm --security-unlock {PASSWORD} and hdparm --security-disable {PASSWORD}, or replace the drive.",
            hint="Look at dmesg in the ramdisk.",
        )
    return True


def _has_password(device: str) -> bool:
    """Whether the drive has a password, as far as it says so: one that does not answer may have."""
    try:
        security = read_ata_security(device)
    except StepError:
        return True
    return security.enabled or not security.supported


def _unlock(device: str) -> None:
    """Unlock a drive that an erase which died has locked."""
    try:
        _run_security("unlock", device)
    except StepError as exc:
        raise StepError(
            f"The security of {device} is locked, with a password that this module did not set.",
            hint="Unlock it with hdparm --security-unlock, or replace the drive.",
        ) from exc


def _run_security(action: str, device: str, timeout: float = 60) -> None:
    run_command(["hdparm", "--user-master", "u", f"--security-{action}", PASSWORD, device], timeout=timeout)
