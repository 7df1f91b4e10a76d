"""Refuses boot media that firmware with Secure Boot would refuse, before a machine is started with them."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._contract.node import Node
from .._errors import InvalidRequestError
from .._inband.boot.authenticode import is_signed, programs_in_image
from . import ramdisk

HEADER = 1024
"""Bytes of an EFI program that tell whether it is signed."""


def check_signed(node: Node) -> None:
    """Check that the boot loader and the kernel of the ramdisk are signed.

    :raises InvalidRequestError: naming the file that is not, or can't be read.
    """
    found = {
        "esp": list(programs_in_image(ramdisk.read_file(node, "esp"))),
        "kernel": [signed for signed in [is_signed(ramdisk.read_file(node, "kernel")[:HEADER])] if signed is not None],
    }
    for key, signed in found.items():
        if not signed or not all(signed):
            raise InvalidRequestError(
                f"Secure Boot is on, and bm_ramdisk.{key} holds"
                f" {'a program that is not signed' if signed else 'no EFI program'}.",
                node=node.name,
                hint="Set bm_ramdisk.esp to the esp-signed.img, and bm_ramdisk.kernel to the kernel, that"
                " baremetal.lifecycle.build_ramdisk makes; or bm_secure_boot: false.",
            )
