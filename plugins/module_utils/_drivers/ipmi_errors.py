"""What a BMC's refusals over IPMI mean: completion codes and reasons of a failed log-in, as our errors."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._errors import BareMetalError, BMCAuthenticationError, BMCResponseError, UnsupportedOperationError

ONLY_IPMI_15 = "it offers IPMI 1.5 only, which does not encrypt"

AUTHENTICATION = ("password", "Unauthorized name", "RAKP", "privilege", "integrity", "role", "privelege")
"""Words of pyghmi's reasons that mean credentials, privilege level or K_g."""


def login_error(reason: str, failed: str, node: str) -> BareMetalError:
    """Return our error for pyghmi's reason why a log-in failed."""
    if "cipher" in reason.lower() or "algorithm" in reason.lower():
        return UnsupportedOperationError(
            f"{failed}: {reason}.",
            node=node,
            hint="Set bm_bmc.cipher_suite to one that the BMC has switched on: 17 (SHA-256) or 3 (SHA-1).",
        )
    if reason == ONLY_IPMI_15:
        return UnsupportedOperationError(f"{failed}: {reason}.", node=node, hint="Switch IPMI 2.0 on in the BMC.")
    if any(word in reason for word in AUTHENTICATION):
        return BMCAuthenticationError(
            f"{failed}: {reason}.",
            node=node,
            hint="Correct bm_bmc.username, password, privilege_level and kg_key; they are not tried again,"
            " since accounts lock out.",
        )
    return BMCResponseError(f"{failed}: {reason}.", node=node, hint="See the BMC's own log.", retryable=True)


BUSY = frozenset({0xC0, 0xC3, 0xC4, 0xCE, 0xCF, 0xD0, 0xD1, 0xD2})
UNSUPPORTED = frozenset({0x80, 0xC1, 0xC2, 0xCC, 0xD5, 0xD6})
INSUFFICIENT_PRIVILEGE = 0xD4
"""Completion codes (table 5-2; 0x80 is "parameter not supported" of the boot options)."""


def translate(code: int, reason: str, failed: str, node: str) -> BareMetalError:
    """Return our error for a completion code."""
    message = f"{failed}: {reason or 'refused'} (completion code 0x{code:02x})."
    if code == INSUFFICIENT_PRIVILEGE:
        return BMCAuthenticationError(
            message, node=node, hint="The account needs a higher level: see bm_bmc.privilege_level."
        )
    if code in UNSUPPORTED:
        return UnsupportedOperationError(message, node=node, hint="This BMC does not offer it.")
    return BMCResponseError(message, node=node, hint="See the BMC's own log.", retryable=code in BUSY)
