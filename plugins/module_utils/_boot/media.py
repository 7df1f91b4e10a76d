"""Boot media for one deployment: a small ISO with the node's keys and network; the rest comes over HTTP."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._contract.node import Node
from .._errors import InvalidRequestError
from . import ramdisk
from .agent import KeyPair
from .iso import make_iso

FILES = ("kernel", "initrd", "esp")
"""The files of the ramdisk that boot media are made of."""

_MENU = """\
serial --unit=0 --speed=115200
terminal_output serial console
set gfxpayload=text
linux /bm/vmlinuz {arguments}
initrd /bm/initrd.img /bm/node.cpio
boot
"""


def check_boot_mode(node: Node) -> None:
    """Refuse media for a machine that could not boot them.

    :raises InvalidRequestError: the node boots in BIOS mode.
    """
    if node.boot_mode != "uefi":
        raise InvalidRequestError(
            "The ramdisk's boot media boot in UEFI mode only; bm_boot_mode is bios.",
            node=node.name,
            hint="Set bm_boot_interface: ipxe, bm_boot_mode: uefi, or media of your own in bm_ramdisk.iso.",
        )


def make_media(node: Node, host: KeyPair, client: KeyPair, deployment: str) -> bytes:
    """Return the ISO: boot loader, kernel, the small first ramdisk, and this node's own files.

    The first ramdisk fetches the root file system and boots it only with the digest that is on the media.

    :raises InvalidRequestError: a file of the ramdisk can't be read, or the node boots in BIOS mode.
    """
    check_boot_mode(node)
    files = {
        "boot/grub/grub.cfg": _MENU.format(arguments=ramdisk.kernel_command_line(node)).encode(),
        "bm/vmlinuz": ramdisk.read_file(node, "kernel"),
        "bm/initrd.img": ramdisk.read_file(node, "initrd"),
        "bm/node.cpio": ramdisk.node_archive(node, host, client, deployment),
        "esp.img": ramdisk.read_file(node, "esp"),
    }
    return make_iso(files, "BM_RAMDISK", efi_image="esp.img")
