"""bm_boot_device: what the machine boots from, once or from now on."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

from .._calls.request import Request, Result
from .._contract.argspec import NODE_SPEC
from .._drivers.base import CDROM, DISK, PXE, BootDevice, ManagementInterface
from .._work.single_act import check_free, hold, result_of

NONE = "none"
"""No override: the firmware's own boot order counts."""

ARGUMENT_SPEC = {
    **NODE_SPEC,
    "device": {"type": "str", "required": True, "choices": [DISK, PXE, CDROM, NONE]},
    "persistent": {"type": "bool", "default": False},
}


def run(request: Request) -> Result:
    """Set the boot override, or clear it, and read it back. Idempotent.

    :raises NodeLockedError: another live run holds the node; nothing was asked of its BMC.
    :raises UnsupportedOperationError: the machine can't boot from it.
    :raises BMCError: the BMC is away, refuses, or forgets it.
    """
    management = request.driver.management
    wanted = _wanted(request)
    check_free(request)
    before = management.get_boot_device()
    if _is_same(before, wanted):
        return _result(request, before, before)
    if request.check_mode:
        return {**_result(request, before, wanted), "boot_device": dataclasses.asdict(before)}
    with hold(request, "boot device") as task:
        _set(management, wanted)
        # Not always what was wanted: some BMCs know no persistent override, and it is set once then.
        after = management.get_boot_device()
        if after != before:
            task.note("boot device", f"{before} -> {after}")
    return _result(request, before, after)


def _wanted(request: Request) -> BootDevice:
    if request.params["device"] == NONE:
        return BootDevice(None, False)
    return BootDevice(request.params["device"], request.params["persistent"], request.node.boot_mode)


def _is_same(seen: BootDevice, wanted: BootDevice) -> bool:
    """Compare what counts: without a device nothing else does, and a BMC may not tell the mode."""
    if wanted.device is None or seen.device is None:
        return seen.device == wanted.device
    return dataclasses.replace(seen, mode=seen.mode or wanted.mode) == wanted


def _set(management: ManagementInterface, wanted: BootDevice) -> None:
    if wanted.device is None:
        management.clear_boot_device()
    else:
        management.set_boot_device(wanted.device, mode=wanted.mode or "", persistent=wanted.persistent)


def _result(request: Request, before: BootDevice, after: BootDevice) -> Result:
    told = {"boot_device": dataclasses.asdict(after)}
    return {**result_of(request, before != after, {"boot_device": dataclasses.asdict(before)}, told), **told}
