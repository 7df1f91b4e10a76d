"""The disks of the node, with the keys that root device hints use."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import time
import typing as t

from ..._errors import InvalidRequestError
from ..agent.command import run_command, search_path
from .udev import Properties, find_by_path, read_properties, settle

_COLUMNS = "PATH,TYPE,SIZE,MODEL,VENDOR,SERIAL,WWN,ROTA,HCTL,TRAN,RO,RM"
#: Pseudo disks, and the boot areas of an eMMC, which lsblk calls disks too.
_SKIPPED = re.compile(r"/(ram|zram|fd|sr|loop|nbd)\d+$|/mmcblk\d+(boot\d+|rpmb)$")
_LOOKS, _PAUSE = 10, 0.5  # for multipathd, which may have been started a moment ago
#: What blkid calls a disk whose firmware makes an array of it and others (libblkid, superblocks/*_raid.c).
_FIRMWARE_RAID = re.compile(r"(?!linux_)\w+_raid_member")
_FROM_PATHS = ("model", "vendor", "serial", "wwn", "wwn_with_extension", "wwn_vendor_extension", "tran")

Disk = dict[str, t.Any]


def list_disks(devices: t.Sequence[str] = ()) -> list[Disk]:
    """Return the disks, RAID arrays and multipath devices that an image can be written to.

    Where disks look like paths of one, multipathd has five seconds to make one of them.

    :param devices: when given only these, in this order; files and loop devices may stand for disks.
    :raises InvalidRequestError: a path in ``devices`` is no disk.
    """
    if devices:
        return [_describe_path(device) for device in devices]
    disks = _read_disks()
    for dummy in range(_LOOKS if shutil.which("multipathd", path=search_path()) else 0):
        if not find_twins(disks):
            break
        time.sleep(_PAUSE)
        settle()
        disks = _read_disks()
    return disks


def find_twins(disks: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, list[str]]:
    """Return the names of disks with one WWN and serial, each with the others: most likely paths of one disk."""
    found: dict[tuple[str, ...], list[str]] = {}
    for disk in disks:
        wwn = disk.get("wwn_with_extension") or disk.get("wwn")  # the short one may be that of the whole storage array
        if wwn:
            found.setdefault((wwn, disk.get("serial") or ""), []).append(disk["name"])
    several = [names for names in found.values() if len(names) > 1]
    return {name: [other for other in names if other != name] for names in several for name in names}


def _read_disks() -> list[Disk]:
    # Without a tree, or the column NAME, lsblk does not say what is stacked on what.
    text = run_command(["lsblk", "--json", "--bytes", "--tree=PATH", "--output", _COLUMNS])
    return [_look_up(disk, [_look_up(path) for path in disk["paths"]]) for disk in parse_lsblk(text)]


def _look_up(disk: Disk, paths: t.Sequence[Disk] = ()) -> Disk:
    path = str(disk["path"])
    return describe(disk, read_properties(path), find_by_path(path), paths)


def parse_lsblk(text: str) -> list[Disk]:
    """Return lsblk's entries for what can hold a whole-disk image, each once, sorted by path.

    Each has ``member_of``, the arrays above it, and ``paths``: the paths of a multipath device are no disks of their
    own, and are only there.
    """
    found: dict[str, Disk] = {}
    paths: dict[str, dict[str, Disk]] = {}
    for entry in _walk(json.loads(text)["blockdevices"]):
        above = list(_walk(entry.get("children") or []))
        multipath = [str(child["path"]) for child in above if child["type"] == "mpath"]
        for path in multipath if _is_disk(entry) else []:
            paths.setdefault(path, {})[entry["path"]] = entry
        if _is_disk(entry) and not multipath and int(entry["size"] or 0) > 0:
            arrays = sorted({str(child["path"]) for child in above if _is_array(child)})
            found[entry["path"]] = {**entry, "member_of": arrays}
    return [
        {**disk, "paths": [below for dummy, below in sorted(paths.get(path, {}).items())]}
        for path, disk in sorted(found.items())
    ]


def _walk(entries: list[Disk]) -> t.Iterator[Disk]:
    for entry in entries:
        yield entry
        yield from _walk(entry.get("children") or [])


def _is_disk(entry: Disk) -> bool:
    kind = str(entry["type"])
    return (kind in ("disk", "mpath") or "raid" in kind) and not _SKIPPED.search(str(entry["path"]))


def _is_array(entry: Disk) -> bool:
    # lsblk names an array by its level; md is one that does not run, or a container of firmware RAID.
    return "raid" in str(entry["type"]) or entry["type"] in ("md", "linear")


def describe(disk: Disk, udev: Properties, by_path: str | None, paths: t.Sequence[Disk] = ()) -> Disk:
    """Return one disk in the words of root device hints; absent properties are None.

    What udev calls ID_… of a disk, it calls DM_… of a multipath device (multipath-tools, kpartx_id), and MD_… of an
    array. The serial there is the disk's long one, and vendor and model are not there: these are those of its paths.
    """
    found = {
        "name": disk["path"],
        "by_path": by_path,
        "size_bytes": int(disk["size"] or 0),
        "model": _clean(disk["model"]) or _clean(udev.get("ID_MODEL")),
        "vendor": _clean(disk["vendor"]) or _clean(udev.get("ID_VENDOR")),
        "serial": _clean(disk["serial"]) or _first(udev, "ID_SERIAL_SHORT", "DM_SERIAL", "MD_UUID"),
        "wwn": udev.get("ID_WWN") or udev.get("DM_WWN") or _clean(disk["wwn"]),
        "wwn_with_extension": udev.get("ID_WWN_WITH_EXTENSION"),
        "wwn_vendor_extension": udev.get("ID_WWN_VENDOR_EXTENSION"),
        "rotational": _to_bool(disk["rota"]),
        "hctl": _clean(disk["hctl"]),
        "tran": _clean(disk["tran"]),
        "read_only": _to_bool(disk["ro"]),
        "removable": _to_bool(disk["rm"]),
        "member_of": disk.get("member_of") or _find_firmware_raid(udev),
        "paths": list(paths),
    }
    for key in _FROM_PATHS:
        values = {path[key] for path in paths}
        if found[key] is None and len(values) == 1:
            found[key] = values.pop()
    return found


def _find_firmware_raid(udev: Properties) -> list[str]:
    # Of Linux' own RAID that nobody has started it is what an earlier system left: the disk is free.
    kind = udev.get("ID_FS_TYPE", "")
    return [f"firmware RAID ({kind})"] if _FIRMWARE_RAID.fullmatch(kind) else []


def _describe_path(device: str) -> Disk:
    try:
        status = os.stat(device)
    except OSError as exc:
        raise InvalidRequestError(
            f"The device {device} in devices can't be used: {exc.strerror}.", hint="Give paths that are on the node."
        ) from exc
    if stat.S_ISREG(status.st_mode):
        empty = dict.fromkeys(_COLUMNS.lower().split(","))
        file = {**empty, "path": device, "size": status.st_size, "ro": not os.access(device, os.W_OK)}
        return describe(file, {}, None)
    if not stat.S_ISBLK(status.st_mode):
        raise InvalidRequestError(f"{device} in devices is no disk.", hint="Give paths of disks or regular files.")
    real = os.path.realpath(device)
    argv = ["lsblk", "--json", "--bytes", "--nodeps", "--output", _COLUMNS, real]
    entry = json.loads(run_command(argv))["blockdevices"][0]
    return describe({**entry, "path": device}, read_properties(real), find_by_path(real))


def _first(udev: Properties, *keys: str) -> str | None:
    return next((value for key in keys if (value := _clean(udev.get(key)))), None)


def _clean(value: t.Any) -> str | None:
    return " ".join(str(value).split()) or None if value is not None else None


def _to_bool(value: t.Any) -> bool:
    return str(value).lower() in ("1", "true")  # lsblk before 2.33 wrote strings
