"""bm_power, bm_boot_device and bm_virtual_media: what they ask of the machine, and what they leave in the store."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import (
    boot_device,
    deploy,
    power,
    prepare,
    virtual_media,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

ME = str(owners.current_owner(os.getpid()))
ANOTHER = str(owners.current_owner(os.getppid()))
"""Two runs that go on."""

OFF, ON = "set_power_state power off", "set_power_state power on"
ISO, OTHER_ISO = "http://192.0.2.1/a.iso", "http://192.0.2.1/b.iso"
PXE = {"device": "pxe", "persistent": False, "mode": "uefi"}
DISK = {"device": "disk", "persistent": True, "mode": "uefi"}
NO_DEVICE = {"device": None, "persistent": False, "mode": None}

ACTS: list[tuple[t.Any, dict[str, t.Any], str, str]] = [
    (power, {"state": "on"}, "set_power_state", "power"),
    (power, {"state": "rebooted"}, "set_power_state", "power"),
    (boot_device, {"device": "pxe"}, "set_boot_device", "boot device"),
    (virtual_media, {"state": "inserted", "url": ISO}, "insert_media", "media"),
]
"""Acts that change something on a new machine: operation, options, the fake's operation, the history's event."""

each_act = pytest.mark.parametrize(
    ("operation", "options", "call", "event"), ACTS, ids=["power_on", "reboot", "boot_device", "virtual_media"]
)


def act(fake_node: t.Any, operation: t.Any, owner: str = ME, check_mode: bool = False, **options: t.Any) -> t.Any:
    """Run an operation as a module does."""
    params = fake_node.params(operation.ARGUMENT_SPEC, **options)
    return runner.execute(operation.run, params, owner=owner, check_mode=check_mode)


@pytest.fixture
def store(fake_node: t.Any) -> t.Iterator[Store]:
    with contextlib.closing(Store(f"sqlite:///{fake_node.folder}/state/store.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def dead() -> str:
    """A run of this controller that is dead."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        return str(owners.current_owner(process.pid))


def put(store: Store, holder: str | None = None, seconds: float = 60, **fields: t.Any) -> t.Any:
    """Put a record into the store, held by ``holder``; return it."""
    record = store.ensure_node("node01", "fake")
    store.reserve("node01", "the test", "test", 60, instead_of=record.reservation, only_expired=False)
    store.save(dataclasses.replace(record, **fields), "the test")
    if fields.get("maintenance"):
        store.set_maintenance("node01", True, None, HistoryEntry(node="node01", event="test"))
    if holder:
        store.reserve("node01", holder, "deploy", seconds, instead_of="the test", only_expired=False)
    else:
        store.release("node01", "the test")
    return store.get("node01")


def events(store: Store) -> list[str]:
    return [entry.event for entry in store.history("node01")]


@pytest.mark.parametrize(
    ("before", "state", "calls", "after"),
    [
        ("power off", "on", [ON], "power on"),
        ("power on", "on", [], "power on"),
        ("power on", "off", [OFF], "power off"),
        ("power off", "off", [], "power off"),
        ("power on", "soft_off", [f"{OFF} soft"], "power off"),
        ("power off", "soft_off", [], "power off"),
        ("power on", "rebooted", [OFF, ON], "power on"),
        ("power off", "rebooted", [ON], "power on"),
        ("power on", "soft_rebooted", [f"{OFF} soft", ON], "power on"),
        ("power off", "soft_rebooted", [ON], "power on"),
    ],
)
def test_power(fake_node: t.Any, store: Store, before: str, state: str, calls: list[str], after: str) -> None:
    fake_node.script(power_state=before)
    put(store, provision_state="active", power_state=before, last_error="an older one")
    result = act(fake_node, power, state=state)
    assert "failed" not in result
    assert (result["changed"], result["power_state"]) == (bool(calls), after)
    assert result["diff"] == {"before": {"power_state": before}, "after": {"power_state": after}}
    assert (fake_node.machine["calls"], fake_node.machine["power_state"]) == (calls, after)
    assert result["power_ons"] == calls.count(ON)
    record = store.get("node01")
    assert record is not None
    assert (record.provision_state, record.power_state, record.last_error) == ("active", after, "an older one")
    assert record.reservation is None
    notes = [entry.message for entry in store.history("node01") if entry.event == "power"]
    assert notes == ([f"{state}: {before} -> {after}"] if calls else [])
    again = act(fake_node, power, state=state)
    reboots = state.endswith("rebooted")
    assert again["changed"] == reboots
    assert (fake_node.machine["calls"] == calls) == (not reboots)


