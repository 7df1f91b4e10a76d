"""Whose certificates a BMC may show: contexts of TLS.

To make one takes a fork twenty times as long as its parent, since it copies what they share, page by page.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import ssl
import typing as t

from ... import _dependency

DEFAULT = f"{__package__}.default_trust"
"""What this machine trusts; loaded only where it is asked for."""


def blank_context() -> ssl.SSLContext:
    """Return a context that trusts nobody yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what a CA file holds is trusted, whoever signed it
    return context


_spare = [blank_context()]
"""For the first BMC that is talked to; made in the process that has loaded this, whose forks need it once each."""


def make_context(verify: bool | str) -> ssl.SSLContext:
    """Return how a BMC is verified; :raises OSError: the CA file can't be read."""
    if verify is True:
        return t.cast("ssl.SSLContext", _dependency.load(DEFAULT, "requests").CONTEXT)
    context = _spare.pop() if _spare else blank_context()
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif os.path.isdir(verify):
        context.load_verify_locations(capath=verify)
    else:
        context.load_verify_locations(verify)
    return context
