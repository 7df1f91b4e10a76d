"""Makes the checkout importable as the collection, and offers nodes that are files."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import bcrypt
import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]


# A machine that is busy must fail no test, and what failed once is a test of its own, not a file beside the tests.
hypothesis.settings.register_profile("project", deadline=None, database=None)
hypothesis.settings.load_profile("project")


def _make_importable() -> None:
    """Put the checkout on the path as ansible_collections.baremetal.lifecycle, unless ansible-test has done so."""
    if importlib.util.find_spec("ansible_collections") and "ansible_collections.baremetal" in sys.modules:
        return
    link = ROOT / ".collections" / "ansible_collections" / "baremetal" / "lifecycle"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../..")
    sys.path.insert(0, str(ROOT / ".collections"))


_make_importable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what only some tests know."""
    parser.addoption("--bmc-trees", type=Path, metavar="FOLDER", help="recorded Redfish trees that are played, too")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that wants a BMC each that is data."""
    if "known_bmc" in metafunc.fixturenames:
        from tests.bmcs import library

        folder = metafunc.config.getoption("--bmc-trees")
        recorded = library.recorded(folder) if folder else []
        if folder and not recorded:
            raise pytest.UsageError(f"--bmc-trees: there is no recorded tree in {folder}.")
        known = [*library.of_the_project(), *recorded]
        metafunc.parametrize("known_bmc", known, ids=[bmc.name for bmc in known])


class FakeNode:
    """A node on the fake driver: its machine is a file, its store a database in a temporary folder."""

    def __init__(self, folder: Path, name: str = "node01") -> None:
        self.name = name
        self.folder = folder
        self.machine_path = folder / f"{name}.json"

    def params(self, spec: dict[str, t.Any], **changes: t.Any) -> dict[str, t.Any]:
        """Return options as a module gets them: defaults of ``spec``, then ``changes``."""
        defaults = {key: option.get("default") for key, option in spec.items()}
        given = {
            "name": self.name,
            "bmc": {"address": f"fake://{self.machine_path}", "verify": True, "timeout": 60.0, "power_timeout": 5.0},
            "state_dir": str(self.folder / "state"),
            "deploy_interface": "noop",
        }
        return {**defaults, **given, **changes}

    @property
    def machine(self) -> dict[str, t.Any]:
        """The machine as it is now."""
        return t.cast("dict[str, t.Any]", json.loads(self.machine_path.read_text()))

    def script(self, **machine: t.Any) -> None:
        """Make the machine what is given: faults, delays, states."""
        self.machine_path.write_text(json.dumps(machine))


@pytest.fixture
def fake_node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedfishService:
    """A real Redfish service: sushy-emulator with its fake systems, over TLS and with a password."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"https://127.0.0.1:{self.port}"
        from tests.certificate import make_certificate

        self.ca_path, key = make_certificate(folder)
        der = ssl.PEM_cert_to_DER_cert(self.ca_path.read_text())
        self.fingerprint = hashlib.sha256(der).hexdigest()
        passwords = folder / "htpasswd"
        passwords.write_text(f"admin:{bcrypt.hashpw(b'right', bcrypt.gensalt(4)).decode()}\n")
        config = folder / "emulator.conf"
        systems = [
            {"uuid": uuid, "name": uuid[-6:], "power_state": "Off", "external_notifier": False, "nics": []}
            for uuid in self.systems
        ]
        config.write_text(
            f"SUSHY_EMULATOR_AUTH_FILE = {str(passwords)!r}\n"
            f"SUSHY_EMULATOR_STATE_DIR = {str(folder)!r}\n"
            f"SUSHY_EMULATOR_FAKE_SYSTEMS = {systems!r}\n"
        )
        command = [Path(sys.executable).with_name("sushy-emulator"), "--config", config, "--fake", "-i", "127.0.0.1"]
        command += ["-p", str(self.port), "--ssl-certificate", self.ca_path, "--ssl-key", key]
        with (folder / "emulator.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._await()

    systems = ("27946b59-9e44-4fa7-8e91-f3527a1ef094", "27946b59-9e44-4fa7-8e91-f3527a1ef095")

    def bmc(self, **changes: t.Any) -> dict[str, t.Any]:
        """Return bm_bmc for it, with what a test wants to be different."""
        return {
            "address": self.address,
            "username": "admin",
            "password": "right",
            "verify": str(self.ca_path),
            "system_id": self.systems[0],
            **changes,
        }

    def _await(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.1)
        raise AssertionError("sushy-emulator did not start within 30 s")

    def close(self) -> None:
        """Stop the service."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)


@pytest.fixture(scope="session")
def redfish_service(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[RedfishService]:
    service = RedfishService(tmp_path_factory.mktemp("redfish"))
    yield service
    service.close()


@pytest.fixture(scope="session")
def postgresql() -> t.Iterator[t.Any]:
    from tests.postgresql import PostgreSQL

    server = PostgreSQL()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, on each database that can hold one."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("postgresql").new_database())


@pytest.fixture(scope="session")
def ipmi_service(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Any]:
    from tests.ipmi import IPMIService

    service = IPMIService(tmp_path_factory.mktemp("ipmi"))
    yield service
    service.close()