def test_an_operating_system_that_ignores_a_soft_power_off_is_cut(fake_node: t.Any) -> None:
    fake_node.script(power_state="power on", ignores_soft=True)
    bmc = {**fake_node.params({})["bmc"], "power_timeout": 0.2}
    result = act(fake_node, power, state="soft_rebooted", bmc=bmc)
    assert result["changed"]
    assert fake_node.machine["calls"] == [f"{OFF} soft", OFF, ON]


def test_a_machine_that_somebody_has_switched_is_noted_and_not_changed(fake_node: t.Any, store: Store) -> None:
    fake_node.script(power_state="power off")
    put(store, provision_state="active", power_state="power on")
    for dummy in range(2):
        result = act(fake_node, power, state="off")
        assert (result["changed"], result["power_state"]) == (False, "power off")
    record = store.get("node01")
    assert record is not None
    assert record.power_state == "power off"
    assert [entry.message for entry in store.history("node01")][1:] == ["seen: power off"]


@pytest.mark.parametrize(
    ("before", "options", "calls", "after"),
    [
        (None, {"device": "pxe"}, ["set_boot_device pxe"], PXE),
        (PXE, {"device": "pxe"}, [], PXE),
        ({**PXE, "mode": None}, {"device": "pxe"}, [], {**PXE, "mode": None}),
        (PXE, {"device": "pxe", "persistent": True}, ["set_boot_device pxe persistent"], {**PXE, "persistent": True}),
        (PXE, {"device": "pxe", "boot_mode": "bios"}, ["set_boot_device pxe"], {**PXE, "mode": "bios"}),
        (DISK, {"device": "disk"}, ["set_boot_device disk"], {**DISK, "persistent": False}),
        ({**PXE, "device": "http"}, {"device": "cdrom"}, ["set_boot_device cdrom"], {**PXE, "device": "cdrom"}),
        (DISK, {"device": "none"}, ["clear_boot_device"], NO_DEVICE),
        (None, {"device": "none", "persistent": True}, [], NO_DEVICE),
    ],
)
def test_boot_device(
    fake_node: t.Any, store: Store, before: t.Any, options: dict[str, t.Any], calls: list[str], after: t.Any
) -> None:
    fake_node.script(boot_device=before)
    result = act(fake_node, boot_device, **options)
    assert "failed" not in result
    assert (result["changed"], result["boot_device"]) == (bool(calls), after)
    assert result["diff"] == {"before": {"boot_device": before or NO_DEVICE}, "after": {"boot_device": after}}
    assert fake_node.machine["calls"] == calls
    assert events(store) == (["create", "boot device"] if calls else [])
    again = act(fake_node, boot_device, **options)
    assert not again["changed"]
    assert fake_node.machine["calls"] == calls
    assert events(store) == (["create", "boot device"] if calls else [])


@pytest.mark.parametrize(
    ("before", "options", "calls", "after"),
    [
        (None, {"state": "inserted", "url": ISO}, ["insert_media"], ISO),
        (ISO, {"state": "inserted", "url": ISO}, [], ISO),
        (OTHER_ISO, {"state": "inserted", "url": ISO}, ["insert_media"], ISO),
        (ISO, {"state": "inserted", "url": ISO.replace("://", "://me:secret@")}, [], ISO),
        (ISO, {"state": "ejected"}, ["eject_media"], None),
        (ISO, {"state": "ejected", "url": OTHER_ISO}, ["eject_media"], None),
        (None, {"state": "ejected"}, [], None),
    ],
)
def test_virtual_media(
    fake_node: t.Any, store: Store, before: t.Any, options: dict[str, t.Any], calls: list[str], after: t.Any
) -> None:
    fake_node.script(media=before)
    result = act(fake_node, virtual_media, **options)
    assert "failed" not in result
    assert (result["changed"], result["media"]) == (bool(calls), after)
    assert result["diff"] == {"before": {"media": before}, "after": {"media": after}}
    assert (fake_node.machine["calls"], fake_node.machine["media"]) == (calls, after)
    notes = [entry.message for entry in store.history("node01") if entry.event == "media"]
    assert notes == ([f"{'inserted' if after else 'ejected'} a.iso"] if calls else [])
    again = act(fake_node, virtual_media, **options)
    assert not again["changed"]
    assert fake_node.machine["calls"] == calls


