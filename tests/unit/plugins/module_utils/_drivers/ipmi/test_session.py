"""Sessions over IPMI, with everything that can go wrong between log-in and Close Session."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import struct
import time
import typing as t

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi import session as ipmi_session
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.driver import IPMIDriver
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.errors import login_error
from tests.ipmi import IPMIService, Relay

SET_PRIVILEGE_LEVEL, CLOSE_SESSION = (0x06, 0x3B), (0x06, 0x3C)
"""Network function and command (section 22.18, 22.19)."""


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


@pytest.fixture
def wire(ipmi_service: IPMIService, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Wire]:
    with contextlib.closing(Relay(ipmi_service.port)) as relay:
        found = Wire(relay)
        original = ipmi_session._Session._req_priv_level

        def note_key(session: t.Any) -> None:
            found.keys[session.sessionid] = session.aeskey
            original(session)

        monkeypatch.setattr(ipmi_session._Session, "_req_priv_level", note_key)
        yield found


def connect(fake_node: t.Any, service: IPMIService, wire: Wire, **changes: t.Any) -> IPMIDriver:
    address = f"ipmi://127.0.0.1:{wire.relay.port}"
    bmc = service.bmc(**{"address": address, "timeout": 2.0, "power_timeout": 3.0, **changes})
    return IPMIDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc=bmc)))


def test_the_session_is_closed(fake_node: t.Any, ipmi_service: IPMIService, wire: Wire) -> None:
    with connect(fake_node, ipmi_service, wire) as driver:
        driver.power.get_power_state()
        assert CLOSE_SESSION not in wire.commands()
    assert wire.is_closed()


@pytest.mark.parametrize("answer", [bytes([6, 0, 0xFF, 7]), None], ids=["malformed", "silence"])
def test_the_session_is_closed_after_a_bad_answer(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, answer: bytes | None
) -> None:
    with connect(fake_node, ipmi_service, wire) as driver:
        driver.power.get_power_state()
        wire.relay.change = lambda data: answer
        started = time.monotonic()
        with pytest.raises(errors.BMCError):
            driver.power.get_power_state()
        assert time.monotonic() - started < 8
        assert wire.is_closed()
        wire.relay.change = lambda data: data
        assert driver.power.get_power_state() == base.POWER_OFF
    assert wire.is_closed()
    assert len(wire.keys) == 2


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_a_single_malformed_answer_is_asked_for_again(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, number: int
) -> None:
    left = iter([False] * (number - 1) + [True])
    wire.relay.change = lambda data: data[:4] if next(left, False) else data
    with connect(fake_node, ipmi_service, wire) as driver:
        assert driver.power.get_power_state() == base.POWER_OFF


def test_the_session_is_closed_when_the_bmc_falls_silent_at_the_end_of_the_log_in(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire
) -> None:
    wire.relay.change = lambda data: None if data[5] == 0xC0 else data
    started = time.monotonic()
    with connect(fake_node, ipmi_service, wire) as driver, pytest.raises(errors.BMCConnectionError, match="no answer"):
        driver.power.get_power_state()
    print(time.monotonic() - started, wire.commands(), len(wire.keys))
    assert time.monotonic() - started < 4
    assert wire.is_closed()


def test_the_session_is_closed_when_the_privilege_level_is_refused(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ipmi_session._Session.raw_command

    def refuse(session: t.Any, **options: t.Any) -> t.Any:
        answer = original(session, **options)
        return {**answer, "code": 0x81} if options["command"] == SET_PRIVILEGE_LEVEL[1] else answer

    monkeypatch.setattr(ipmi_session._Session, "raw_command", refuse)
    refused = pytest.raises(errors.BMCAuthenticationError, match="while requesting privelege level 3")
    with refused, connect(fake_node, ipmi_service, wire) as driver:
        driver.power.get_power_state()
    assert wire.is_closed()


def test_the_session_is_closed_after_a_read_of_the_sensors_that_fails(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire
) -> None:
    with connect(fake_node, ipmi_service, wire) as driver:
        driver.power.get_power_state()
        wire.relay.change = lambda data: bytes([6, 0, 0xFF, 7])
        with pytest.raises(errors.BMCResponseError, match="read its sensors"):
            driver.health.get_sensors()
        assert wire.is_closed()


def test_commands_that_pyghmi_sends_by_itself_keep_their_distance_and_are_counted(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire
) -> None:
    with connect(fake_node, ipmi_service, wire, min_command_interval=0.05) as driver:
        driver.power.get_power_state()
        before, counted, started = len(wire.commands()), driver.counters.bmc_requests, time.monotonic()
        driver.health.get_event_log()
        sent = len(wire.commands()) - before
        assert sent > 3
        assert time.monotonic() - started >= 0.05 * (sent - 1)
        assert driver.counters.bmc_requests - counted == sent


@pytest.mark.parametrize(
    ("reason", "error", "retryable"),
    [
        ("Insufficient resources to create new session (wait for existing sessions to timeout)", "Response", True),
        ("Insufficient resources to create a session at the requested role in RAKP2", "Response", True),
        ("Invalid Session ID reported in RAKP4", "Response", True),
        ("Unauthorized name in RAKP2", "Authentication", False),
        ("Invalid username length in RAKP2", "Authentication", False),
        ("Invalid role in RAKP2", "Authentication", False),
        ("Invalid RAKP4 integrity code (wrong Kg?)", "Authentication", False),
        ("Invalid integrity check value reported in RAKP4", "Authentication", False),
        ("No Cipher suite match with proposed security algorithms", "Unsupported", False),
        ("No matching integrity payload", "Unsupported", False),
        ("Illegal or unrecognized parameter in RAKP2", "Response", True),
    ],
)
def test_what_a_refusal_means(reason: str, error: str, retryable: bool) -> None:
    seen = login_error(reason, "The BMC does not let us in", "node01")
    assert type(seen).__name__ in (f"BMC{error}Error", f"{error}OperationError")
    assert seen.retryable == retryable


@pytest.mark.parametrize("suite", [None, 3, 17])
def test_a_bmc_without_a_free_session_is_asked_again(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, suite: int | None
) -> None:
    def refuse(data: bytes) -> bytes:
        # RMCP+ Open Session Response (table 13-10) with status 1.
        return data[:17] + b"\x01" + data[18:] if data[5] == 0x11 else data

    wire.relay.change = refuse
    bmc = {"cipher_suite": suite} if suite else {}
    with connect(fake_node, ipmi_service, wire, **bmc) as driver:
        with pytest.raises(errors.BMCResponseError, match="Insufficient resources to create new session") as seen:
            driver.power.get_power_state()
        assert seen.value.retryable
        wire.relay.change = lambda data: data
        if suite != 17:  # which ipmi_sim does not have
            assert driver.power.get_power_state() == base.POWER_OFF


def test_a_bmc_that_is_busy_is_asked_again_within_a_bound(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with connect(fake_node, ipmi_service, wire) as driver:
        original, busy = driver.session._ask, [2]

        def ask(*arguments: t.Any) -> dict[str, t.Any]:
            busy[0] -= 1
            return {"code": 0xC0, "error": "Node busy"} if busy[0] >= 0 else original(*arguments)

        monkeypatch.setattr(driver.session, "_ask", ask)
        assert driver.power.get_power_state() == base.POWER_OFF
        busy[0] = 99
        with pytest.raises(errors.BMCResponseError, match=r"Node busy \(completion code 0xc0\)") as seen:
            driver.power.get_power_state()
        assert seen.value.retryable
        assert busy[0] == 99 - 3


def test_a_bmc_that_is_busy_while_the_power_changes_does_not_end_the_wait(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(fake_node, ipmi_service, wire) as driver:
        original, seen = driver.power.get_power_state, []

        def get_power_state() -> str:
            seen.append(original())
            if len(seen) == 2:
                raise errors.BMCResponseError("Node busy", retryable=True)
            return seen[-1]

        monkeypatch.setattr(driver.power, "get_power_state", get_power_state)
        assert driver.power.set_power_state(base.POWER_ON)
        assert driver.power.set_power_state(base.POWER_OFF)


def test_a_refusal_because_it_is_so_already_is_success(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with connect(fake_node, ipmi_service, wire) as driver:
        original = driver.session._ask

        def ask(netfn: int, command: int, *more: t.Any) -> dict[str, t.Any]:
            refused = {"code": 0xD5, "error": "Not supported in present state"}
            return refused if command == 0x02 else original(netfn, command, *more)

        monkeypatch.setattr(driver.session, "_ask", ask)
        driver.power.request_power_state(base.POWER_OFF, soft=False)


Command = t.Callable[[int, int, t.Sequence[int]], dict[str, t.Any] | None]  # pylint: disable=unsupported-binary-operation


@pytest.fixture
def scripted(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> t.Iterator[t.Callable[[Command], IPMIDriver]]:
    """A driver whose BMC answers some commands as a function says; None is its own answer."""
    with connect(fake_node, ipmi_service, wire) as driver:
        original = driver.session._ask

        def script(answers: Command) -> IPMIDriver:
            def ask(netfn: int, command: int, data: t.Sequence[int], failed: str) -> dict[str, t.Any]:
                answer = answers(netfn, command, data)
                return original(netfn, command, data, failed) if answer is None else answer

            monkeypatch.setattr(driver.session, "_ask", ask)
            return driver

        yield script


def test_a_lost_answer_to_what_was_done_is_success(
    scripted: t.Callable[[Command], IPMIDriver], ipmi_service: IPMIService
) -> None:
    sent = []

    def lose(netfn: int, command: int, data: t.Sequence[int]) -> None:
        if (netfn, command) == (0x00, 0x02):  # Chassis Control
            sent.append(data[0])
            ipmi_service.power = bool(data[0])
            raise errors.BMCConnectionError("no answer")

    driver = scripted(lose)
    driver.power.get_power_state()
    assert driver.power.set_power_state(base.POWER_ON)
    assert driver.power.set_power_state(base.POWER_OFF)
    assert sent == [1, 1, 0, 0]  # again in a new session, which does nothing else


def test_boot_flags_that_are_forgotten_once_are_set_again(scripted: t.Callable[[Command], IPMIDriver]) -> None:
    forgotten = []

    def forget(netfn: int, command: int, data: t.Sequence[int]) -> dict[str, t.Any] | None:
        if (netfn, command) == (0x00, 0x08) and data[0] == 5 and not forgotten:  # Set System Boot Options, the flags
            forgotten.append(data)
            return {"code": 0}
        return None

    driver = scripted(forget)
    driver.management.set_boot_device(base.CDROM, mode="uefi")
    assert forgotten
    assert driver.management.get_boot_device() == base.BootDevice(base.CDROM, False, "uefi")
    driver.management.clear_boot_device()


def test_boot_flags_that_the_bmc_can_not_tell_are_set_all_the_same(
    scripted: t.Callable[[Command], IPMIDriver], ipmi_service: IPMIService
) -> None:
    def can_not_tell(netfn: int, command: int, data: t.Sequence[int]) -> dict[str, t.Any] | None:
        return {"code": 0x80, "error": "Parameter not supported"} if (netfn, command) == (0x00, 0x09) else None

    driver = scripted(can_not_tell)
    driver.management.set_boot_device(base.PXE, mode="uefi")
    assert ipmi_service.boot_flags.startswith("a0 04")
    assert driver.management.get_boot_device() == base.BootDevice(None, False)
    driver.management.clear_boot_device()
    assert not ipmi_service.boot_flags.startswith("a0")
