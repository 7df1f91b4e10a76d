"""LLDP: the parser on good and bad frames, and real frames over a cable in a network of its own."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import socket
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import StepError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware.lldp import listen, parse_frame

PREFIX = "bm-test-lldp-"
HEADER = bytes.fromhex("0180c200000e 5254000000ff 88cc")


def tlv(kind: int, value: bytes) -> bytes:
    return (kind << 9 | len(value)).to_bytes(2, "big") + value


END = tlv(0, b"")
CHASSIS = tlv(1, b"\4" + bytes.fromhex("001c73aabbcc"))
PORT = tlv(2, b"\5Ethernet7")
TTL = tlv(3, b"\0\x78")
HEAD = HEADER + CHASSIS + PORT + TTL
NAME = tlv(5, b"leaf3")
FULL = (
    HEAD
    + tlv(4, b"node01 eno1")
    + NAME
    + tlv(6, b"Switch OS\r\nversion 1\0")
    + tlv(127, b"\x00\x80\xc2\x01\x00\x64")
    + tlv(127, b"\x00\x80\xc2\x03\x00\x64\x04prov")
    + tlv(127, b"\x00\x80\xc2\x03\x00\xc8\x00")
    + tlv(127, b"\x00\x12\x0f\x01\x00")
    + tlv(9, b"unknown")
    + END
    + bytes(20)
)
SAID = {
    "chassis_id": "00:1c:73:aa:bb:cc",
    "port_id": "Ethernet7",
    "ttl": 120,
    "port_description": None,
    "system_name": None,
    "system_description": None,
    "port_vlan": None,
    "vlans": [],
}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            FULL,
            {
                "port_description": "node01 eno1",
                "system_name": "leaf3",
                "system_description": "Switch OS version 1",
                "port_vlan": 100,
                "vlans": [{"id": 100, "name": "prov"}, {"id": 200, "name": None}],
            },
        ),
        (HEAD + END, {}),
        (HEAD, {}),
        (HEAD + tlv(5, b""), {}),
        (HEAD + tlv(5, b"\xff\xfe\x1b[1m"), {"system_name": "\ufffd\ufffd\ufffd[1m"}),
        (HEAD + tlv(127, b"\x00\x80") + tlv(127, b"\x00\x80\xc2\x01\x00") + NAME, {"system_name": "leaf3"}),
        (HEAD + tlv(127, b"\x00\x80\xc2\x01\x00\x00"), {}),
        (HEAD + tlv(127, b"\x00\x80\xc2\x03\x00\x64\xffprov") + NAME, {"system_name": "leaf3"}),
        (HEADER + tlv(1, b"\7serial 4711") + PORT + TTL, {"chassis_id": "serial 4711"}),
        (HEADER + tlv(1, b"\5\1\xc0\0\2\1") + PORT + TTL, {"chassis_id": "192.0.2.1"}),
        (HEADER + tlv(1, b"\5\2" + b"\x20\1\x0d\xb8" + bytes(11) + b"\1") + PORT + TTL, {"chassis_id": "2001:db8::1"}),
        (HEADER + tlv(1, b"\5\1\xc0\0") + PORT + TTL, {"chassis_id": "01:c0:00"}),
        (HEADER + tlv(1, b"\4\xff\xfe") + PORT + TTL, {"chassis_id": "ff:fe"}),
        (HEADER + CHASSIS + tlv(2, b"\3\x52\x54\0\0\0\1") + TTL, {"port_id": "52:54:00:00:00:01"}),
        (HEADER + CHASSIS + tlv(2, b"\x07\x80\x00") + TTL, {"port_id": "80:00"}),
        (HEADER + CHASSIS + PORT + tlv(3, b"\0\0"), {"ttl": 0}),
    ],
)
def test_a_frame_is_understood(frame: bytes, expected: dict[str, t.Any]) -> None:
    assert parse_frame(frame) == {**SAID, **expected}


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        HEADER[:10],
        HEADER,
        HEADER + END,
        HEADER + CHASSIS,
        HEADER + CHASSIS + PORT,
        HEADER + PORT + CHASSIS + TTL,
        HEADER + CHASSIS + PORT + NAME,
        HEAD + CHASSIS,
        HEAD + PORT,
        HEAD + TTL,
        HEADER + tlv(1, b"") + PORT + TTL,
        HEADER + tlv(1, b"\4") + PORT + TTL,
        HEADER + CHASSIS + tlv(2, b"\5") + TTL,
        HEADER + CHASSIS + PORT + tlv(3, b"\1"),
        HEAD + b"\x0a",
        HEAD + b"\x0a\xff" + b"leaf3",
        HEAD + NAME[:-1],
        HEAD[:12] + b"\x08\x00" + HEAD[14:],
    ],
)
def test_a_frame_that_is_not_valid_is_nothing(frame: bytes) -> None:
    assert parse_frame(frame) is None


def test_no_garbage_breaks_the_parser() -> None:
    source = random.Random(7)
    for dummy in range(5000):
        garbage = bytearray(FULL)
        for position in source.sample(range(14, len(garbage)), source.randrange(1, 8)):
            garbage[position] = source.randrange(256)
        del garbage[source.randrange(len(garbage)) :]
        found = parse_frame(bytes(garbage))
        assert found is None or set(found) == set(SAID)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def inside(namespace: str) -> t.Iterator[None]:
    """Be in a network namespace, with this thread's sockets."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        assert libc.setns(there.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(home.fileno(), 0) == 0


