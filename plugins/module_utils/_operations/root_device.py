"""bm_root_device: choose the disk that gets the image, by the node's hints, and keep the choice."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC
from .._contract.node import Node
from .._errors import StepError
from .._image import root_device
from .._work import work

ARGUMENT_SPEC = {
    **NODE_SPEC,
    "disks": {"type": "list", "elements": "dict", "required": True},
    "hardware": {"type": "dict"},
}

_KEPT = ("name", "by_path", "size_bytes", "serial", "wwn", "model")


def run(request: Request) -> Result:
    """Return ``device``, the path of the one disk that fits, and ``disk``, all that is known of it.

    :raises StepError: the machine was not booted in the mode, or with the Secure Boot, that the node is to have.
    :raises RootDeviceError: none fits, or more than one; the node is ``deploy failed`` then, if it was deploying.
    """
    node = request.node
    if request.check_mode:
        disk = root_device.choose(request.params["disks"], node.root_device, node.name)
        return {**state_of(request.store.get(node.name)), "device": root_device.path_of(disk), "disk": dict(disk)}
    with work.hold(request, "deploy") as task:
        _check_firmware(node, request.params.get("hardware") or {})
        disk = root_device.choose(request.params["disks"], node.root_device, node.name)
        task.record.instance_info["disk"] = {key: disk.get(key) for key in _KEPT}
        task.note("root device", root_device.describe(disk))
        return {**state_of(task.record), "device": root_device.path_of(disk), "disk": dict(disk)}


def _check_firmware(node: Node, hardware: t.Mapping[str, t.Any]) -> None:
    """Compare what the ramdisk says of the firmware with what is wanted; a BMC's word is not enough to write a disk."""
    if not hardware.get("ramdisk"):
        return
    if hardware["boot_mode"] != node.boot_mode:
        raise StepError(
            f"The machine was booted in {hardware['boot_mode']} mode, and bm_boot_mode is {node.boot_mode}.",
            node=node.name,
            hint="Correct bm_boot_mode, or the boot mode in the firmware's setup.",
        )
    if node.secure_boot is not None and hardware["secure_boot"] != node.secure_boot:
        raise StepError(
            f"Secure Boot is {'on' if hardware['secure_boot'] else 'off'} in the machine,"
            f" and bm_secure_boot is {str(node.secure_boot).lower()}.",
            node=node.name,
            hint="Switch it in the firmware's own setup; it may have no keys enrolled.",
        )