@pytest.mark.parametrize("fault", [[], [{"operation": "insert_media", "error": "BMCResponseError"}]])
def test_the_account_in_a_url_is_shown_and_kept_nowhere(fake_node: t.Any, store: Store, fault: list[t.Any]) -> None:
    url = "http://me:correct-horse@192.0.2.1/a.iso"
    fake_node.script(faults=[{**entry, "message": f"can't fetch {url}"} for entry in fault])
    for dummy in range(2):
        result = act(fake_node, virtual_media, state="inserted", url=url)
        assert result.get("failed", False) == bool(fault)
        assert "correct-horse" not in str(result)
    assert len(store.history("node01")) > 1
    assert "correct-horse" not in str([store.history("node01"), store.get("node01")])


@pytest.mark.parametrize(
    ("operation", "options", "address", "error", "text"),
    [
        (virtual_media, {"state": "inserted"}, None, "InvalidRequestError", "url is missing"),
        (virtual_media, {"state": "ejected"}, "ipmi://127.0.0.1:9", "UnsupportedOperationError", "no virtual media"),
    ],
)
def test_what_can_not_be_done_is_refused_before_anything_is_touched(
    fake_node: t.Any, store: Store, operation: t.Any, options: t.Any, address: str | None, error: str, text: str
) -> None:
    bmc = {"address": address or f"fake://{fake_node.machine_path}"}
    result = act(fake_node, operation, **options, bmc=bmc)
    assert (result["failed"], result["error"]["type"], result["bmc_requests"]) == (True, error, 0)
    assert text in result["msg"]
    assert store.records() == []


@each_act
@pytest.mark.parametrize("known", [False, True])
def test_check_mode_touches_neither_machine_nor_store(
    fake_node: t.Any, store: Store, operation: t.Any, options: t.Any, call: str, event: str, known: bool
) -> None:
    fake_node.script(power_state="power off", boot_device=None, media=None, calls=[])
    if known:
        put(store, provision_state="active", power_state="power on")
    before = (fake_node.machine, store.records(), events(store))
    predicted = act(fake_node, operation, check_mode=True, **options)
    assert predicted["changed"]
    assert (fake_node.machine, store.records(), events(store)) == before
    done = act(fake_node, operation, **options)
    assert done["diff"] == predicted["diff"]
    assert fake_node.machine["calls"] == [mine for mine in fake_node.machine["calls"] if mine.startswith(call)] != []


@each_act
@pytest.mark.parametrize("state", ["deploying", "active"])
def test_a_node_that_another_live_run_holds_is_refused_before_its_bmc_is_asked(
    fake_node: t.Any, store: Store, operation: t.Any, options: t.Any, call: str, event: str, state: str
) -> None:
    before = put(store, ANOTHER, provision_state=state)
    for check_mode in (False, True):
        result = act(fake_node, operation, check_mode=check_mode, **options)
        assert (result["failed"], result["error"]["type"], result["bmc_requests"]) == (True, "NodeLockedError", 0)
        assert "for 'deploy'" in result["msg"]
        assert (store.get("node01"), events(store)) == (before, ["create"])


@each_act
def test_maintenance_forbids_nothing(
    fake_node: t.Any, store: Store, operation: t.Any, options: t.Any, call: str, event: str
) -> None:
    put(store, provision_state="available", maintenance=True, maintenance_reason="fan 3")
    result = act(fake_node, operation, **options)
    record = store.get("node01")
    assert record is not None
    assert (result["changed"], record.maintenance, record.reservation) == (True, True, None)
    assert [event for event in events(store) if event != "test"] == ["create", event]


@each_act
@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("active", "BMCConnectionError"),
        ("deploy failed", "BMCResponseError"),
        ("deploying", "BMCAuthenticationError"),
        ("wait call-back", "BMCTimeoutError"),
    ],
)
def test_an_error_is_noted_and_leaves_state_and_work_as_they_were(
    fake_node: t.Any,
    store: Store,
    dead: str,
    operation: t.Any,
    options: t.Any,
    call: str,
    event: str,
    state: str,
    error: str,
) -> None:
    holder = None if state in ("active", "deploy failed") else dead
    steps = [{"step": "deploy.deploy", "priority": 100, "status": "running"}]
    before = put(store, holder, provision_state=state, last_error="an older one", steps=steps)
    fake_node.script(faults=[{"operation": call, "error": error, "message": "no", "times": 1}])
    result = act(fake_node, operation, **options)
    assert (result["failed"], result["error"]["type"]) == (True, error)
    left = store.get("node01")
    assert left is not None
    assert left.reservation_expires == pytest.approx(before.reservation_expires)
    assert left == dataclasses.replace(
        before,
        power_state="power off" if operation is power else None,
        reservation_expires=left.reservation_expires,
        bmc=f"fake://{fake_node.machine_path}",
    )
    assert [event for event in events(store) if event != "test"] == [
        "create",
        *(["takeover"] if holder else []),
        "error",
    ]
    assert act(fake_node, operation, **options)["changed"]


