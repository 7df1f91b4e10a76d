"""Refuses boot media that firmware with Secure Boot would refuse, before a machine is started with them."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ._errors import InvalidRequestError
from ._inband._authenticode import programs_in_image


def check_signed(image: bytes, what: str, node: str) -> None:
    """Check that all EFI programs in a FAT image are signed.

    :raises InvalidRequestError: there is none, or one is not signed.
    """
    signed = list(programs_in_image(image))
    if not signed or not all(signed):
        raise InvalidRequestError(
            f"Secure Boot is on, and {what} holds {'a program that is not signed' if signed else 'no EFI program'}.",
            node=node,
            hint="Set bm_ramdisk.esp to the esp-signed.img that playbooks/build_ramdisk.yml makes,"
            " or bm_secure_boot: false.",
        )
