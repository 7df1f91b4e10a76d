"""What sushy's errors, silence and garbage mean: ours, with what was being done."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..._errors import BareMetalError, BMCConnectionError, BMCResponseError, UnsupportedOperationError
from .answers import Answer, ElsewhereError, MalformedError
from .connection import UnreachableError

LACKING = ("InvalidParameterValueError", "MissingActionError", "MissingAttributeError")
"""sushy's errors that mean that the BMC does not offer it."""

LOG = "See the BMC's own log."

NETWORK = "Check bm_bmc.address, the BMC's network and its power."

UNREACHABLE = {
    "certificate": (
        "its certificate is not trusted",
        "Set bm_bmc.verify to the CA's file, or to sha256:<digest of the certificate>.",
    ),
    "tls": (
        "it does not agree on TLS",
        "It may speak TLS 1.1 or older only: update its firmware, or switch TLS 1.2 on in it.",
    ),
    "name": ("it can't be reached", "Check the host name in bm_bmc.address."),
    "silent": ("it can't be reached", f"{NETWORK} One request may take bm_bmc.timeout."),
    "connection": ("it can't be reached", NETWORK),
}
"""By what is wrong with a connection: what is said of it, and the remedy."""


def translate(exc: Exception, failed: str, node: str) -> BareMetalError:
    """Return our error for one of sushy's."""
    kind, reason = type(exc).__name__, str(exc).splitlines()[0]
    if kind in LACKING:
        return UnsupportedOperationError(f"{failed}: {reason}", node=node, hint="This BMC does not offer it.")
    answer = getattr(exc, "response", None)
    if isinstance(answer, Answer):
        return refused(answer, failed, node)
    return BMCResponseError(f"{failed}: {reason}", node=node, hint=LOG)


def refused(answer: Answer, failed: str, node: str) -> BMCResponseError:
    """Return our error for an answer that is one; ``retryable`` where the BMC is busy."""
    hint = "The account lacks the privilege, or the BMC a licence." if answer.status_code == 403 else LOG
    return BMCResponseError(
        f"{failed}: HTTP {answer.status_code}: {answer.words()}", node=node, hint=hint, retryable=answer.is_busy
    )


def unreachable(exc: UnreachableError, failed: str, node: str) -> BMCConnectionError:
    """Return our error for no answer."""
    said, hint = UNREACHABLE[exc.kind]
    return BMCConnectionError(
        f"{failed}: {said}: {exc}.", node=node, hint=hint, retryable=exc.kind in ("silent", "connection")
    )


def malformed(exc: Exception, failed: str, node: str) -> BMCResponseError:
    """Return our error for an answer that is not what Redfish prescribes; the next one may be."""
    if isinstance(exc, ElsewhereError):
        return BMCResponseError(
            f"{failed}: {exc}, another address: it is not followed, since the credentials would go there.",
            node=node,
            hint="Set bm_bmc.address to where the BMC really is.",
        )
    is_told = isinstance(exc, MalformedError)
    reason = str(exc) if is_told else f"{type(exc).__name__}: {exc}"
    return BMCResponseError(
        f"{failed}: its answer is not what Redfish prescribes ({reason}).",
        node=node,
        hint="Check bm_bmc.address; update or restart the BMC.",
        retryable=is_told,  # the next answer may be whole; a type that is wrong stays wrong
    )
