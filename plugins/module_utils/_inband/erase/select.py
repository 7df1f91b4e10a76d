"""Which disks an erase means: the options disks, allow and skip, resolved before anything is touched."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from ..._errors import InvalidRequestError

Disk = dict[str, t.Any]

_KEYS = ("name", "by_path", "serial", "wwn", "wwn_with_extension")
_ARRAY = re.compile(r"/md[^/]*$")


@dataclass(frozen=True)
class Choice:
    """A disk, and why it is left alone; ``reason`` is None for one to erase. ``named``: it is in ``disks``."""

    disk: Disk
    reason: str | None
    named: bool


def choose_disks(
    disks: t.Sequence[Disk], named: t.Sequence[str] | None, allow: t.Sequence[str] | None, skip: t.Sequence[str]
) -> list[Choice]:
    """Return every disk with the decision on it, in the given order.

    :param named: only these; None means all that are allowed.
    :param allow: outside of it nothing is erased; None allows all.
    :raises InvalidRequestError: a list that is empty, which may be an expression that found nothing; an entry that is
        no disk, or several; a named disk that may not be erased.
    """
    for entries, option in ((named, "disks"), (allow, "allow")):
        if entries is not None and not entries:
            raise InvalidRequestError(
                f"{option} is empty; nothing was erased.", hint=f"Name disks, or leave {option} out to mean all."
            )
    wanted, allowed, skipped = (
        resolve(entries or (), disks, option)
        for option, entries in (("disks", named), ("allow", allow), ("skip", skip))
    )
    arrays = {name for disk in disks for name in disk.get("member_of") or ()}
    choices = []
    for disk in disks:
        reason = _find_reason(disk["name"], allowed if allow else None, skipped, arrays)
        if disk["name"] in wanted and reason:
            raise InvalidRequestError(
                f"{disk['name']} is named in disks, but {reason}; nothing was erased.",
                hint="Take it out of disks, or change allow and skip.",
            )
        if named and disk["name"] not in wanted:
            reason = reason or "not named in disks"
        choices.append(Choice(disk, reason, disk["name"] in wanted))
    return choices


def resolve(entries: t.Sequence[str], disks: t.Sequence[Disk], option: str) -> set[str]:
    """Return the names of the disks that the entries mean.

    :raises InvalidRequestError: an entry matches no disk, or more than one.
    """
    found = set()
    for entry in entries:
        matching = [disk["name"] for disk in disks if _is_meant(entry, disk)]
        if len(matching) != 1:
            what = f"{len(matching)} disks ({', '.join(matching)})" if matching else "no disk"
            raise InvalidRequestError(
                f"{entry!r} in {option} matches {what} of this node; nothing was erased.",
                hint=f"Give a name, by_path, serial or WWN that only one disk has. Disks: {describe_disks(disks)}.",
            )
        found.add(matching[0])
    return found


def describe_disks(disks: t.Sequence[Disk]) -> str:
    """Return the disks in words, for a message."""
    return "; ".join(
        " ".join([disk["name"], *(f"{key} {disk[key]}" for key in ("serial", "wwn") if disk.get(key))])
        for disk in disks
    )


def _is_meant(entry: str, disk: Disk) -> bool:
    known = (disk, *(disk.get("paths") or ()))  # a multipath device is meant also by what its paths are called
    if entry.startswith("/"):
        return any(os.path.realpath(entry) == os.path.realpath(str(one["name"])) for one in known)
    return entry.lower() in [str(one[key]).lower() for one in known for key in _KEYS if one.get(key)]


def _find_reason(name: str, allowed: set[str] | None, skipped: set[str], arrays: set[str]) -> str | None:
    if name in skipped:
        return "it is in skip"
    if allowed is not None and name not in allowed:
        return "it is not in allow"
    if name in arrays or _ARRAY.search(os.path.realpath(name)):
        return "it is a RAID array: its member disks are erased, not the array"
    return None
