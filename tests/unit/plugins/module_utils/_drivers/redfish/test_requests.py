"""What a BMC is asked for what is done, log-in and log-out included: requests, connections, sessions."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.memory import LASTS
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import sessions
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver
from tests.redfish import DRIVE, MANAGER, ROOT, SESSIONS, SYSTEM, Service

ISO = "http://192.0.2.1/boot.iso"

Act = t.Callable[[RedfishDriver], object]


class Memory:
    """What a store would keep between tasks; in JSON, as a store does."""

    def __init__(self) -> None:
        self.kept = "{}"

    def task(self, fake_node: t.Any, bmc: Service, act: Act, *, goes_on: bool = False, **changes: t.Any) -> None:
        """Do something as a task of its own."""
        limits = {"verify": True, "timeout": 5.0, "power_timeout": 4.0}
        node = Node.from_params(fake_node.params(NODE_SPEC, bmc={**limits, **bmc.bmc(**changes)}))
        with RedfishDriver(node) as driver:
            driver.recall = lambda: json.loads(self.kept)
            act(driver)
            driver.goes_on = goes_on
            if driver.learnt:
                self.kept = json.dumps(driver.learnt)


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def sharing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_memory", sessions._Memory())


def insert(driver: RedfishDriver) -> None:
    assert driver.virtual_media is not None
    driver.virtual_media.insert_media(ISO)


def eject(driver: RedfishDriver) -> None:
    assert driver.virtual_media is not None
    assert driver.virtual_media.eject_media()


def boot_media(driver: RedfishDriver) -> None:
    driver.power.set_power_state(base.POWER_OFF)
    insert(driver)
    driver.management.set_boot_device(base.CDROM, mode="uefi")
    driver.power.set_power_state(base.POWER_ON)


def boot_network(driver: RedfishDriver) -> None:
    driver.power.set_power_state(base.POWER_OFF)
    driver.management.set_boot_device(base.PXE, mode="uefi")
    driver.power.set_power_state(base.POWER_ON)


def boot_disk(driver: RedfishDriver) -> None:
    driver.management.set_boot_device(base.DISK, mode="uefi", persistent=True)


BUDGETS: dict[str, tuple[Act, int, int]] = {
    # what is done: requests to a BMC that is new, and to one that is known
    "look at the power": (lambda driver: driver.power.get_power_state(), 5, 3),
    "switch on": (lambda driver: driver.power.set_power_state(base.POWER_ON), 7, 5),
    "switch on again": (lambda driver: driver.power.set_power_state(base.POWER_ON), 5, 3),
    "boot from the disk": (boot_disk, 7, 5),
    "boot from the disk again": (boot_disk, 5, 3),
    "insert media": (insert, 10, 4),
    "eject media": (eject, 10, 5),
    "boot media": (boot_media, 16, 11),
    "boot from the network": (boot_network, 11, 9),
    "look at Secure Boot": (lambda driver: driver.management.get_secure_boot(), 6, 4),
}


def test_a_task_asks_no_more_than_it_needs(fake_node: t.Any, memory: Memory) -> None:
    for place in (1, 2):
        seen = {}
        with Service() as bmc:
            if place == 2:
                memory.task(fake_node, bmc, lambda driver: driver.virtual_media and driver.virtual_media.check())
            for name, (act, *dummy) in BUDGETS.items():
                before = len(bmc.requests), bmc.connections
                (memory if place == 2 else Memory()).task(fake_node, bmc, act)
                seen[name] = len(bmc.requests) - before[0]
                assert bmc.connections - before[1] == 1, name
            assert (bmc.sessions, bmc.refused) == (0, 0)
        assert seen == {name: budget[place] for name, budget in BUDGETS.items()}


@pytest.mark.usefixtures("sharing")
def test_the_tasks_of_a_play_log_in_once(fake_node: t.Any, memory: Memory) -> None:
    with Service() as bmc:
        for act in (boot_media, eject, boot_disk):
            memory.task(fake_node, bmc, act, goes_on=True)
            assert bmc.sessions == 1
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state())
        assert (bmc.sessions, bmc.logins, bmc.passwords) == (0, 1, 1)


@pytest.mark.usefixtures("sharing")
def test_a_session_that_was_left_ends_with_a_task_that_needs_no_bmc(fake_node: t.Any, memory: Memory) -> None:
    with Service() as bmc:
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state(), goes_on=True)
        memory.task(fake_node, bmc, lambda dummy: None, goes_on=True)
        assert bmc.sessions == 1
        memory.task(fake_node, bmc, lambda dummy: None)
        assert bmc.sessions == 0


@pytest.mark.usefixtures("sharing")
def test_a_session_that_the_bmc_has_ended_is_opened_anew(fake_node: t.Any, memory: Memory) -> None:
    with Service() as bmc:
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state(), goes_on=True)
        bmc.tokens.clear()
        memory.task(fake_node, bmc, lambda driver: driver.power.set_power_state(base.POWER_ON), goes_on=True)
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state())
        assert (bmc.sessions, bmc.logins, bmc.power_ons, bmc.doubles) == (0, 2, 1, [])


@pytest.mark.usefixtures("sharing")
def test_another_password_gets_no_session_of_the_right_one(fake_node: t.Any, memory: Memory) -> None:
    with Service() as bmc:
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state(), goes_on=True)
        with pytest.raises(errors.BMCAuthenticationError):
            memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state(), password="wrong")
        assert bmc.refused == 1
        memory.task(fake_node, bmc, lambda dummy: None)
        assert bmc.sessions == 0


@pytest.mark.usefixtures("sharing")
def test_nodes_behind_one_bmc_share_its_session_and_the_last_one_ends_it(fake_node: t.Any, memory: Memory) -> None:
    with Service() as bmc:
        for name in ("node01", "node02"):
            key = sessions.key_of(bmc.url, "admin", "right")
            memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state(), goes_on=True)
            found = sessions.find(key)
            assert found is not None
            assert sessions.keep(key, found, name)
        assert bmc.logins == 1
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state())  # node01's last one
        assert bmc.sessions == 1
        assert sessions.drop(key, found.token, "node02")


def test_what_is_left_ends_with_the_play(fake_node: t.Any, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_memory", sessions._Memory())
    with Service() as bmc:
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state(), goes_on=True)
        sessions._end_all(-1)  # a fork, that is not who shares
        assert bmc.sessions == 1
        sessions._end_all(__import__("os").getpid())
        assert bmc.sessions == 0


def test_a_bmc_that_has_moved_its_system_is_learnt_anew(fake_node: t.Any, memory: Memory) -> None:
    with Service() as bmc:
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state())
        moved = f"{ROOT}/Systems/Self"
        bmc.tree[moved] = {**bmc.tree.pop(SYSTEM), "@odata.id": moved, "Id": "Self"}
        bmc.tree[f"{ROOT}/Systems"]["Members"] = [{"@odata.id": moved}]
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state())
        before = len(bmc.requests)
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state())
        assert (len(bmc.requests) - before, bmc.sessions) == (3, 0)


@pytest.mark.parametrize(
    "kept",
    [
        {"at": -LASTS - 1},
        {"at": 3600.0},
        {"of": "https://another"},
        {"documents": {}},
    ],
    ids=["too old", "of tomorrow", "another BMC's", "nothing"],
)
def test_what_is_known_is_not_relied_on_where_it_may_not_fit(
    fake_node: t.Any, memory: Memory, kept: dict[str, t.Any]
) -> None:
    with Service() as bmc:
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state())
        facts = json.loads(memory.kept)
        at = kept.get("at")
        memory.kept = json.dumps({**facts, **kept, **({"at": facts["at"] + at} if at else {})})
        before = len(bmc.requests)
        memory.task(fake_node, bmc, lambda driver: driver.power.get_power_state())
        assert len(bmc.requests) - before == 5


def test_nothing_that_is_kept_is_secret(fake_node: t.Any, memory: Memory) -> None:
    with Service() as bmc:
        memory.task(fake_node, bmc, boot_media)
    assert "right" not in memory.kept
    assert "token" not in memory.kept


def test_a_bmc_that_keeps_no_connection_is_served(fake_node: t.Any, memory: Memory) -> None:
    """It closes without a word, resets what comes second, or answers rubbish to it."""
    for kind in ({"kind": "reset"}, {"kind": "body", "body": b"HTTP/1.1 rubbish"}, {"kind": "cut"}):
        fault = {"method": "GET", "path": "Systems/1$", "nth": 1, "times": 1, **kind}
        with Service([fault]) as bmc:
            memory.task(fake_node, bmc, boot_media)
            assert bmc.played
            assert bmc.boots == [ISO]
            assert bmc.sessions == 0
            assert bmc.doubles == []


DRIVES: dict[str, tuple[dict[str, dict[str, t.Any]], str]] = {
    # what is peculiar: drives by name, with what differs from a good one; and which one the media go into
    "no MediaTypes": ({"CD1": {"MediaTypes": None}}, "CD1"),
    "one for the console first": (
        {"Slot_0": {"Actions": {"#VirtualMedia.EjectMedia": {"target": "/x"}}}, "USB1": {}},
        "USB1",
    ),
    "a floppy first": ({"1": {"MediaTypes": ["Floppy", "USBStick"]}, "2": {}}, "2"),
    "one without types, and one with": ({"1": {"MediaTypes": []}, "2": {}}, "1"),
    "told as inserted, and not connected": (
        {"Cd": {"Inserted": True, "Image": "", "ConnectedVia": "NotConnected"}},
        "Cd",
    ),
    "Inserted is null": ({"Cd": {"Inserted": None, "Image": None}}, "Cd"),
}


@pytest.mark.parametrize(("drives", "expected"), DRIVES.values(), ids=DRIVES)
def test_which_drive_takes_media(
    fake_node: t.Any, memory: Memory, drives: dict[str, dict[str, t.Any]], expected: str
) -> None:
    with Service() as bmc:
        good = bmc.tree.pop(DRIVE)
        place = f"{MANAGER}/VirtualMedia"
        for name, changes in drives.items():
            document = json.loads(json.dumps(good).replace("/VirtualMedia/Cd", f"/VirtualMedia/{name}"))
            bmc.tree[f"{place}/{name}"] = {**document, **changes}
        bmc.tree[place]["Members"] = [{"@odata.id": f"{place}/{name}"} for name in drives]
        asked: list[str] = []

        def tell(driver: RedfishDriver) -> None:
            assert driver.virtual_media is not None
            driver.virtual_media.check()
            asked.append(next(driver.virtual_media._drives.all()).path)

        memory.task(fake_node, bmc, tell)
        assert asked == [f"{place}/{expected}"]
        assert not any(method == "POST" and path != SESSIONS for method, path in bmc.requests)
