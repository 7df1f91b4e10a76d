"""Serial over LAN against ipmi_sim: what the machine says is heard, and nothing else comes of it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi import console
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.driver import IPMIDriver
from tests.ipmi import IPMIService
from tests.ipmi_wire import Wire, connect

PANIC = b"Kernel panic - not syncing: VFS\r\n"

OPEN_SESSION = 0x10
"""Payload type of an RMCP+ Open Session Request (table 13-16)."""


def hear(driver: IPMIDriver, wanted: bytes, seconds: float = 8.0) -> bytes:
    """Listen until it is heard, or for so long; return what was heard."""
    said = bytearray()
    assert driver.console is not None
    driver.console.listen(said.extend)
    deadline = time.monotonic() + seconds
    while wanted not in said and time.monotonic() < deadline:
        driver.console.attend()
        driver.console.turn(0.1)
    return bytes(said)


def test_what_the_machine_says_is_heard_and_the_session_ends(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire
) -> None:
    with ipmi_service.serial.saying(PANIC), connect(fake_node, ipmi_service, wire) as driver:
        assert PANIC in hear(driver, PANIC)
        assert driver.console is not None
        driver.console.close()
        driver.console.close()
    assert wire.is_closed()


def test_a_console_comes_back_with_its_bmc(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "AGAIN_SECONDS", 0.5)
    with ipmi_service.serial.saying(PANIC), connect(fake_node, ipmi_service, wire) as driver:
        wire.relay.change = lambda data: None
        assert b"[the console can't be heard: " in hear(driver, b"]", 20)
        wire.relay.change = lambda data: data
        assert PANIC in hear(driver, PANIC)
        assert driver.console is not None
        driver.console.close()


def test_refused_credentials_are_not_sent_again(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "AGAIN_SECONDS", 0.1)
    with connect(fake_node, ipmi_service, wire, password="wrong") as driver:
        assert b"ncorrect password" in hear(driver, b"nothing", 3)
        # Suite 17, which ipmi_sim refuses, and 3.
        assert len([packet for packet in wire.relay.sent if packet[5] == OPEN_SESSION]) == 2


def test_a_bmc_without_a_console_says_so_once(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(console.lan, "console_of", _refuse)
    with connect(fake_node, ipmi_service, wire) as driver:
        assert hear(driver, b"nothing", 2) == b"\n[the console can't be heard: SOL is disabled]\n"


def _refuse(dummy: dict[str, t.Any], _session: t.Any, take: t.Callable[[t.Any], None]) -> object:
    take({"error": "SOL is disabled"})
    return object()
