"""Which disk gets the image: exactly one must fit the hints. Pure.

Keys and operators are Ironic's (user guide, "Specifying the disk for deployment"): all hints must match,
strings are compared in lower case, ``size`` is in GiB.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from urllib.parse import quote

from .._dependency import load
from .._errors import InvalidRequestError, RootDeviceError

Disk = t.Mapping[str, t.Any]

GIB = 1024**3
_STRING_SPEC = re.compile(r"^(s==|s!=|s<=|s>=|s<|s>|<in>)\s*(.*)$")


def choose(disks: t.Sequence[Disk], hints: t.Mapping[str, t.Any], node: str) -> Disk:
    """Return the one disk that fits.

    :param disks: as bm_hardware_info returns them.
    :raises RootDeviceError: none fits, or more than one; all are listed.
    """
    writable = [disk for disk in disks if not disk.get("read_only")]
    fitting = [disk for disk in writable if all(_fits(disk, key, hint, node) for key, hint in hints.items())]
    if len(fitting) == 1:
        return fitting[0]
    listed = "; ".join(describe(disk) for disk in (fitting or writable)) or "none"
    if not fitting:
        wanted = f" for the hints {dict(hints)}" if hints else ""
        raise RootDeviceError(
            f"No disk fits{wanted}. Disks: {listed}.", node=node, hint="Correct bm_root_device, or look at the disks."
        )
    why = f"fit the hints {dict(hints)}" if hints else "are there and no hints are given"
    raise RootDeviceError(
        f"{len(fitting)} disks {why}: {listed}.",
        node=node,
        hint="Name one with bm_root_device, best by serial or wwn. A disk not chosen by hints is never written.",
    )


def path_of(disk: Disk) -> str:
    """Return the path that names a disk also after another boot of the ramdisk, where it has one."""
    return str(disk.get("by_path") or disk["name"])


def describe(disk: Disk) -> str:
    """Return a disk in words, for an operator to choose by."""
    parts = [disk["name"], f"{disk['size_bytes'] / GIB:.1f} GiB"]
    parts += [f"{key} {disk[key]}" for key in ("model", "serial", "wwn", "tran") if disk.get(key)]
    return ", ".join(parts)


def _fits(disk: Disk, key: str, hint: t.Any, node: str) -> bool:
    if key == "rotational":
        return bool(disk.get("rotational")) == (str(hint).strip().lower() in ("true", "1", "yes"))
    value = disk["size_bytes"] // GIB if key == "size" else disk.get(key)
    if value is None:
        return False
    wanted = str(hint).strip().lower()
    specs_matcher = load("oslo_utils.specs_matcher", "oslo.utils")
    try:
        if key == "size":
            return bool(specs_matcher.match(str(value), wanted if wanted[:1] in "<>=!" else f"== {wanted}"))
        return bool(specs_matcher.match(_one_word(str(value).strip().lower()), _string_spec(wanted)))
    except (ValueError, TypeError, SyntaxError) as exc:
        raise InvalidRequestError(
            f"The hint bm_root_device.{key} '{hint}' can't be compared with '{value}': {exc}.",
            node=node,
            hint="Use s== for text and == >= <= for numbers.",
        ) from exc


def _one_word(text: str) -> str:
    """Return text as one word: the matcher's grammar has no quotes, and models have spaces in them."""
    return quote(text, safe="/:.-_")


def _string_spec(wanted: str) -> str:
    if wanted.startswith("<or>"):
        return " ".join(f"<or> {_one_word(part.strip())}" for part in wanted.split("<or>")[1:])
    match = _STRING_SPEC.match(wanted)
    operator, rest = match.groups() if match else ("s==", wanted)
    return f"{operator} {_one_word(rest.strip())}"
