"""The hardware of a machine as its BMC tells it: one shape for all drivers. Pure."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

Inventory = dict[str, t.Any]

SECTIONS: dict[str, tuple[str, ...]] = {
    "system": ("vendor", "product", "serial", "uuid", "sku"),
    "firmware": ("bios", "bmc"),
    "cpus": ("count", "sockets", "model", "architecture"),
}
"""Each section with its keys. ``cpus.count`` counts logical processors; ``architecture`` is as uname has it."""

LISTS: dict[str, tuple[str, ...]] = {
    "disks": ("name", "model", "serial", "size_bytes", "media_type", "protocol"),
    "nics": ("name", "mac", "speed_mbps", "link"),
}
"""Each list with the keys of its entries. ``mac`` is in lower case with colons; ``link`` is a bool."""

VALUES = ("memory_mb", "boot_mode")
"""Single values: installed memory in MiB; ``uefi`` or ``bios``."""


def complete(told: t.Mapping[str, t.Any]) -> Inventory:
    """Return the inventory with every key; what the BMC does not tell is None or an empty list.

    ``missing`` names the sections, lists and values that the BMC has, or should have, and answered with an error;
    what it does not have at all is not among them.
    """
    return {
        **{name: _filled(keys, told.get(name) or {}) for name, keys in SECTIONS.items()},
        **{name: [_filled(keys, entry) for entry in told.get(name) or []] for name, keys in LISTS.items()},
        **{name: told.get(name) for name in VALUES},
        "missing": sorted(set(told.get("missing") or [])),
    }


def _filled(keys: tuple[str, ...], told: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: told.get(key) for key in keys}
