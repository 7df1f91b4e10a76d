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

LICENCE = ("license", "licence", "licensing")
"""Words of a BMC's that mean that it wants one (Base.1.17.LicenseRequired; iLO's and Supermicro's own): else it is not
guessed."""

HINTS = {
    403: "The BMC does not let this account do it: look at the role of bm_bmc.username in the BMC, and at its log.",
    404: "The BMC links to it, and does not have it, or it is no Redfish service: check bm_bmc.address and"
    " bm_bmc.system_id; update or restart the BMC.",
}
"""By status, what to do about a refusal."""

NETWORK = "Check bm_bmc.address, the BMC's network and its power."

UNREACHABLE = {
    "expired": (
        "its certificate has expired",
        "Renew it in the BMC, and compare this machine's clock with the BMC's; until then bm_bmc.verify may be"
        " sha256:<digest of the certificate>.",
    ),
    "early": (
        "its certificate is not valid yet",
        "This machine's clock is wrong, or the BMC's was when it made it: set both (NTP), and renew the certificate.",
    ),
    "name": (
        "its certificate is another host's",
        "Set bm_bmc.address to a name that it has, or bm_bmc.verify to sha256:<digest of the certificate>.",
    ),
    "certificate": (
        "its certificate is not trusted",
        "Set bm_bmc.verify to the CA's file, or to sha256:<digest of the certificate>.",
    ),
    "tls": (
        "it does not agree on TLS",
        "It may speak TLS 1.1 or older only: update its firmware, or switch TLS 1.2 on in it.",
    ),
    "host": ("it can't be reached", "Check the host name in bm_bmc.address."),
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
    words = answer.words()
    asked = f"{words.rstrip('.')} (asked: {answer.asked})." if answer.asked else words
    return BMCResponseError(
        f"{failed}: HTTP {answer.status_code}: {asked}",
        node=node,
        hint=hint_for(words, *answer.codes(), status=answer.status_code),
        retryable=answer.is_busy,
    )


def hint_for(*told: str, status: int = 0) -> str:
    """Return what to do about a refusal, by the BMC's own words and MessageIds, and its status."""
    if any(word in text.lower() for word in LICENCE for text in told):
        return "The BMC says that it wants a licence for it: install one, or do without what it is for."
    return HINTS.get(status, LOG)


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
