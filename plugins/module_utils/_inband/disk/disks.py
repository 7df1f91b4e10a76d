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
import typing as t
from pathlib import Path

from ..._errors import InvalidRequestError
from ..agent.command import run_command, search_path

_COLUMNS = "PATH,TYPE,SIZE,MODEL,VENDOR,SERIAL,WWN,ROTA,HCTL,TRAN,RO,RM"
_BY_PATH = Path("/dev/disk/by-path")
#: Pseudo disks, and the boot areas of an eMMC, which lsblk calls disks too.
_SKIPPED = re.compile(r"/(ram|zram|fd|sr|loop|nbd)\d+$|/mmcblk\d+(boot\d+|rpmb)$")

Disk = dict[str, t.Any]
Properties = dict[str, str]


def list_disks(devices: t.Sequence[str] = ()) -> list[Disk]:
    """Return the disks, RAID arrays and multipath devices that an image can be written to.

    :param devices: when given only these, in this order; files and loop devices may stand for disks.
    :raises InvalidRequestError: a path in ``devices`` is no disk.
    """
    if devices:
        return [_describe_path(device) for device in devices]
    # Without a tree, or the column NAME, lsblk does not say what is stacked on what.
    argv = ["lsblk", "--json", "--bytes", "--tree=PATH", "--output", _COLUMNS]
    disks = parse_lsblk(run_command(argv))
    return [describe(disk, _read_udev(str(disk["path"])), _find_by_path(str(disk["path"]))) for disk in disks]


def parse_lsblk(text: str) -> list[Disk]:
    """Return lsblk's entries for what can hold a whole-disk image, each once, sorted by path.

    Paths of one multipath device are left out in favour of that device: they are the same disk.
    """
    found: dict[str, Disk] = {}
    for entry in json.loads(text)["blockdevices"]:
        above = list(_walk(entry.get("children") or []))
        multipath = [child for child in above if child["type"] == "mpath"]
        arrays = [child for child in above if str(child["type"]).startswith("raid")]
        own = [entry] if _is_disk(entry) and not multipath else []
        for disk in own + multipath + arrays:
            if int(disk["size"] or 0) > 0:
                found[disk["path"]] = disk
    return [found[path] for path in sorted(found)]


def _walk(entries: list[Disk]) -> t.Iterator[Disk]:
    for entry in entries:
        yield entry
        yield from _walk(entry.get("children") or [])


def _is_disk(entry: Disk) -> bool:
    kind = str(entry["type"])
    whole = kind in ("disk", "mpath") or kind.startswith("raid")
    return whole and not _SKIPPED.search(str(entry["path"]))


def describe(disk: Disk, udev: Properties, by_path: str | None) -> Disk:
    """Return one disk in the words of root device hints; absent properties are None.

    What udev calls ID_… of a disk, it calls DM_… of a multipath device.
    """
    return {
        "name": disk["path"],
        "by_path": by_path,
        "size_bytes": int(disk["size"] or 0),
        "model": _clean(disk["model"]) or _clean(udev.get("ID_MODEL")),
        "vendor": _clean(disk["vendor"]) or _clean(udev.get("ID_VENDOR")),
        "serial": _clean(disk["serial"]) or _clean(udev.get("ID_SERIAL_SHORT") or udev.get("DM_SERIAL")),
        "wwn": udev.get("ID_WWN") or udev.get("DM_WWN") or _clean(disk["wwn"]),
        "wwn_with_extension": udev.get("ID_WWN_WITH_EXTENSION"),
        "wwn_vendor_extension": udev.get("ID_WWN_VENDOR_EXTENSION"),
        "rotational": _to_bool(disk["rota"]),
        "hctl": _clean(disk["hctl"]),
        "tran": _clean(disk["tran"]),
        "read_only": _to_bool(disk["ro"]),
        "removable": _to_bool(disk["rm"]),
    }


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
    return describe({**entry, "path": device}, _read_udev(real), _find_by_path(real))


def _read_udev(path: str) -> Properties:
    if shutil.which("udevadm", path=search_path()) is None:
        return {}
    # Without udev's database (a container) the call fails; lsblk's own columns are then all there is.
    text = run_command(["udevadm", "info", "--query=property", f"--name={path}"], accept=range(256))
    return {key: value for key, separator, value in (line.partition("=") for line in text.splitlines()) if separator}


def _find_by_path(path: str) -> str | None:
    links = sorted(_BY_PATH.glob("*")) if _BY_PATH.is_dir() else []
    return next((str(link) for link in links if os.path.realpath(link) == path), None)


def _clean(value: t.Any) -> str | None:
    return " ".join(str(value).split()) or None if value is not None else None


def _to_bool(value: t.Any) -> bool:
    return str(value).lower() in ("1", "true")  # lsblk before 2.33 wrote strings
