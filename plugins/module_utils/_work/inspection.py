"""What an inspection has found: both sources in one, and how that differs from the inventory. Pure."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._errors import InvalidRequestError, RootDeviceError
from .._image.root_device import GIB, choose, describe

Facts = dict[str, t.Any]
Difference = dict[str, t.Any]

IN_BAND = ("hardware", "disks")
"""Keys of bm_hardware_info's result that are facts."""


def merge(out_of_band: t.Mapping[str, t.Any] | None, in_band: t.Mapping[str, t.Any] | None) -> Facts:
    """Return all facts: both sources as they are, and ``properties``, where what the node says itself wins.

    ``properties`` has ``cpus`` (logical processors), ``memory_mb``, ``local_gb`` (the largest disk, in whole GiB; 0 of
    a node that has seen none), ``cpu_arch``, ``vendor``, ``product`` and ``serial``; None for what nobody knows.

    :param out_of_band: as a driver's get_inventory returns it; None if the BMC was not asked.
    :param in_band: as bm_hardware_info returns it; None if the node was not booted.
    """
    inside = None if in_band is None else {key: in_band[key] for key in IN_BAND if key in in_band}
    return {
        "out_of_band": None if out_of_band is None else dict(out_of_band),
        "in_band": inside,
        "properties": _choose_properties(out_of_band or {}, inside or {}),
    }


def _choose_properties(outside: t.Mapping[str, t.Any], inside: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    hardware, cpus = inside.get("hardware") or {}, outside.get("cpus") or {}
    pairs: dict[str, tuple[t.Any, ...]] = {
        "cpus": (hardware.get("cpus"), cpus.get("count")),
        "memory_mb": (hardware.get("memory_mb"), outside.get("memory_mb")),
        "local_gb": (
            _largest_gib(inside["disks"]) if "disks" in inside else None,
            _largest_gib(outside["disks"]) if outside.get("disks") else None,
        ),
        "cpu_arch": (hardware.get("architecture"), cpus.get("architecture")),
    }
    for key in ("vendor", "product", "serial"):
        pairs[key] = tuple((source.get("system") or {}).get(key) for source in (hardware, outside))
    return {key: next((value for value in values if value is not None), None) for key, values in pairs.items()}


def _largest_gib(disks: t.Sequence[t.Mapping[str, t.Any]]) -> int:
    return max((disk.get("size_bytes") or 0 for disk in disks), default=0) // GIB


def differences(declared: t.Mapping[str, t.Any], facts: t.Mapping[str, t.Any]) -> list[Difference]:
    """Return where the facts contradict the host variables, each as ``variable``, ``declared``, ``found``, ``message``.

    What is not declared, or was not found out, contradicts nothing.

    :param declared: host variables; bm_boot_mac, bm_boot_mode, bm_properties and bm_root_device are looked at.
    :param facts: as ``merge`` returns them.
    """
    return [
        *_compare_mac(declared.get("bm_boot_mac"), facts),
        *_compare_mode(declared.get("bm_boot_mode"), facts),
        *_compare_properties(declared.get("bm_properties") or {}, facts["properties"]),
        *_compare_root_device(declared.get("bm_root_device") or {}, facts),
    ]


def _compare_mac(declared: str | None, facts: t.Mapping[str, t.Any]) -> t.Iterator[Difference]:
    sources = ((facts.get("in_band") or {}).get("hardware") or {}, facts.get("out_of_band") or {})
    found = sorted({nic["mac"].lower() for source in sources for nic in source.get("nics") or [] if nic.get("mac")})
    if declared and found and declared.lower() not in found:
        message = f"bm_boot_mac is {declared}, and no port of the node has it. Ports: {', '.join(found)}."
        yield _difference("bm_boot_mac", declared, found, message)


def _compare_mode(declared: str | None, facts: t.Mapping[str, t.Any]) -> t.Iterator[Difference]:
    hardware = (facts.get("in_band") or {}).get("hardware") or {}
    found = hardware.get("boot_mode") or (facts.get("out_of_band") or {}).get("boot_mode")
    if declared and found and declared.lower() != found:
        message = f"bm_boot_mode is {declared}, and the node boots in {found} mode."
        yield _difference("bm_boot_mode", declared, found, message)


def _compare_properties(declared: t.Mapping[str, t.Any], properties: t.Mapping[str, t.Any]) -> t.Iterator[Difference]:
    for key, wanted in declared.items():
        found = properties.get(key)
        if wanted is not None and found is not None and not _is_same(wanted, found):
            name = f"bm_properties.{key}"
            yield _difference(name, wanted, found, f"{name} is {wanted}, and the node has {found}.")


def _compare_root_device(hints: t.Mapping[str, t.Any], facts: t.Mapping[str, t.Any]) -> t.Iterator[Difference]:
    disks = (facts.get("in_band") or {}).get("disks")
    if not hints or disks is None:
        return
    try:
        choose(disks, hints, "")
    except (RootDeviceError, InvalidRequestError) as exc:
        yield _difference("bm_root_device", dict(hints), [describe(disk) for disk in disks], exc.message)


def _is_same(wanted: t.Any, found: t.Any) -> bool:
    """Compare exactly as numbers, also one that a template made text of; text without regard to case."""
    if isinstance(found, int):
        try:
            return float(wanted) == found
        except (TypeError, ValueError):
            return False
    return str(wanted).strip().lower() == str(found).strip().lower()


def _difference(variable: str, declared: t.Any, found: t.Any, message: str) -> Difference:
    return {"variable": variable, "declared": declared, "found": found, "message": message}