def test_a_bmc_that_is_away_leaves_nothing_in_the_store(fake_node: t.Any, store: Store) -> None:
    fake_node.script(faults=[{"operation": "get_power_state", "error": "BMCConnectionError"}])
    assert act(fake_node, power, state="on")["error"]["type"] == "BMCConnectionError"
    assert store.records() == []


@pytest.mark.parametrize("state", ["deploying", "wait call-back"])
@pytest.mark.parametrize("holder", ["dead here", "expired elsewhere", "nobody"])
def test_what_a_dead_run_left_can_be_gone_on_with_after_any_act(
    fake_node: t.Any, store: Store, dead: str, state: str, holder: str
) -> None:
    run = {"dead here": dead, "expired elsewhere": "alice@elsewhere pid=1 started=1 boot=x ns=1"}.get(holder)
    assert act(fake_node, prepare, owner=run or "gone")["provision_state"] == "deploying"
    found = put(store, run, seconds=0, provision_state=state)
    for operation, options, call, dummy in ACTS:
        machine = {"power_state": "power off", "faults": [{"operation": call, "error": "BMCResponseError", "times": 1}]}
        fake_node.script(**machine)
        for fails in (True, False):
            assert act(fake_node, operation, **options).get("failed", False) == fails
            left = store.get("node01")
            assert left is not None
            assert (left.provision_state, left.reservation) == (state, run)
            assert (left.steps, left.driver_internal_info) == (found.steps, found.driver_internal_info)
    resumed = act(fake_node, prepare, owner=ANOTHER)
    assert (resumed["needed"], resumed["provision_state"]) == (True, "deploying"), resumed
    assert "resume" in events(store)
    assert act(fake_node, deploy, owner=ANOTHER)["provision_state"] == "active"


def test_an_act_within_this_runs_own_work_keeps_the_reservation_for_the_work(fake_node: t.Any, store: Store) -> None:
    act(fake_node, prepare, owner=ME)
    before = store.get("node01")
    assert act(fake_node, power, owner=ME, state="rebooted")["changed"]
    after = store.get("node01")
    assert before is not None
    assert after is not None
    assert (after.reservation, after.reservation_purpose) == (ME, "deploy")
    assert after.reservation_since == before.reservation_since
    assert act(fake_node, power, owner=ANOTHER, state="off")["error"]["type"] == "NodeLockedError"
    assert act(fake_node, deploy, owner=ME)["provision_state"] == "active"


def test_a_run_that_is_killed_in_the_act_can_be_taken_over(
    fake_node: t.Any, store: Store, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(fake_node, prepare, owner="gone")
    put(store, None, provision_state="deploying")

    def die(*dummy: object, **dummy_options: object) -> t.NoReturn:
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(power.tasks.Task, "note", die)
        with pytest.raises(SystemExit):
            act(fake_node, power, owner=dead, state="on")
    left = store.get("node01")
    assert left is not None
    assert (left.provision_state, left.reservation) == ("deploying", dead)
    assert act(fake_node, prepare, owner=ANOTHER)["needed"]
    assert act(fake_node, deploy, owner=ANOTHER)["provision_state"] == "active"


@pytest.mark.parametrize("lost", [1, 2])
def test_a_request_that_the_bmc_has_lost_is_made_again(fake_node: t.Any, lost: int) -> None:
    fake_node.script(loses_power_requests=lost)
    bmc = {"address": f"fake://{fake_node.machine_path}", "verify": True, "timeout": 60.0, "power_timeout": 5.0}
    done = act(fake_node, power, state="on", bmc=bmc)
    assert (done["changed"], done["power_state"], done["power_ons"]) == (True, "power on", 1)
    assert fake_node.machine["calls"] == [ON] * (lost + 1)


def test_a_bmc_that_loses_each_request_is_given_up(fake_node: t.Any) -> None:
    fake_node.script(loses_power_requests=1000)
    bmc = {"address": f"fake://{fake_node.machine_path}", "verify": True, "timeout": 60.0, "power_timeout": 1.0}
    done = act(fake_node, power, state="on", bmc=bmc)
    assert "did not become 'power on' within 1 s; last seen: 'power off'" in done["msg"]
    assert 2 <= len(fake_node.machine["calls"]) <= 6
