"""A network as people describe it: two ports as a bond, a VLAN on it, both versions of IP."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

INTERFACES: list[dict[str, t.Any]] = [
    {"name": "port1", "mac": "52:54:00:00:00:01"},
    {"name": "port2", "mac": "52:54:00:00:00:02"},
    {
        "name": "bond0",
        "bond": {"interfaces": ["port1", "port2"], "mode": "802.3ad", "xmit_hash_policy": "layer3+4"},
        "addresses": ["192.0.2.11/24", "2001:db8::11/64"],
        "gateway": ["192.0.2.1", "2001:db8::1"],
        "routes": [{"to": "198.51.100.0/24", "via": "192.0.2.2"}],
        "mtu": 9000,
    },
    {"name": "storage", "vlan": {"id": 100, "link": "bond0"}, "addresses": ["203.0.113.11/24"]},
]
