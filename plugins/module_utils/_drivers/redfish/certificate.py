"""What there is to be said of a BMC's certificate, beside whether it is trusted (RFC 5280, 4.1.2.5: Validity)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import hashlib

try:
    from cryptography import x509
except ImportError:  # it comes with pyghmi; without it, the days are not told
    x509 = None  # type: ignore[assignment]

from ..interfaces import NOTE, OK, Finding

EXPIRES_SOON = datetime.timedelta(days=30)


def digest_of(certificate: bytes) -> str:
    """Return the digest of a certificate (DER), as bm_bmc.verify takes it."""
    return f"sha256:{hashlib.sha256(certificate).hexdigest()}"


def examine(tls: str, certificate: bytes, *, is_verified: bool, now: datetime.datetime) -> Finding:
    """Return what is found of a certificate (DER) that a BMC has shown.

    :param tls: the version of TLS.
    :param is_verified: whether it was checked when the connection was made.
    """
    span, advice = _span_of(certificate, now)
    seen = f"{tls}, {span}, {digest_of(certificate)}"
    if not is_verified:
        advice = f"{advice} It is not verified: trust its digest.".strip()
    return Finding("certificate", NOTE if advice else OK, seen, advice)


def _span_of(certificate: bytes, now: datetime.datetime) -> tuple[str, str]:
    """Return in words when it is valid, and what to do about that."""
    if x509 is None:
        return "? days left", ""
    read = x509.load_der_x509_certificate(certificate)
    start, end = read.not_valid_before_utc, read.not_valid_after_utc
    if now < start:
        advice = "This machine's clock is wrong, or the BMC's was when it made it: set both (NTP), and renew it."
        return f"not valid before {start.date()}", advice
    if now > end:
        advice = "Renew it in the BMC, and compare this machine's clock with the BMC's; until then trust its digest."
        return f"expired on {end.date()}", advice
    left = end - now
    return f"{left.days} days left", "Renew it; or trust it by its digest." if left < EXPIRES_SOON else ""
