"""Sessions and busy answers, against a small Redfish service that has a SessionService (DSP0266, 13.3.4)."""

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
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import quirks as redfish_quirks
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver

ROOT = {
    "Id": "RootService",
    "RedfishVersion": "1.15.0",
    "Systems": {"@odata.id": "/redfish/v1/Systems"},
    "SessionService": {"@odata.id": "/redfish/v1/SessionService"},
    "Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}},
}
RESET = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"


class Service(http.server.ThreadingHTTPServer):
    """What the handler knows: open sessions, the power, and how often it is still busy."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.opened = 0
        self.sessions: set[str] = set()
        self.power = "Off"
        self.busy = 0
        self.resets = 0


class Handler(http.server.BaseHTTPRequestHandler):
    server: Service

    def answer(self, status: int, body: t.Any = None, **headers: str) -> None:
        content = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def is_known(self) -> bool:
        if self.headers.get("X-Auth-Token") in self.server.sessions:
            return True
        self.answer(401, {"error": {"code": "Base.1.0.NoValidSession", "message": "who are you?"}})
        return False

    def do_GET(self) -> None:
        if self.path.rstrip("/") == "/redfish/v1":
            self.answer(200, ROOT)
        elif self.is_known():
            links = {
                "#ComputerSystem.Reset": {"target": RESET, "ResetType@Redfish.AllowableValues": ["On", "ForceOff"]}
            }
            self.answer(
                200, {"Id": "1", "Name": "s", "Manufacturer": "Test", "PowerState": self.server.power, "Actions": links}
            )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/Sessions"):
            if body["Password"] != "right":
                self.answer(401, {"error": {"code": "Base.1.0.AccessDenied", "message": "no"}})
                return
            self.server.opened += 1
            token = f"token{self.server.opened}"
            self.server.sessions.add(token)
            self.answer(201, {}, X_Auth_Token=token, Location=f"/redfish/v1/SessionService/Sessions/{token}")
        elif self.is_known():
            self.server.resets += 1
            if self.server.busy > 0:
                self.server.busy -= 1
                self.answer(409, {"error": {"code": "Base.1.0.ResourceInUse", "message": "try later"}})
                return
            self.server.power = {"On": "On", "ForceOff": "Off"}[body["ResetType"]]
            self.answer(204)

    def do_DELETE(self) -> None:
        if self.is_known():
            self.server.sessions.discard(self.path.rpartition("/")[2])
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


def connect(fake_node: t.Any, service: Service, password: str = "right") -> RedfishDriver:
    bmc = {"address": f"http://127.0.0.1:{service.server_address[1]}", "username": "admin", "password": password}
    bmc |= {"system_id": "1", "timeout": 5.0, "power_timeout": 3.0}
    return RedfishDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc=bmc)))


def test_one_session_is_opened_reused_and_closed(fake_node: t.Any, service: Service) -> None:
    with connect(fake_node, service) as driver:
        assert driver.power.set_power_state(base.POWER_ON)
        assert driver.power.set_power_state(base.POWER_OFF)
        assert len(service.sessions) == 1
    assert (service.opened, service.sessions) == (1, set())


def test_the_session_is_closed_after_an_error(fake_node: t.Any, service: Service) -> None:
    service.power = "On"
    driver = connect(fake_node, service)
    with pytest.raises(errors.UnsupportedOperationError, match="softly"), driver:
        driver.power.request_power_state(base.POWER_OFF, soft=True)
    assert (service.opened, service.sessions) == (1, set())


def test_refused_credentials_are_not_tried_another_way(fake_node: t.Any, service: Service) -> None:
    with connect(fake_node, service, password="wrong") as driver:
        with pytest.raises(errors.BMCAuthenticationError):
            driver.power.get_power_state()
        assert driver.counters.bmc_requests == 2  # the root, which is open, and the one refusal
    assert service.opened == 0


def test_a_busy_bmc_is_asked_again_within_a_bound(
    fake_node: t.Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redfish_quirks, "DEFAULT", redfish_quirks.Quirk(reset_attempts=3, reset_wait=0.01))
    with connect(fake_node, service) as driver:
        service.busy = 2
        assert driver.power.set_power_state(base.POWER_ON)
        service.busy = 99
        with pytest.raises(errors.BMCResponseError) as caught:
            driver.power.set_power_state(base.POWER_OFF)
    assert caught.value.retryable
    assert service.resets == 6


def test_a_power_change_that_never_comes_true_is_told(fake_node: t.Any, service: Service) -> None:
    with connect(fake_node, service) as driver:
        driver.power.get_power_state()
        service.power = "PoweringOn"
        service.busy = 0
        original = Handler.do_POST
        Handler.do_POST = lambda handler: handler.answer(204)  # type: ignore[method-assign]
        try:
            with pytest.raises(
                errors.BMCTimeoutError, match="did not become 'power on' within 3 s; last seen: 'power off'"
            ):
                driver.power.set_power_state(base.POWER_ON)
        finally:
            Handler.do_POST = original  # type: ignore[method-assign]
