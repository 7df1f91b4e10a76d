"""A network path to an IPMI BMC on which faults happen, given as data; it reads what goes over it (IPMI 2.0, RMCP+).

path = Path(service.port, "right")
path.arm([{"act": "power on", "answer": True, "do": "drop"}])      # bm_bmc.port: path.port
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import hmac
import selectors
import socket
import sys
import threading
import time
import typing as t

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Fault = dict[str, t.Any]
Client = tuple[str, int]

LOG_IN = {0x10: "open session", 0x12: "RAKP 1", 0x14: "RAKP 3"}
"""Payload types of requests without a session (table 13-16); that of an answer is one more."""

COMMANDS = {
    (0x00, 0x01): "status",
    (0x00, 0x08): "boot flags",
    (0x00, 0x09): "look at boot flags",
    (0x06, 0x3B): "privilege level",
    (0x06, 0x3C): "close session",
}
"""Network function and command (appendix G)."""

CONTROLS = {0: "power off", 1: "power on", 5: "soft off"}
"""Data of Chassis Control, which is 0x00, 0x02 (table 28-4)."""

HASHES: dict[int, t.Any] = {20: hashlib.sha1, 32: hashlib.sha256}
"""By the length of the code in RAKP 2."""

OTHER = "other"


class Reader:
    """Says of each packet what it is.

    ``log_ins``: the attempts, each once: level and user name at the end. ``opened`` and ``closed``: the sessions.
    """

    def __init__(self, password: str) -> None:
        self.log_ins: set[bytes] = set()
        self.opened: set[bytes] = set()
        self.closed: set[bytes] = set()
        self._password = password.encode()
        self._bmcs: dict[bytes, bytes] = {}
        self._rakp1: dict[bytes, bytes] = {}
        self._keys: dict[bytes, bytes] = {}
        self._asked: dict[tuple[bytes, int], str] = {}

    def name(self, packet: bytes, *, answer: bool) -> str:
        """Return the act that a request asks for, or that is answered; OTHER for what can't be read."""
        if len(packet) > 5 and packet[4] == 0:
            return "capabilities"
        if len(packet) < 17 or packet[4] != 6:
            return OTHER
        kind, content = packet[5] & 0x3F, packet[16 : 16 + int.from_bytes(packet[14:16], "little")]
        if kind:
            self._learn(kind, content)
            return LOG_IN.get(kind - answer, OTHER)
        session = self._bmcs.get(packet[6:10], packet[6:10])
        return self._command(session, content, answer=answer)

    def _learn(self, kind: int, content: bytes) -> None:
        """Take from a log-in what is needed to read its session (section 13.20 to 13.24, 13.31)."""
        if kind == 0x11 and content[1] == 0:
            self._bmcs[content[4:8]] = content[8:12]  # the console's name of the session to the BMC's
        elif kind == 0x12:
            self.log_ins.add(content[4:])
            self._rakp1[content[4:8]] = content
        elif kind == 0x13 and content[1] == 0 and (asked := self._rakp1.get(self._bmcs.get(content[4:8], b""))):
            algorithm = HASHES[len(content) - 40]
            said = asked[8:24] + content[8:24] + asked[24:25] + asked[27:]
            key = hmac.new(self._password, said, algorithm).digest()
            self._keys[self._bmcs[content[4:8]]] = hmac.new(key, b"\x02" * 20, algorithm).digest()[:16]
        elif kind == 0x15 and content[1] == 0:
            self.opened.add(self._bmcs.get(content[4:8], b""))

    def _command(self, session: bytes, content: bytes, *, answer: bool) -> str:
        if session not in self._keys or len(content) < 32 or len(content) % 16:
            return OTHER
        decryptor = Cipher(algorithms.AES(self._keys[session]), modes.CBC(content[:16])).decryptor()
        message = decryptor.update(content[16:]) + decryptor.finalize()
        if answer:
            return self._asked.get((session, message[4] >> 2), OTHER)
        command = (message[1] >> 2, message[5])
        name = CONTROLS.get(message[6], OTHER) if command == (0x00, 0x02) else COMMANDS.get(command, OTHER)
        self._asked[session, message[4] >> 2] = name
        if name == "close session":
            self.closed.add(session)
        return name


