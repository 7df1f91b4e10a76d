"""A real IPMI BMC for tests: OpenIPMI's ipmi_sim on the loopback, made as the lab makes its BMCs."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import threading
import time
import types
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "bmc"

# What stands in for a machine: its power state is a file, and being switched on uses up one-time boot flags.
CHASSIS_CONTROL = """\
#!/bin/sh
cd "$(dirname "$0")" || exit 1
use_up() { [ ! -e bmc.bootflags ] || sed -i 's/^5 8/5 0/; s/^5 9/5 1/; s/^5 a/5 2/; s/^5 b/5 3/' bmc.bootflags; }
echo "$*" >> calls
case "$1 $2 $3" in
    'get power '*) echo "power:$(cat power)" ;;
    'set power 1') echo 1 > power; use_up ;;
    'set power 0' | 'set shutdown 1') echo 0 > power ;;
    'set reset 1') use_up ;;
esac
"""


def _lab_ipmi() -> types.ModuleType:
    """Return lab/ipmi.py, which is not part of the collection."""
    if "lab_ipmi" not in sys.modules:
        spec = importlib.util.spec_from_file_location("lab_ipmi", ROOT / "lab" / "ipmi.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["lab_ipmi"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["lab_ipmi"]


def free_udp_port() -> int:
    """Return a UDP port of the loopback that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Serial:
    """The serial port of a machine, as QEMU offers it over TCP."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connections.append(self._listener.accept()[0])

    @contextlib.contextmanager
    def saying(self, text: bytes) -> t.Iterator[None]:
        """Let the machine say something again and again while the block runs."""
        over = threading.Event()

        def say() -> None:
            while not over.wait(0.2):
                for connection in self._connections:
                    with contextlib.suppress(OSError):
                        connection.sendall(text)

        thread = threading.Thread(target=say)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def close(self) -> None:
        """Unplug it."""
        for one in (self._listener, *self._connections):
            one.close()


class IPMIService:
    """A BMC with the users admin and operator; its machine is off and does at once what it is told.

    ``kg`` has at most 19 characters: ipmi_sim cuts the twentieth off.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, kg: str = "", password: str = "right") -> None:
        ipmi = _lab_ipmi()
        self.folder = folder
        self.kg = kg
        self.password = password
        self.port = free_udp_port()
        self.power = False
        self.serial = Serial()
        script = folder / "chassis_control"
        script.write_text(CHASSIS_CONTROL)
        script.chmod(0o755)
        users = [ipmi.User("admin", password), ipmi.User("operator", password, "operator")]
        bmc = ipmi.Bmc(
            NAME, self.host, users, [str(script)], port=self.port, kg=kg, console=f"tcp:127.0.0.1:{self.serial.port}"
        )
        self._command = ipmi.write_config(folder, bmc)
        self._start()

    def _start(self) -> None:
        log = self.folder / "ipmi_sim.log"
        with log.open("wb") as file:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=file)
        deadline = time.monotonic() + 30
        while not _lab_ipmi().answers(self.host, self.port):
            assert time.monotonic() < deadline, "ipmi_sim did not start within 30 s"
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """The process that is the BMC."""
        return self._process.pid

    def restart(self) -> None:
        """Let the BMC restart: it knows no session any more, the machine is as it was."""
        self._stop()
        self._start()

    def bmc(self, **changes: t.Any) -> dict[str, t.Any]:
        """Return bm_bmc for it, with what a test wants to be different."""
        address = f"ipmi://{self.host}:{self.port}"
        return {"address": address, "username": "admin", "password": self.password, **changes}

    @property
    def power(self) -> bool:
        """Whether the machine is on; a test may switch it, as somebody at its button does."""
        return (self.folder / "power").read_text().strip() == "1"

    @power.setter
    def power(self, on: bool) -> None:
        (self.folder / "power").write_text(f"{int(on)}\n")

    def calls(self) -> list[str]:
        """Return what the BMC did to its machine: "get power", "set power 1", "set reset 1", "set shutdown 1"."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def boot_flags(self) -> str:
        """The boot flags (parameter 5) that the BMC keeps, as in "a0 04 00 00 00"; empty if never set."""
        path = self.folder / f"{NAME}.bootflags"
        lines = path.read_text().splitlines() if path.exists() else []
        return next((line[2:] for line in lines if line.startswith("5 ")), "")

    def forget(self, on: bool = True) -> None:
        """Make the BMC accept boot flags and forget them, or no longer."""
        path = self.folder / f"{NAME}.forget"
        if on:
            path.touch()
        else:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop the BMC."""
        self.serial.close()
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)


class Relay:
    """A network path to a BMC: each answer takes its time, or comes as something else, or not at all.

    ``change``: called with each answer, returns what comes of it; a test may set it at any time.
    ``before``: called with each answer, returns what comes ahead of it.
    ``lose``: says of what is sent whether it gets lost.
    ``sent``: what went to the BMC.
    """

    def __init__(self, port: int, seconds: float = 0.0) -> None:
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back.connect(("127.0.0.1", port))
        for sock in (self._front, self._back):
            sock.settimeout(0.1)
        self.port = self._front.getsockname()[1]
        self.sent: list[bytes] = []
        self.change: t.Callable[[bytes], bytes | None] = lambda data: data
        self.before: t.Callable[[bytes], bytes | None] = lambda data: None
        self.lose: t.Callable[[bytes], bool] = lambda data: False
        self._seconds = seconds
        self._client: t.Any = None
        self._goes_on = True
        self._threads = [threading.Thread(target=run) for run in (self._forward, self._backward)]
        for thread in self._threads:
            thread.start()

    def _forward(self) -> None:
        while self._goes_on:
            with contextlib.suppress(TimeoutError, ConnectionError):
                data, self._client = self._front.recvfrom(4096)
                self.sent.append(data)
                if not self.lose(data):
                    self._back.send(data)

    def _backward(self) -> None:
        while self._goes_on:
            with contextlib.suppress(TimeoutError, ConnectionError):
                data = self._back.recv(4096)
                for answer in (self.before(data), self.change(data)):
                    if answer is not None:
                        threading.Timer(self._seconds, self._deliver, (answer,)).start()

    def _deliver(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._front.sendto(data, self._client)

    def close(self) -> None:
        """Stop it."""
        self._goes_on = False
        for thread in self._threads:
            thread.join()
        self._front.close()
        self._back.close()
