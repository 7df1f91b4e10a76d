"""The IPMI driver against real BMC software: OpenIPMI's ipmi_sim, with ipmitool as a second opinion."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.driver import IPMIDriver
from tests.ipmi import IPMIService, Relay, free_udp_port

KG = b"sixteen-byte-key"


def make_node(fake_node: t.Any, bmc: dict[str, t.Any], **changes: t.Any) -> Node:
    return Node.from_params(fake_node.params(NODE_SPEC, bmc={"timeout": 10.0, "power_timeout": 10.0, **bmc, **changes}))


@pytest.fixture
def driver(ipmi_service: IPMIService, fake_node: t.Any) -> t.Iterator[IPMIDriver]:
    ipmi_service.power = False
    with IPMIDriver(make_node(fake_node, ipmi_service.bmc())) as opened:
        yield opened


def ipmitool(service: IPMIService, *words: str) -> str:
    """Ask the BMC with another program, which shares nothing with the driver."""
    command = ["ipmitool", "-I", "lanplus", "-C", "3", "-H", service.host, "-p", str(service.port), "-U", "admin", "-E"]
    environment = {**os.environ, "IPMI_PASSWORD": "right"}
    return subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("device", "mode", "persistent", "expected"),
    [
        (base.PXE, "uefi", False, ["Options apply to only next boot", "BIOS EFI boot", "Force PXE"]),
        (base.PXE, "bios", False, ["Options apply to only next boot", "BIOS PC Compatible (legacy) boot", "Force PXE"]),
        (base.DISK, "uefi", True, ["Options apply to all future boots", "BIOS EFI boot", "from default Hard"]),
        (base.CDROM, "bios", True, ["Options apply to all future boots", "legacy", "Force Boot from CD/DVD"]),
    ],
)  # fmt: skip
def test_ipmitool_reads_what_was_set(
    driver: IPMIDriver, ipmi_service: IPMIService, device: str, mode: str, persistent: bool, expected: list[str]
) -> None:
    driver.management.set_boot_device(device, mode=mode, persistent=persistent)
    said = ipmitool(ipmi_service, "chassis", "bootparam", "get", "5")
    assert "Boot Flag Valid" in said
    for words in expected:
        assert words in said
    driver.management.clear_boot_device()
    assert "Boot Flag Invalid" in ipmitool(ipmi_service, "chassis", "bootparam", "get", "5")
    assert driver.management.get_boot_device() == base.BootDevice(None, False)


def test_a_one_time_boot_device_is_used_up(driver: IPMIDriver) -> None:
    driver.management.set_boot_device(base.PXE, mode="uefi")
    driver.power.set_power_state(base.POWER_ON)
    assert driver.management.get_boot_device().device is None


def test_a_boot_device_that_the_bmc_forgets_is_an_error(driver: IPMIDriver, ipmi_service: IPMIService) -> None:
    ipmi_service.forget()
    try:
        with pytest.raises(
            errors.BMCResponseError, match="boot from pxe once in uefi mode, accepted it, and reports no"
        ):
            driver.management.set_boot_device(base.PXE, mode="uefi")
    finally:
        ipmi_service.forget(False)


def test_ipmitool_agrees_about_the_power(driver: IPMIDriver, ipmi_service: IPMIService) -> None:
    driver.power.set_power_state(base.POWER_ON)
    assert "is on" in ipmitool(ipmi_service, "chassis", "power", "status")
    driver.power.set_power_state(base.POWER_OFF, soft=True)
    assert "is off" in ipmitool(ipmi_service, "chassis", "power", "status")
    assert "set shutdown 1" in ipmi_service.calls()


def test_sensors_and_event_log(driver: IPMIDriver) -> None:
    sensors = driver.health.get_sensors() if driver.health else []
    assert {"name", "type", "value", "units", "health", "states"} == set(sensors[0])
    assert any(isinstance(sensor["value"], float) for sensor in sensors)
    assert all(sensor["health"] in ("ok", "warning", "critical", "failed") for sensor in sensors)
    events = driver.health.get_event_log() if driver.health else []
    assert events
    assert set(events[0]) == {"timestamp", "component", "event", "severity"}


@pytest.mark.parametrize("changes", [{"cipher_suite": 3}, {"privilege_level": "operator"}, {"username": "operator"}])
def test_ways_in(ipmi_service: IPMIService, fake_node: t.Any, changes: dict[str, t.Any]) -> None:
    with IPMIDriver(make_node(fake_node, ipmi_service.bmc(**changes))) as driver:
        assert driver.power.get_power_state() in (base.POWER_ON, base.POWER_OFF)


def test_the_key_kg_counts(tmp_path: Path, fake_node: t.Any) -> None:
    folder = tmp_path / "kg"
    folder.mkdir()
    with contextlib.closing(IPMIService(folder, kg=KG.decode())) as service:
        with IPMIDriver(make_node(fake_node, service.bmc(kg_key=KG.hex()))) as driver:
            assert driver.power.get_power_state() == base.POWER_OFF
        with IPMIDriver(make_node(fake_node, service.bmc())) as driver:
            with pytest.raises(errors.BMCError) as caught:
                driver.power.get_power_state()
            assert "K_g" in str(caught.value.to_result()) or "kg_key" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({"password": "wrong"}, errors.BMCAuthenticationError, "Incorrect password"),
        ({"username": "nobody"}, errors.BMCAuthenticationError, "does not let us in"),
        ({"cipher_suite": 17}, errors.UnsupportedOperationError, "Invalid authentication algorithm"),
    ],
)
def test_what_keeps_us_out_is_named(
    ipmi_service: IPMIService, fake_node: t.Any, changes: dict[str, t.Any], error: type[Exception], expected: str
) -> None:
    with IPMIDriver(make_node(fake_node, ipmi_service.bmc(**changes))) as driver:
        started = time.monotonic()
        with pytest.raises(error, match=expected) as caught:
            driver.power.get_power_state()
        assert time.monotonic() - started < 5, "a refusal must not be tried again"
        counted = driver.counters.bmc_requests
        if error is errors.BMCAuthenticationError:
            for read in (driver.power.get_power_state, driver.management.get_boot_device, driver.health.get_sensors):
                with pytest.raises(error, match=expected):
                    read()
            assert driver.counters.bmc_requests == counted, "refused credentials must not be sent again"
    assert "right" not in str(caught.value)


class Garbler:
    """Something on UDP that is no BMC: it answers what a function says, or nothing."""

    def __init__(self, answer: t.Callable[[bytes], bytes | None]) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port = self._socket.getsockname()[1]
        self._goes_on = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._goes_on:
            with contextlib.suppress(TimeoutError):
                data, sender = self._socket.recvfrom(4096)
                answer = self._answer(data)
                if answer is not None:
                    self._socket.sendto(answer, sender)

    def close(self) -> None:
        self._goes_on = False
        self._thread.join()
        self._socket.close()


RMCP = bytes([6, 0, 0xFF, 7])


@pytest.mark.parametrize(
    "answer",
    [
        lambda data: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        lambda data: b"",
        lambda data: RMCP,
        lambda data: RMCP + bytes(9) + b"\x03\x01\x02\x03",
        lambda data: data,
        lambda data: RMCP + b"\x06\x11" + bytes(12),
    ],
    ids=["http", "empty", "header", "short", "echo", "odd"],
)
def test_garbage_is_an_error_within_the_limit(fake_node: t.Any, answer: t.Callable[[bytes], bytes | None]) -> None:
    with contextlib.closing(Garbler(answer)) as garbler:
        bmc = {"address": f"ipmi://127.0.0.1:{garbler.port}", "username": "admin", "password": "right", "timeout": 4.0}
        started = time.monotonic()
        with (
            IPMIDriver(make_node(fake_node, bmc)) as driver,
            pytest.raises(errors.BMCError, match=r"127\.0\.0\.1") as caught,
        ):
            driver.power.get_power_state()
        assert time.monotonic() - started < 12
        assert isinstance(caught.value, (errors.BMCConnectionError, errors.BMCResponseError))


def test_a_dead_port_fails_within_its_limit_and_says_so(fake_node: t.Any) -> None:
    bmc = {"address": f"ipmi://127.0.0.1:{free_udp_port()}", "username": "admin", "password": "right", "timeout": 3.0}
    started = time.monotonic()
    expected = pytest.raises(errors.BMCConnectionError, match=r"can't be reached: no answer within 3 s")
    with IPMIDriver(make_node(fake_node, bmc)) as driver, expected as caught:
        driver.power.get_power_state()
    assert 2.5 < time.monotonic() - started < 6
    assert "IPMI over LAN" in caught.value.hint
    assert caught.value.retryable


@pytest.mark.parametrize(("seconds", "works"), [(0.3, True), (2.5, True), (6.0, False)])
def test_a_bmc_that_answers_late(ipmi_service: IPMIService, fake_node: t.Any, seconds: float, works: bool) -> None:
    with contextlib.closing(Relay(ipmi_service.port, seconds)) as relay:
        bmc = ipmi_service.bmc(address=f"ipmi://127.0.0.1:{relay.port}", timeout=60.0 if works else 5.0)
        with IPMIDriver(make_node(fake_node, bmc)) as driver:
            if works:
                assert driver.power.get_power_state() in (base.POWER_ON, base.POWER_OFF)
            else:
                with pytest.raises(errors.BMCError, match="no answer within 5 s"):
                    driver.power.get_power_state()


def test_a_session_that_died_is_opened_again(driver: IPMIDriver) -> None:
    driver.power.get_power_state()
    driver.session._session.logout()
    assert driver.power.get_power_state() == base.POWER_OFF


def test_commands_keep_their_distance(ipmi_service: IPMIService, fake_node: t.Any) -> None:
    with IPMIDriver(make_node(fake_node, ipmi_service.bmc(min_command_interval=0.4))) as driver:
        driver.power.get_power_state()
        started = time.monotonic()
        for dummy in range(3):
            driver.power.get_power_state()
        # From the first of the three to the last; how long before it the one before was sent, is the machine's matter.
        assert time.monotonic() - started >= 2 * 0.4


@pytest.mark.parametrize(("name", "longest"), [("username", 16), ("password", 20)])
def test_what_ipmi_can_not_carry_is_refused_before_it_is_sent(fake_node: t.Any, name: str, longest: int) -> None:
    IPMIDriver(make_node(fake_node, {"address": "ipmi://127.0.0.1", name: "é" * (longest // 2)}))
    with pytest.raises(errors.InvalidRequestError, match=rf"bm_bmc\.{name} is longer than {longest} bytes") as caught:
        IPMIDriver(make_node(fake_node, {"address": "ipmi://127.0.0.1", name: "x" * (longest + 1)}))
    assert "xxx" not in str(caught.value.to_result())


@pytest.mark.parametrize("address", ["ipmi://", "ipmi://[::1", "ipmi://host:99999"])
def test_an_address_that_is_none_is_refused(fake_node: t.Any, address: str) -> None:
    with pytest.raises(errors.InvalidRequestError, match=r"bm_bmc\.address"):
        IPMIDriver(make_node(fake_node, {"address": address}))
