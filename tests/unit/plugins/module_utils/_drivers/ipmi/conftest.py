"""A BMC over IPMI whose wire can be read and disturbed, and one that answers as a function says."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi import lan
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.driver import IPMIDriver
from tests.ipmi import IPMIService, Relay
from tests.ipmi_wire import Command, Wire, connect


@pytest.fixture
def wire(ipmi_service: IPMIService, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Wire]:
    with contextlib.closing(Relay(ipmi_service.port)) as relay:
        found = Wire(relay)
        original = lan.LanSession._req_priv_level

        def note_key(session: t.Any) -> None:
            found.keys[session.sessionid] = session.aeskey
            original(session)

        monkeypatch.setattr(lan.LanSession, "_req_priv_level", note_key)
        yield found


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