class Path:
    """Carries packets to a BMC on loopback and back, for any number of clients.

    A fault is a dict: ``act`` (a name of the tables above, "anything"), ``answer``: whether to the request or to its
    answer; ``nth``: from which of them on, 1; ``times``: for how many, 1 (None: for good); ``every``: of so many one;
    ``do``: a name of WAYS, and what that needs.

    ``password``: with it, what goes over the path can be read. ``restart``: called by the way of this name.
    """

    def __init__(self, port: int, password: str, restart: t.Callable[[], None] = lambda: None) -> None:
        self.reader = Reader(password)
        self.restart = restart
        self.faults: list[Fault] = []
        self.played: list[Fault] = []
        self.seen: list[str] = []
        self.silent_until = 0.0
        self.held: list[tuple[Client, bytes, bool]] = []
        self._bmc = ("127.0.0.1", port)
        self._selector = selectors.DefaultSelector()
        self._front = self._open(None)
        self.port: int = self._front.getsockname()[1]
        self._backs: dict[Client, socket.socket] = {}
        self._late: list[tuple[float, Client, bytes, bool]] = []
        self._goes_on = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _open(self, client: Client | None) -> socket.socket:
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found.bind(("127.0.0.1", 0))
        self._selector.register(found, selectors.EVENT_READ, client)
        return found

    def arm(self, faults: t.Iterable[Fault] = ()) -> None:
        """Play these faults from now on, and no others."""
        self.silent_until = 0.0
        self.faults = [
            {"answer": False, "nth": 1, "times": 1, "every": 1, "seen": 0, "played": 0, **fault} for fault in faults
        ]

    def close(self) -> None:
        """Stop it."""
        self._goes_on = False
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            t.cast("socket.socket", key.fileobj).close()
        self._selector.close()

    def _run(self) -> None:
        while self._goes_on:
            for key, dummy in self._selector.select(0.02):
                with contextlib.suppress(OSError):
                    packet, sender = t.cast("socket.socket", key.fileobj).recvfrom(4096)
                    self._carry(key.data or sender, packet, answer=key.data is not None)
            now = time.monotonic()
            due = [one for one in self._late if one[0] <= now]
            self._late = [one for one in self._late if one[0] > now]
            for dummy_at, client, packet, answer in due:
                self.deliver(client, packet, answer=answer)

    def _carry(self, client: Client, packet: bytes, *, answer: bool) -> None:
        name = self.reader.name(packet, answer=answer)
        self.seen.append(f"{name} answered" if answer else name)
        if time.monotonic() < self.silent_until:
            return
        fault = self._fault_for(name, answer=answer)
        if fault is None:
            self.deliver(client, packet, answer=answer)
            held = [one for one in self.held if one[2] == answer]
            self.held = [one for one in self.held if one[2] != answer]
            for whose, old, dummy in held:
                self.deliver(whose, old, answer=answer)
        else:
            self.played.append(fault)
            WAYS[fault["do"]](self, fault, client, packet, answer)

    def _fault_for(self, name: str, *, answer: bool) -> Fault | None:
        found = None
        for fault in self.faults:
            if fault["answer"] != answer or fault["act"] not in (name, "anything"):
                continue
            fault["seen"] += 1
            since = fault["seen"] - fault["nth"]
            times = sys.maxsize if fault["times"] is None else fault["times"]
            if found is None and since >= 0 and since % fault["every"] == 0 and fault["played"] < times:
                fault["played"] += 1
                found = fault
        return found

    def deliver(self, client: Client, packet: bytes, *, answer: bool, after: float = 0.0) -> None:
        """Bring a packet to where it is to go, now or after some seconds."""
        if after:
            self._late.append((time.monotonic() + after, client, packet, answer))
            return
        with contextlib.suppress(OSError):
            if answer:
                self._front.sendto(packet, client)
            else:
                if client not in self._backs:
                    self._backs[client] = self._open(client)
                self._backs[client].sendto(packet, self._bmc)


def _twice(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    path.deliver(client, packet, answer=answer)
    path.deliver(client, packet, answer=answer)


def _late(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    path.deliver(client, packet, answer=answer, after=fault["seconds"])


def _behind(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    path.held.append((client, packet, answer))


def _hurt(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    place = len(packet) * 2 // 3
    path.deliver(client, packet[:place] + bytes([packet[place] ^ 0x55]) + packet[place + 1 :], answer=answer)


def _cut(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    path.deliver(client, packet[: len(packet) // 2], answer=answer)


def _noise(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    for garbage in (b"", b"\x06", b"\x06\x00\xff\x07" + bytes(9), bytes(range(64)), packet[:6] + bytes(40)):
        path.deliver(client, garbage, answer=answer)
    path.deliver(client, packet, answer=answer)


def _elsewhere(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(packet, client)


def _silent(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    path.silent_until = time.monotonic() + fault.get("seconds", 1e9)


def _restart(path: Path, fault: Fault, client: Client, packet: bytes, answer: bool) -> None:
    path.restart()


WAYS: dict[str, t.Callable[[Path, Fault, Client, bytes, bool], None]] = {
    "drop": lambda *dummy: None,
    "twice": _twice,
    "late": _late,
    "behind": _behind,
    "hurt": _hurt,
    "cut": _cut,
    "noise": _noise,
    "elsewhere": _elsewhere,
    "silent": _silent,
    "restart": _restart,
}
"""What can become of a packet: lost, carried twice, after ``seconds``, behind the next one, with another byte in it,
half of it, with garbage before it, from another port; silence from it on, for ``seconds`` or for good; or the BMC
restarts, without having seen it, and knows no session any more.
"""
