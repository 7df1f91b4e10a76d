"""The wire to an IPMI BMC, with the keys to read it; and a driver at its other end."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import time
import typing as t

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.driver import IPMIDriver
from tests.ipmi import IPMIService, Relay

Command = t.Callable[[int, int, t.Sequence[int]], dict[str, t.Any] | None]  # pylint: disable=unsupported-binary-operation
"""What a BMC answers to network function, command and data; None is its own answer."""

CLOSE_SESSION = (0x06, 0x3C)
"""Network function and command (section 22.19)."""


class Wire:
    """The way to a BMC, and the keys to read what goes over it."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.keys: dict[int, bytes] = {}

    def commands(self) -> list[tuple[int, int]]:
        """Return network function and command of what was sent in sessions."""
        return [command for dummy, command in self._messages()]

    def _messages(self) -> list[tuple[int, tuple[int, int]]]:
        """Return session, network function and command of what was sent in sessions (sections 13.8, 13.29)."""
        found = []
        for packet in list(self.relay.sent):
            session = struct.unpack("<I", packet[6:10])[0] if packet[4:6] == b"\x06\xc0" else None
            key = self.keys.get(session) if session is not None else None
            if key:
                content = packet[16 : 16 + struct.unpack("<H", packet[14:16])[0]]
                decryptor = Cipher(algorithms.AES(key), modes.CBC(content[:16])).decryptor()
                message = decryptor.update(content[16:]) + decryptor.finalize()
                found.append((session, (message[1] >> 2, message[5])))
        return found

    def is_closed(self) -> bool:
        """Say whether each session was closed; a BMC on a busy machine is told again."""
        deadline = time.monotonic() + 2
        while (closed := self._closed()) < self.keys.keys() and time.monotonic() < deadline:
            time.sleep(0.02)
        return bool(closed) and closed == self.keys.keys()

    def _closed(self) -> set[int]:
        return {session for session, command in self._messages() if command == CLOSE_SESSION}


def connect(fake_node: t.Any, service: IPMIService, wire: Wire, **changes: t.Any) -> IPMIDriver:
    address = f"ipmi://127.0.0.1:{wire.relay.port}"
    bmc = service.bmc(**{"address": address, "timeout": 2.0, "power_timeout": 3.0, **changes})
    return IPMIDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc=bmc)))
