"""Where credentials go: to the BMC that was named and verified, whatever the environment or the BMC says."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import socket
import ssl
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import connector
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver
from tests.certificate import make_certificate
from tests.redfish import SYSTEM, Service

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


class Listener:
    """Another host: it keeps what it is sent, and answers nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.received = b""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, dummy = self._socket.accept()
                with connection:
                    self.received += connection.recv(65536) or b"connected"

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def elsewhere() -> t.Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def digest(certificate: tuple[Path, Path]) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate[0].read_text())).hexdigest()


def connect(fake_node: t.Any, bmc: Service, **changes: t.Any) -> RedfishDriver:
    limits = {"verify": True, "timeout": 5.0, "power_timeout": 4.0}
    return RedfishDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc={**limits, **bmc.bmc(**changes)})))


def test_what_is_verified_and_how(fake_node: t.Any, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    right = digest(certificate)
    wrong = {
        "another CA": str(make_certificate(tmp_path)[0]),
        "the usual ones": True,
        "another digest": f"sha256:{'ab' * 32}",
        "an empty folder": str(folder),
    }
    good = {"the CA": str(certificate[0]), "digest": f"sha256:{right}", "in capitals": f"sha256:{right.upper()}"}
    with Service(certificate=certificate) as bmc:
        for verify in wrong.values():
            with connect(fake_node, bmc, verify=verify) as driver:
                with pytest.raises(errors.BMCConnectionError, match="certificate is not trusted") as caught:
                    driver.power.get_power_state()
                assert not caught.value.retryable
        assert (bmc.requests, bmc.passwords) == ([], 0)
        for verify in (*good.values(), False):
            with connect(fake_node, bmc, verify=verify) as driver:
                assert driver.power.get_power_state() == base.POWER_OFF
        assert bmc.sessions == 0


def test_a_pin_is_not_passed_over_where_there_is_no_certificate(fake_node: t.Any) -> None:
    with Service() as bmc, connect(fake_node, bmc, verify=f"sha256:{'ab' * 32}") as driver:
        with pytest.raises(errors.BMCConnectionError, match="names a certificate, and http has none"):
            driver.power.get_power_state()
        assert bmc.requests == []


@pytest.mark.parametrize("pin", ["right", "wrong"])
def test_neither_proxy_nor_netrc_of_the_environment_is_used(
    fake_node: t.Any,
    certificate: tuple[Path, Path],
    elsewhere: Listener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pin: str,
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, elsewhere.url)
    (tmp_path / ".netrc").write_text("default login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with Service(certificate=certificate) as bmc:
        verify = f"sha256:{digest(certificate) if pin == 'right' else 'ab' * 32}"
        with connect(fake_node, bmc, verify=verify) as driver:
            if pin == "right":
                assert driver.power.get_power_state() == base.POWER_OFF
            else:
                with pytest.raises(errors.BMCConnectionError, match="certificate is not trusted"):
                    driver.power.get_power_state()
        assert (bmc.passwords, bmc.refused) == (int(pin == "right"), 0)  # netrc's would be a wrong one
    assert elsewhere.received == b""


@pytest.mark.parametrize("act", ["root", "log-in", "validate", "insert", "log-out"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_goes_to_another_host_in_the_clear(
    fake_node: t.Any, certificate: tuple[Path, Path], elsewhere: Listener, act: str, status: int
) -> None:
    fault = {"act": act, "kind": "redirect", "status": status, "location": f"{elsewhere.url}{SYSTEM}", "times": None}
    with Service([fault], certificate=certificate) as bmc:
        with connect(fake_node, bmc, verify=str(certificate[0])) as driver:
            assert driver.virtual_media is not None
            with (
                contextlib.nullcontext()
                if act == "log-out"
                else pytest.raises(errors.BMCResponseError, match="another address: it is not followed")
            ):
                driver.virtual_media.insert_media("http://192.0.2.1/boot.iso")
        assert bmc.played
    assert elsewhere.received == b""


@pytest.mark.parametrize(
    "address", ["https://admin:hidden@127.0.0.1", "admin:hidden@127.0.0.1", "http://hidden@[::1]:80/"]
)
def test_credentials_in_the_address_are_refused_and_not_shown(fake_node: t.Any, address: str) -> None:
    params = fake_node.params(NODE_SPEC, bmc={"address": address, "verify": True, "timeout": 5.0, "power_timeout": 5.0})
    with pytest.raises(
        errors.InvalidRequestError, match=r"bm_bmc\.address must be a URL or host name without"
    ) as caught:
        RedfishDriver(Node.from_params(params))
    assert "hidden" not in str(caught.value.to_result())


def test_a_huge_answer_is_not_read_to_its_end(fake_node: t.Any) -> None:
    with Service([{"act": "root", "kind": "huge", "size": 300 << 20, "times": None}]) as bmc:
        with connect(fake_node, bmc) as driver, pytest.raises(errors.BMCResponseError, match="more than 16 MiB"):
            driver.power.get_power_state()
        assert len(bmc.requests) == 1
    assert bmc.faults[0]["sent"] < 64 << 20  # with what the sockets hold


def test_an_answer_that_is_compressed_all_the_same_is_read(fake_node: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "PAUSE", 0.01)
    headers = {"Content-Encoding": "gzip"}
    with Service() as bmc:
        content = gzip.compress(json.dumps(bmc.system).encode())
        fault = {"act": "validate", "kind": "body", "times": None, "nth": 1, "seen": 0, "headers": headers}
        for body, error in ((content, None), (content[:20] + b"x" + content[21:], "damaged")):
            bmc.faults[:] = [{**fault, "body": body}]
            with connect(fake_node, bmc) as driver:
                if error is None:
                    assert driver.power.get_power_state() == base.POWER_OFF
                else:
                    with pytest.raises(errors.BMCResponseError, match=error):
                        driver.power.get_power_state()


OK = b"HTTP/1.1 200 OK\r\n"

GARBAGE = [
    b"",
    b"\n",
    b"SSH-2.0-x\r\n",
    b"HTTP/1.1 999999 x\r\n\r\n",
    b"HTTP/1.1 302 x\r\nLocation: http://[::1\r\n\r\n",
    OK + b"a: b\r\n" * 200 + b"\r\n",
    OK + b"a: " + b"b" * 70000 + b"\r\n\r\n",
    OK + b"Content-Length: -1\r\n\r\n{}",
    OK + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    OK + b"Content-Length: 4\r\n\r\n\xff\xfe\x00{",
]


@pytest.mark.parametrize("content", GARBAGE, ids=lambda content: repr(content[:60]))
def test_what_is_no_http_is_our_error(fake_node: t.Any, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(connector, "PAUSE", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, dummy = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(content)

        threading.Thread(target=serve, daemon=True).start()
        bmc = {"address": f"http://127.0.0.1:{server.getsockname()[1]}", "verify": True, "timeout": 2.0}
        params = fake_node.params(NODE_SPEC, bmc={**bmc, "power_timeout": 5.0})
        with RedfishDriver(Node.from_params(params)) as driver, pytest.raises(errors.BMCError) as caught:
            driver.power.get_power_state()
        assert caught.value.hint
        server.shutdown(socket.SHUT_RDWR)
