"""Where a BMC that speaks IPMI is: host and UDP port out of bm_bmc.address."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from urllib.parse import urlsplit

from ..._contract.node import BMC
from ..._errors import InvalidRequestError

PORT = 623
"""UDP port of RMCP (section 13.1.2)."""


def split_address(bmc: BMC, node: str) -> tuple[str, int]:
    """Return host and port of ``ipmi://host[:port]``; bm_bmc.port counts where the address has none.

    :raises InvalidRequestError: it can't be understood.
    """
    address = bmc.address if "://" in bmc.address else f"ipmi://{bmc.address}"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        host, port = None, None
        reason = f": {exc}"
    else:
        reason = ""
    if not host:
        raise InvalidRequestError(
            f"bm_bmc.address '{bmc.address}' is not ipmi://host or ipmi://host:port{reason}.",
            node=node,
            hint="An IPv6 address stands in brackets: ipmi://[2001:db8::10].",
        )
    return host, port or bmc.port or PORT
