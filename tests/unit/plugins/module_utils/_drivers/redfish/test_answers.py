"""What BMCs answer that the schema does not foresee, and what they make of a boot override: a service on loopback."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import json
import threading
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver

SYSTEM = "/redfish/v1/Systems/1"
SETTINGS = f"{SYSTEM}/Settings"
URL = "http://192.0.2.1/boot.efi"


class Service(http.server.ThreadingHTTPServer):
    """A BMC: what it answers by path; bytes are sent as they are. ``patched``: what it does with a new Boot."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.boot: t.Any = {
            "BootSourceOverrideEnabled": "Disabled",
            "BootSourceOverrideTarget": "None",
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Cd", "Hdd", "UefiHttp"],
            "BootSourceOverrideMode": "UEFI",
            "HttpBootUri": None,
        }
        self.answers: dict[str, t.Any] = {
            "/redfish/v1": {
                "Id": "RootService",
                "RedfishVersion": "1.15.0",
                "Systems": {"@odata.id": "/redfish/v1/Systems"},
            },
            SYSTEM: {
                "Id": "1",
                "Name": "s",
                "PowerState": "On",
                "Actions": {
                    "#ComputerSystem.Reset": {
                        "target": f"{SYSTEM}/Actions/ComputerSystem.Reset",
                        "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "PushPowerButton"],
                    }
                },
                "Boot": self.boot,
            },
        }
        self.patched: t.Callable[[dict[str, t.Any]], None] = self.boot.update
        self.resets: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Service

    def answer(self, status: int, body: t.Any = None) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        found = self.server.answers.get(self.path.rstrip("/"), {"error": {"message": "no such thing"}})
        self.answer(404 if isinstance(found, dict) and "error" in found else 200, found)

    def read(self) -> t.Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def do_PATCH(self) -> None:
        self.server.patched(self.read()["Boot"])
        self.answer(204)

    def do_POST(self) -> None:
        wanted = self.read()["ResetType"]
        self.server.resets.append(wanted)
        self.server.answers[SYSTEM]["PowerState"] = {"On": "On", "ForceOff": "Off"}[wanted]
        self.answer(204)

    def log_message(self, *dummy: object) -> None:
        """Be quiet."""


@pytest.fixture
def service() -> t.Iterator[Service]:
    server = Service()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def connect(fake_node: t.Any, service: Service, **changes: t.Any) -> RedfishDriver:
    bmc = {"address": f"http://127.0.0.1:{service.server_address[1]}", "username": "admin", "password": "right"}
    bmc |= {"system_id": "1", "timeout": 5.0, "power_timeout": 3.0, **changes}
    return RedfishDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc=bmc)))


def without(mapping: dict[str, t.Any], key: str) -> dict[str, t.Any]:
    return {name: value for name, value in mapping.items() if name != key}


GARBAGE: list[tuple[str, str, t.Callable[[dict[str, t.Any]], t.Any], type[errors.BareMetalError]]] = [
    ("a log-in page", "/redfish/v1", lambda old: b"<html>Please log in</html>", errors.BMCResponseError),
    ("a list", "/redfish/v1", lambda old: [], errors.BMCResponseError),
    ("a page for the System", SYSTEM, lambda old: b"<html>busy</html>", errors.BMCResponseError),
    ("half of an answer", SYSTEM, lambda old: b'{"Id": "1", "Na', errors.BMCResponseError),
    ("a number", SYSTEM, lambda old: 7, errors.BMCResponseError),
    ("Boot is text", SYSTEM, lambda old: {**old, "Boot": "none"}, errors.BMCResponseError),
    ("no Boot", SYSTEM, lambda old: without(old, "Boot"), errors.UnsupportedOperationError),
]


@pytest.mark.parametrize(("path", "make", "error"), [row[1:] for row in GARBAGE], ids=[row[0] for row in GARBAGE])
def test_garbage_is_our_error(
    fake_node: t.Any, service: Service, path: str, make: t.Any, error: type[errors.BareMetalError]
) -> None:
    service.answers[path] = make(service.answers[path])
    with connect(fake_node, service) as driver, pytest.raises(error) as caught:
        driver.management.get_boot_device()
    assert caught.value.hint
    assert caught.value.node == "node01"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"address": "https://[::1"}, errors.InvalidRequestError, "is not https://host"),
        ({"address": "https://"}, errors.InvalidRequestError, "is not https://host"),
        ({"address": "https://127.0.0.1:1", "verify": "/nowhere/ca.pem"}, errors.BMCConnectionError, "/nowhere/ca.pem"),
    ],
)
def test_what_is_wrong_here_is_told_from_what_is_wrong_there(
    fake_node: t.Any, service: Service, changes: dict[str, t.Any], error: type[errors.BareMetalError], words: str
) -> None:
    with pytest.raises(error) as caught, connect(fake_node, service, **changes) as driver:
        driver.power.get_power_state()
    assert words in caught.value.message
    assert not caught.value.retryable


def test_a_mode_that_changes_along_with_the_device_is_set_again(fake_node: t.Any, service: Service) -> None:
    patches: list[dict[str, t.Any]] = []

    def forget_mode(boot: dict[str, t.Any]) -> None:
        patches.append(boot)
        service.boot.update({"BootSourceOverrideMode": "Legacy", **boot})

    service.patched = forget_mode
    with connect(fake_node, service) as driver:
        driver.management.set_boot_device(base.PXE, mode="uefi")
        assert driver.management.get_boot_device() == base.BootDevice(base.PXE, False, "uefi")
    assert ["BootSourceOverrideMode" in patch for patch in patches] == [False, True]


def test_what_waits_for_the_next_start_counts(fake_node: t.Any, service: Service) -> None:
    pending: dict[str, t.Any] = {}
    service.answers[SYSTEM]["@Redfish.Settings"] = {"SettingsObject": {"@odata.id": SETTINGS}}
    service.answers[SETTINGS] = {"Id": "Settings", "Name": "pending", "Boot": pending}
    service.patched = pending.update
    with connect(fake_node, service) as driver:
        driver.management.set_boot_device(base.CDROM, mode="uefi")
        assert driver.management.get_boot_device() == base.BootDevice(base.CDROM, False, "uefi")


@pytest.mark.parametrize("kept", [("HttpBootUri",), ("BootSourceOverrideTarget", "BootSourceOverrideEnabled")])
def test_a_boot_url_that_is_kept_by_halves_is_forgotten(
    fake_node: t.Any, service: Service, kept: tuple[str, ...]
) -> None:
    service.patched = lambda boot: service.boot.update({key: value for key, value in boot.items() if key in kept})
    with (
        connect(fake_node, service) as driver,
        pytest.raises(errors.BMCResponseError, match="accepted it, and reports"),
    ):
        driver.management.set_http_boot(URL)


def test_a_boot_url_is_set_and_read_back(fake_node: t.Any, service: Service) -> None:
    with connect(fake_node, service) as driver:
        driver.management.set_http_boot(URL)
    assert (service.boot["HttpBootUri"], service.boot["BootSourceOverrideTarget"]) == (URL, "UefiHttp")


def test_who_can_not_ask_the_system_cuts_the_power_and_presses_no_button(fake_node: t.Any, service: Service) -> None:
    with connect(fake_node, service) as driver:
        assert driver.power.set_power_state(base.POWER_OFF, soft=True)
    assert service.resets == ["ForceOff"]