@pytest.fixture
def cable() -> t.Iterator[None]:
    """Two cables in a network namespace that this thread is in: node0 - switch0 up, node1 - switch1 with node1 down."""
    if os.geteuid():
        pytest.fail("needs root")
    for left in Path("/run/netns").glob(f"{PREFIX}*"):  # of test processes that were killed
        if not Path("/proc", left.name.removeprefix(PREFIX)).exists():
            run("ip", "netns", "delete", left.name)
    name = f"{PREFIX}{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        for number in range(2):
            run("ip", "-n", name, "link", "add", f"node{number}", "type", "veth", "peer", "name", f"switch{number}")
            run("ip", "-n", name, "link", "set", f"switch{number}", "up")
        run("ip", "-n", name, "link", "set", "node0", "up")
        with inside(name):
            yield
    finally:
        run("ip", "netns", "delete", name)


class Switch:
    """Sends frames out of a port, again and again, until it is closed."""

    def __init__(self, port: str, *frames: bytes) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind((port, 0))
        self._frames = frames
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(0.02):
            for frame in self._frames:
                with contextlib.suppress(OSError):  # while the other end is down
                    self._socket.send(frame)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()


def is_up(nic: str) -> bool:
    shown = subprocess.run(["ip", "-o", "link", "show", nic], capture_output=True, text=True, check=True).stdout
    return "UP" in shown.partition("<")[2].partition(">")[0].split(",")


@pytest.mark.usefixtures("cable")
def test_neighbours_are_heard_over_a_cable() -> None:
    other = HEADER + tlv(1, b"\7leaf4") + PORT + TTL + END
    leaving = HEADER + tlv(1, b"\7leaf5") + PORT
    frames = (FULL, HEAD[:-1], other, b"\xff" * 60, leaving + TTL + END, leaving + tlv(3, b"\0\0") + END)
    with contextlib.closing(Switch("switch0", *frames)), contextlib.closing(Switch("switch1", FULL)):
        started = time.monotonic()
        heard = listen(["node0", "node1"], 0.5)
        assert 0.5 <= time.monotonic() - started < 5
    assert [(item["nic"], item["chassis_id"], item["port_id"]) for item in heard] == [
        ("node0", "00:1c:73:aa:bb:cc", "Ethernet7"),
        ("node0", "leaf4", "Ethernet7"),
    ]
    assert heard[0]["vlans"] == [{"id": 100, "name": "prov"}, {"id": 200, "name": None}]
    assert "ttl" not in heard[0]


@pytest.mark.usefixtures("cable")
def test_a_port_that_is_down_is_up_for_the_time_of_listening() -> None:
    with contextlib.closing(Switch("switch1", FULL)):
        heard = listen(["node0", "node1"], 1.5, raise_links=True)
    assert [item["nic"] for item in heard] == ["node1"]
    assert (is_up("node0"), is_up("node1")) == (True, False)


@pytest.mark.usefixtures("cable")
def test_what_one_sends_oneself_and_other_ports_hear_is_not_heard() -> None:
    with contextlib.closing(Switch("node0", FULL)):
        assert listen(["node0"], 0.3) == []
        assert [item["nic"] for item in listen(["switch0"], 0.3)] == ["switch0"]


@pytest.mark.usefixtures("cable")
def test_a_port_that_is_not_there_is_an_error() -> None:
    with pytest.raises(StepError, match="LLDP on nothing0"):
        listen(["nothing0"], 0.1)


def test_without_ports_nobody_waits() -> None:
    assert listen([], 60) == []
