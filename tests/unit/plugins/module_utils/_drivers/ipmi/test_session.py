"""Sessions over IPMI, with everything that can go wrong between log-in and Close Session."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi import lan
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.driver import IPMIDriver
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.errors import login_error
from tests.ipmi import IPMIService
from tests.ipmi_wire import CLOSE_SESSION, Command, Wire, connect

RMCP = bytes([6, 0, 0xFF, 7])

OPEN_REQUEST, OPEN_RESPONSE = 0x10, 0x11
"""Payload types of the cipher suite's proposal and the answer to it (table 13-16)."""

SET_PRIVILEGE_LEVEL = (0x06, 0x3B)
"""Network function and command (section 22.18)."""


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


STRAY = {
    "nothing": b"",
    "a header": RMCP,
    "cut off": RMCP + b"\x06\x00",
    "an older version": RMCP + bytes(5),
    "a presence pong": b"\x06\x00\xff\x06" + bytes(24),
    "noise": bytes(range(64)),
}
"""Datagrams that answer nothing, from the BMC's own address."""


@pytest.mark.parametrize("stray", STRAY.values(), ids=STRAY)
def test_what_is_no_answer_is_left_aside(fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, stray: bytes) -> None:
    wire.relay.before = lambda data: stray
    with connect(fake_node, ipmi_service, wire) as driver:
        assert driver.power.get_power_state() == base.POWER_OFF
        assert driver.health.get_sensors()
        assert driver.counters.bmc_requests < 40, "nothing is asked for again"
    assert wire.is_closed()
    assert len(wire.keys) == 1


@pytest.mark.parametrize(("suite", "works"), [(None, True), (3, True), (17, False)])
def test_a_bmc_that_is_silent_to_one_cipher_suite_is_offered_the_other(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, suite: int | None, works: bool
) -> None:
    # RMCP+ Open Session Request (table 13-9): the authentication algorithm is at byte 12 of its payload.
    wire.relay.lose = lambda data: data[5] == OPEN_REQUEST and data[16 + 12] == 3
    bmc = {"cipher_suite": suite} if suite else {}
    with connect(fake_node, ipmi_service, wire, timeout=8.0, **bmc) as driver:
        if works:
            assert driver.power.get_power_state() == base.POWER_OFF
        else:
            with pytest.raises(errors.BMCConnectionError, match="no answer within 8 s"):
                driver.power.get_power_state()


def proposals(wire: Wire) -> list[int]:
    """Return the authentication algorithms that were proposed: 1 is SHA-1's, 3 is SHA-256's (table 13-17)."""
    return [data[16 + 12] for data in wire.relay.sent if data[5] == OPEN_REQUEST]


def test_which_suite_a_silent_bmc_takes_is_remembered(fake_node: t.Any, ipmi_service: IPMIService, wire: Wire) -> None:
    wire.relay.lose = lambda data: data[5] == OPEN_REQUEST and data[16 + 12] == 3
    with connect(fake_node, ipmi_service, wire, timeout=8.0) as first:
        assert first.power.get_power_state() == base.POWER_OFF
    assert first.learnt is not None
    wire.relay.sent.clear()
    with connect(fake_node, ipmi_service, wire, timeout=8.0) as second:
        second.recall = lambda: dict(first.learnt or {})
        assert second.power.get_power_state() == base.POWER_OFF
    assert proposals(wire) == [1]
    assert second.learnt is None, "nothing is new"
    with connect(fake_node, ipmi_service, wire, timeout=8.0, cipher_suite=17) as strict:
        strict.recall = lambda: dict(first.learnt or {})
        with pytest.raises(errors.BMCConnectionError):
            strict.power.get_power_state()


def test_a_remembered_suite_that_is_refused_is_forgotten(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire
) -> None:
    no_such_suite = 0x11  # of table 13-15, in byte 2 of the answer's payload
    wire.relay.change = lambda data: (
        data[:17] + bytes([no_such_suite]) + data[18:]
        if data[5] == OPEN_RESPONSE and len(proposals(wire)) == 1
        else data
    )
    port = wire.relay.port
    with connect(fake_node, ipmi_service, wire) as driver:
        driver.recall = lambda: {"of": f"ipmi://127.0.0.1:{port}", "at": time.time(), "proposal": [lan.SHA1]}
        assert driver.power.get_power_state() == base.POWER_OFF
        assert proposals(wire) == [1, 3, 1], "all is proposed again, as if nothing were known"
        assert (driver.learnt or {})["proposal"] is None


def test_a_log_in_that_pyghmi_gives_up_is_begun_anew_within_our_limit(
    fake_node: t.Any, ipmi_service: IPMIService, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, given_up = lan.run, []

    def give_up(*arguments: t.Any) -> None:
        run(*arguments)
        if not given_up:  # as it does where the answer to Set Session Privilege Level does not come
            given_up.append(True)
            raise lan.IpmiException("Session no longer connected")

    monkeypatch.setattr(lan, "run", give_up)
    with connect(fake_node, ipmi_service, wire) as driver:
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
    original = lan.LanSession.raw_command

    def refuse(session: t.Any, **options: t.Any) -> t.Any:
        answer = original(session, **options)
        return {**answer, "code": 0x81} if options["command"] == SET_PRIVILEGE_LEVEL[1] else answer

    monkeypatch.setattr(lan.LanSession, "raw_command", refuse)
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
        with pytest.raises(errors.BMCConnectionError, match="read its sensors: within 2 s nothing came but"):
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
