"""Which boot interface is which: adding one is a file, a line here and its test."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._contract.node import Node
from .._drivers.base import Driver
from .base import BootInterface
from .inserted_media import InsertedMedia
from .ipxe import IPXE
from .uefi_http import HTTP
from .virtual_media import VirtualMedia

BOOT_INTERFACES: dict[str, type[BootInterface]] = {
    "virtual_media": VirtualMedia,
    "ipxe": IPXE,
    "http": HTTP,
    "inserted_media": InsertedMedia,
}


def boot_interface(node: Node, driver: Driver) -> BootInterface:
    """Return the boot interface of a node; its name has passed the contract."""
    return BOOT_INTERFACES[node.boot_interface](node, driver)


def bmc_calls(node: Node) -> list[str]:
    """Return what a deployment asks of the BMC, in order: for check mode."""
    if node.deploy_interface == "noop":
        return []
    boot = BOOT_INTERFACES[node.boot_interface]
    secure = [f"switch Secure Boot {'on' if node.secure_boot else 'off'}"] if node.secure_boot is not None else []
    start = ["power off", *secure, *boot.calls, "power on"]
    if node.deploy_interface == "ramdisk":
        return start
    return [*start, *boot.clean_up_calls, "boot from disk", "power off", "power on"]
