"""What a BMC's refusals and silence over IPMI mean: completion codes, reasons of a failed log-in, as our errors."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ..._errors import (
    BareMetalError,
    BMCAuthenticationError,
    BMCConnectionError,
    BMCResponseError,
    UnsupportedOperationError,
)

ONLY_IPMI_15 = "it offers IPMI 1.5 only, which does not encrypt"

NOT_NOW = ("Insufficient resources", "Session")
"""Words of pyghmi's reasons that mean that the BMC has no session to spare, or has lost this one."""

SUITE = ("cipher", "Cipher", "algorithm", "payload")
"""... that mean the cipher suite."""

AUTHENTICATION = ("password", "Unauthorized", "username", "privilege", "integrity", "role", "privelege")
"""... that mean credentials, privilege level or K_g."""


def login_error(reason: str, failed: str, node: str) -> BareMetalError:
    """Return our error for pyghmi's reason why a log-in failed."""
    if any(word in reason for word in NOT_NOW):
        return BMCResponseError(
            f"{failed}: {reason}.", node=node, hint="Close other sessions with it, or wait.", retryable=True
        )
    if any(word in reason for word in SUITE):
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


BUSY = frozenset({0xC0, 0xC3, 0xC4, 0xCE, 0xCF, 0xD0, 0xD1, 0xD2, 0xD5})
UNSUPPORTED = frozenset({0x80, 0xC1, 0xC2, 0xCC, 0xD6})
INSUFFICIENT_PRIVILEGE = 0xD4
"""Completion codes (table 5-2; 0x80 is "parameter not supported" of the boot options, 0xD5 "not in this state")."""


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


def silence(failed: str, node: str, seconds: float, port: int, odd: Exception | None) -> BMCConnectionError:
    """Return our error for an answer that did not come within the limit.

    :param odd: what was wrong with what came instead.
    """
    if odd is not None:
        return BMCConnectionError(
            f"{failed}: within {seconds:g} s nothing came but what IPMI does not prescribe ({_describe(odd)}).",
            node=node,
            hint=ODD_ANSWERS,
        )
    return BMCConnectionError(
        f"{failed}: no answer within {seconds:g} s.",
        node=node,
        hint=f"Check bm_bmc.address, that IPMI over LAN is switched on in the BMC, and UDP port {port}.",
    )


ODD_ANSWERS = "Check bm_bmc.address and port; set bm_bmc.cipher_suite to 3 for old BMCs; restart the BMC."


def _describe(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


def unreachable(exc: Exception, failed: str, node: str) -> BMCConnectionError:
    """Return our error for a connection that can't be had, or has ended."""
    return BMCConnectionError(
        f"{failed}: {exc}.", node=node, hint="Check bm_bmc.address, the BMC's network and its power."
    )


def malformed(exc: Exception, failed: str, node: str) -> BMCResponseError:
    """Return our error for an answer that is not what the specification says."""
    return BMCResponseError(
        f"{failed}: its answer is not what IPMI prescribes ({_describe(exc)}).",
        node=node,
        hint=ODD_ANSWERS,
        retryable=True,  # a datagram that was hurt on its way, or a late one: asked again, it may be right
    )


def too_short(content: t.Sequence[int], length: int, failed: str, node: str) -> BMCResponseError:
    """Return our error for an answer that is cut off."""
    return BMCResponseError(
        f"{failed}: it answered {len(content)} bytes instead of {length}.",
        node=node,
        hint="Update or restart the BMC.",
    )
