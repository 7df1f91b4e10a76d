"""Which machine a BMC's address means, as the drivers understand it, so that no two nodes have the same."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

PORTS = {"https": 443, "http": 80, "ipmi": 623}
"""Where a BMC answers unless it is told otherwise: Redfish with and without TLS, IPMI (RMCP, section 13.1.2)."""

SCHEMES = {"redfish": "https", "redfish+http": "http"}
"""Other names for Redfish's schemes."""


def identity(driver: str, address: str, port: int | None, system_id: str | None) -> str:
    """Return ``host/system`` or ``host:port/system``; nothing follows the slash where no System is named.

    IPMI knows no Systems, and its ``port`` is not Redfish's. What the address says counts first.
    """
    scheme, separator, rest = address.partition("://")
    scheme = SCHEMES.get(scheme.lower(), scheme.lower()) if separator else "ipmi" if driver == "ipmi" else "https"
    parts = urlsplit(f"{scheme}://{rest if separator else address}")
    if driver == "fake":
        return f"fake://{os.path.abspath(os.path.expanduser(parts.path))}"
    is_ipmi = driver == "ipmi"
    at = parts.port or (port if is_ipmi else None) or PORTS.get(scheme)
    system = "" if is_ipmi else parts.path.partition("/Systems/")[2].strip("/") or system_id or ""
    return f"{_host(parts.hostname or '')}{'' if at == PORTS.get(scheme) else f':{at}'}/{system}"


def _host(host: str) -> str:
    """Return a host in the one way in which it is written here."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".")
    return f"[{found}]" if found.version == 6 else str(found)
