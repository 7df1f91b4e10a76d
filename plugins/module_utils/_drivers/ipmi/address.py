"""Where a BMC that speaks IPMI is: host and UDP port out of bm_bmc.address; and what IPMI can carry."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from urllib.parse import urlsplit

from ..._contract.identity import PORTS
from ..._contract.node import BMC
from ..._errors import InvalidRequestError

PRIVILEGE_LEVELS = {"user": 2, "operator": 3, "administrator": 4}
"""Requested maximum privilege level (table 13-9); without one, administrator, or operator where that is refused."""

LONGEST = {"username": 16, "password": 20}
"""Bytes of user name and password (table 13-11, section 22.30)."""


def check_lengths(bmc: BMC, node: str) -> None:
    """Check that IPMI can carry the credentials: BMCs cut them off, and then refuse what is sent whole.

    :raises InvalidRequestError: they are too long.
    """
    for name, longest in LONGEST.items():
        if len((getattr(bmc, name) or "").encode()) > longest:
            raise InvalidRequestError(
                f"bm_bmc.{name} is longer than {longest} bytes, the most that IPMI 2.0 can carry.",
                node=node,
                hint="Set a shorter one in the BMC, or use Redfish; it was not tried, since accounts lock out.",
            )


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
    return host, port or bmc.port or PORTS["ipmi"]
