"""What a store does not know is not taken, what a run has lost it does not act on, and the history tells what is so."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import fake
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import (
    deploy,
    power,
    prepare,
    state,
    validate,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

ME = str(owners.current_owner(os.getpid()))
ANOTHER = str(owners.current_owner(os.getppid()))
"""Two runs that go on."""

ELSEWHERE = "root@elsewhere pid=17 started=99 boot=12345678 ns=1 machine=87654321"
"""A run that can't be seen from here."""

ON = {"power_state": "power on", "booted_from": "disk", "boot_device": None, "media": None, "calls": []}
ERASE = {"steps": [{"step": "erase_devices_metadata"}]}
REBOOT = {"step": "reboot", "interface": "power", "priority": 10}


@pytest.fixture(scope="module")
def dead() -> str:
    """A run of this controller that is dead."""
    with subprocess.Popen(["sleep", "60"]) as process:
        run = str(owners.current_owner(process.pid))
        process.kill()
    return run


class Site:
    """Fake nodes of one store, and the operations as the role calls them."""

    def __init__(self, fake_node: t.Any) -> None:
        self.node = fake_node
        self.store = Store(f"sqlite:///{fake_node.folder}/state/store.db")

    def call(self, operation: t.Any, *, owner: str = ME, check_mode: bool = False, **options: t.Any) -> t.Any:
        params = self.node.params(operation.ARGUMENT_SPEC, **options)
        return runner.execute(operation.run, params, owner=owner, check_mode=check_mode)

    def play(self, verb: str, *, owner: str = ME, until: str | None = None, **options: t.Any) -> t.Any:
        """Do a verb's work as the role does, in-band steps with success; ``until``: stop before that step."""
        done = self.call(validate, owner=owner, verb=verb, **options)
        if not done.get("failed"):
            done = self.call(prepare, owner=owner, verb=verb, **options)
        more: dict[str, t.Any] = {}
        while not done.get("failed") and done.get("needed", True):
            done = self.call(deploy, owner=owner, verb=verb, **options, **more)
            step, more = done.get("next_step"), {}
            if (step and step["step"] == until) or not (step or done.get("wait")):
                break
            if step:
                more = {"completed_step": step["step"], "step_result": {"evidence": [{"device": "/dev/sda"}]}}
        return done

    def events(self, event: str) -> list[str]:
        return [str(entry.message) for entry in self.store.history("node01") if entry.event == event]

    @property
    def record(self) -> t.Any:
        return self.store.get("node01")


@pytest.fixture
def site(fake_node: t.Any) -> t.Iterator[Site]:
    found = Site(fake_node)
    with contextlib.closing(found.store):
        yield found


def refused(result: t.Any) -> bool:
    return "is switched on, and this store has never worked on it" in result.get("msg", "")


@pytest.mark.parametrize(
    ("verb", "options", "is_refused"),
    [
        ("enroll", {}, False),
        ("adopt", {}, False),
        ("provide", {}, False),
        ("provide", {"automated_clean": True}, True),
        ("clean", ERASE, True),
        ("clean", {"steps": [{"step": "wait", "args": {"seconds": 0}}]}, False),
        ("inspect", {}, True),
        ("inspect", {"in_band": False}, False),
        ("deploy", {}, False),
        ("deploy", {"deploy_steps": [REBOOT]}, True),
        ("deploy", {"automated_clean": True}, True),
    ],
)
def test_a_machine_that_runs_is_taken_only_by_what_leaves_it_alone(
    site: Site, verb: str, options: dict[str, t.Any], is_refused: bool
) -> None:
    site.node.script(**ON)
    if verb not in ("enroll", "deploy", "provide"):
        assert not site.play("enroll").get("failed")
    told = site.call(prepare, verb=verb, check_mode=True, **options)
    by_validate = site.call(validate, verb=verb, **options)
    done = site.play(verb, **options)
    assert (refused(told), refused(by_validate), refused(done)) == (is_refused,) * 3, (told, by_validate, done)
    assert done.get("failed", False) == is_refused
    assert site.node.machine["calls"] == []
    assert site.node.machine["power_state"] == "power on"
    jumped = site.call(prepare, verb=verb, **options)
    assert refused(jumped) == is_refused, "bm_prepare alone"
    if is_refused:
        assert "enroll.yml and adopt.yml" in done["msg"]
        assert "bm_take_running" in done["msg"]
        assert (site.record is None) or site.record.reservation is None
        taken = site.play(verb, take_running=True, **options)
        assert not refused(taken)
        assert site.events("taken")


def test_a_machine_that_another_run_has_just_begun_to_work_on_is_not_called_unknown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not site.play("enroll").get("failed")
    look, begun = fake.FakePower.get_power_state, []

    def begin_and_look(power: fake.FakePower) -> str:
        if not begun:
            begun.append(True)
            site.play("clean", owner=ANOTHER, until="deploy.erase_devices_metadata", **ERASE)
        return look(power)

    monkeypatch.setattr(fake.FakePower, "get_power_state", begin_and_look)
    done = site.play("clean", **ERASE)
    assert site.node.machine["power_state"] == "power on"
    assert "is reserved by" in done["msg"], done


@pytest.mark.parametrize("before", ["found off", "deployed", "adopted", "undeployed", "taken", "half done"])
def test_a_machine_that_the_store_knows_is_switched_though_it_runs(site: Site, dead: str, before: str) -> None:
    owner = dead if before == "half done" else ME
    if before == "found off":
        site.play("clean" if site.play("enroll") else "", **ERASE)
    elif before in ("deployed", "undeployed"):
        site.play("deploy")
    elif before == "adopted":
        site.node.script(**ON)
        site.play("enroll")
        site.play("adopt")
    elif before == "taken":
        site.node.script(**ON)
        site.play("provide", automated_clean=True, take_running=True)
    else:
        site.play("provide", owner=owner, automated_clean=True, until="deploy.erase_devices_metadata")
    if before in ("undeployed", "adopted"):
        assert not site.play("undeploy").get("failed")
    machine = site.node.machine
    site.node.script(**{**machine, "power_state": "power on"})
    verb = "service" if before == "deployed" else "provide" if before == "half done" else "deploy"
    steps = {"service_steps": [REBOOT]} if verb == "service" else {"deploy_steps": [REBOOT]}
    done = site.play(verb, **({"automated_clean": True} if verb == "provide" else steps))
    assert not done.get("failed"), done


def test_two_nodes_do_not_have_one_machine(site: Site) -> None:
    machine = site.node.params(state.ARGUMENT_SPEC)["bmc"]
    assert not site.play("deploy").get("failed")
    for verb, operation in (("deploy", validate), ("deploy", prepare), ("on", power)):
        options = {"verb": verb} if operation is not power else {"state": "on"}
        result = site.call(operation, name="node02", bmc=machine, **options)
        assert "Node node02 has the BMC of node node01" in result["msg"], operation
        assert "baremetal.lifecycle.release -l node02 -e release_node=node01" in result["msg"]
    assert site.store.get("node02") is None
    other = {**machine, "address": machine["address"].replace("node01", "node02")}
    assert not site.play("deploy", name="node02", bmc=other).get("failed")
    # A change of the inventory that makes two of them one.
    for operation in (validate, prepare):
        assert "Node node02 has the BMC of node node01" in site.call(operation, name="node02", bmc=machine)["msg"]
    found = site.store.get("node02")
    assert found is not None
    assert (found.reservation, found.provision_state) == (None, "active")
    # The same machine under a new name.
    assert site.call(state, release=True, reason="renamed")["changed"]
    assert not site.call(validate, name="node02", bmc=machine, verb="deploy").get("failed")


def another_machine(site: Site) -> tuple[t.Any, dict[str, t.Any]]:
    """Make a machine that runs; return its file and bm_bmc."""
    stranger = site.node.folder / "stranger.json"
    stranger.write_text(json.dumps(ON))
    return stranger, {**site.node.params(state.ARGUMENT_SPEC)["bmc"], "address": f"fake://{stranger}"}


def test_a_deployment_of_nothing_does_not_take_the_machine_of_another_bmc(site: Site) -> None:
    site.play("clean" if site.play("enroll") else "", **ERASE)
    stranger, other = another_machine(site)
    assert "is switched on, and the machine" in site.play("deploy", bmc=other)["msg"]
    assert json.loads(stranger.read_text())["calls"] == []


@pytest.mark.parametrize("verb", ["undeploy", "service", "clean"])
def test_what_a_store_of_before_has_deployed_is_known(site: Site, dead: str, verb: str) -> None:
    """Its records have an instance, or a ramdisk that was started, and not which machine that is."""
    if verb == "clean":
        site.play("enroll")
        site.play("clean", owner=dead, until="deploy.erase_devices_metadata", **ERASE)
    else:
        site.play("deploy")
        site.node.script(**{**site.node.machine, "power_state": "power on"})
    address = f"sqlite:///{site.node.folder}/state/store.db".removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(address, isolation_level=None)) as store:
        store.execute("UPDATE nodes SET bmc = NULL, driver_internal_info = json_remove(driver_internal_info, '$.ours')")
    options = {"service": {"service_steps": [REBOOT]}, "clean": ERASE}.get(verb, {})
    assert not site.call(prepare, verb=verb, check_mode=True, **options).get("failed")
    done = site.play(verb, **options)
    assert not done.get("failed"), done


@pytest.mark.parametrize(
    ("before", "verb", "options"),
    [
        ("deployed", "undeploy", {}),
        ("deployed", "rebuild", {"deploy_steps": [REBOOT], "root_device": {"name": "/dev/vdb"}}),
        ("deployed", "service", {"service_steps": [REBOOT]}),
        ("released", "rebuild", {"deploy_steps": [REBOOT], "root_device": {"name": "/dev/vdb"}}),
        ("cleaned", "clean", ERASE),
        ("half done", "clean", ERASE),
        ("half done", "abort", {}),
    ],
)
def test_the_machine_of_another_bmc_is_not_taken_for_that_of_before(
    site: Site, dead: str, before: str, verb: str, options: dict[str, t.Any]
) -> None:
    """A mistyped address in the inventory, on a node whose own machine was ours."""
    site.play("deploy" if before in ("deployed", "released") else "enroll")
    if before in ("cleaned", "half done"):
        site.play(
            "clean", owner=dead, until="deploy.erase_devices_metadata" if before == "half done" else None, **ERASE
        )
    elif before == "released":
        assert site.call(state, release=True, reason="its controller burnt down")["changed"]
    stranger, other = another_machine(site)
    if verb == "abort":
        assert site.call(state, bmc=other, event="abort")["provision_state"] == "clean failed"
        assert site.events("tidy up")[-1].startswith("NOT done: the work was on the machine of BMC fake://")
    for dummy in range(2 if verb != "abort" else 0):
        said = site.play(verb, bmc=other, **options)["msg"]
        assert "is switched on, and the machine that this store has worked on was that of BMC" in said
        assert "bm_take_running" in said
        told = site.call(prepare, verb=verb, check_mode=True, bmc=other, **options)
        assert "is switched on, and the machine" in told["msg"]
        # What was refused has not made it this node's machine, and has not freed this node's for another.
        assert site.call(validate, name="node02", bmc=other, verb="deploy").get("failed", False) is False
        if before != "released":
            own = site.node.params(state.ARGUMENT_SPEC)["bmc"]
            assert "has the BMC of node node01" in site.call(validate, name="node02", bmc=own, verb="deploy")["msg"]
    left = json.loads(stranger.read_text())
    assert (left["calls"], left["power_state"]) == ([], "power on")
    if verb != "abort":  # the BMC has moved, and it is the same machine
        taken = site.play(verb, bmc=other, take_running=True, **options)
        assert not taken.get("failed"), taken
        assert site.events("bmc") or before == "released"


def test_the_bmc_does_not_change_in_the_middle_of_the_work(site: Site) -> None:
    site.play("enroll")
    assert not site.call(prepare, verb="clean", **ERASE).get("failed")
    stranger, other = another_machine(site)
    assert not site.call(power, state="on", bmc=other).get("failed")
    said = site.call(deploy, verb="clean", bmc=other, **ERASE)["msg"]
    assert "when its work was begun" in said
    assert json.loads(stranger.read_text())["calls"] == []


def test_who_has_lost_the_node_acts_on_it_no_more(site: Site) -> None:
    """Another run takes the node while this one waits for the BMC: the next act is not done."""
    site.play("enroll")
    site.call(prepare, verb="clean", **ERASE)
    with contextlib.closing(Store(f"sqlite:///{site.node.folder}/state/store.db")) as store:
        taken: list[bool] = []

        class Taken(Store):
            def save(self, record: t.Any, owner: str, *entries: t.Any, **more: t.Any) -> None:
                super().save(record, owner, *entries, **more)
                if any(entry.message == "off, to boot the ramdisk" for entry in entries):
                    taken.append(store.reserve("node01", ANOTHER, "x", 60, instead_of=owner, only_expired=False))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "Store", Taken)
            site.node.script(**{**ON, "power_state": "power on"})
            result = site.call(deploy, verb="clean", **ERASE)
    assert taken == [True]
    assert result["error"]["type"] == "NodeLockedError", result
    assert site.node.machine["calls"] == []
    assert site.record.reservation == ANOTHER


def test_a_run_whose_store_was_lost_says_so_and_acts_no_more(site: Site) -> None:
    site.play("enroll")
    site.play("clean", until="erase_devices_metadata", **ERASE)
    calls = site.node.machine["calls"]
    for path in (site.node.folder / "state").glob("store.db*"):
        path.unlink()
    done = site.call(deploy, verb="clean", completed_step="erase_devices_metadata", **ERASE)
    assert done["failed"]
    assert "lost or replaced" in done["msg"]
    assert site.node.machine["calls"] == calls


def test_what_is_asked_of_a_run_that_can_not_be_seen_tells_so(site: Site) -> None:
    site.play("enroll")
    for owner, is_told in ((ELSEWHERE, True), (ANOTHER, False)):
        if owner == ANOTHER:
            site.call(state, release=True, reason="test")
        assert not site.call(prepare, verb="clean", owner=owner, **ERASE).get("failed")
        said: list[str] = []
        params = site.node.params(state.ARGUMENT_SPEC, event="abort")
        asked = runner.execute(state.run, params, owner=ME, report=said.append)
        assert asked["requested"] == "abort"
        assert any("baremetal.lifecycle.release" in line for line in said) is is_told


def test_an_operator_releases_a_node_whose_run_can_not_be_seen(site: Site) -> None:
    site.play("enroll")
    assert not site.call(prepare, verb="clean", owner=ELSEWHERE, **ERASE).get("failed")
    assert site.play("clean", **ERASE)["error"]["type"] == "NodeLockedError"
    assert "baremetal.lifecycle.release" in site.play("clean", **ERASE)["msg"]
    assert "is not said" in site.call(state, release=True)["msg"]
    assert site.call(state, release=True, reason="its rack burnt", check_mode=True)["changed"]
    assert site.record.reservation == ELSEWHERE
    assert site.call(state, release=True, reason="its rack burnt")["changed"]
    assert site.record.reservation is None
    assert site.events("release") == [f"from {ELSEWHERE}: its rack burnt"]
    # The run that had it does nothing more to it, though nobody holds it.
    lost = site.call(deploy, verb="clean", owner=ELSEWHERE, **ERASE)
    assert (lost["error"]["type"], site.node.machine["calls"]) == ("NodeLockedError", [])
    assert not site.play("clean", **ERASE).get("failed")
    assert not site.call(state, release=True, reason="again").get("failed")


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ([], "machine powered off, nothing left to boot from"),
        (["eject_media"], "NOT done: media: no"),
        (["set_power_state"], "NOT done: power off: no"),
        (["set_power_state", "eject_media"], "NOT done: power off: no; media: no"),
    ],
)
@pytest.mark.parametrize("error", ["BMCResponseError", "BMCConnectionError", "BMCAuthenticationError"])
def test_the_history_tells_how_a_machine_was_left(site: Site, faults: list[str], told: str, error: str) -> None:
    site.play("enroll")
    site.play("clean", until="deploy.erase_devices_metadata", **ERASE)
    wrong = [{"operation": name, "error": error, "message": "no"} for name in faults]
    site.node.script(**{**site.node.machine, "faults": wrong})
    failed = {"failed": True, "msg": "the disk is broken"}
    result = site.call(
        deploy, verb="clean", completed_step="deploy.erase_devices_metadata", step_result=failed, **ERASE
    )
    assert result["provision_state"] == "clean failed"
    said, machine = site.events("tidy up")[-1], site.node.machine
    assert said.startswith(told)
    assert ("power off" in said) == (machine["power_state"] == "power on" and bool(faults))
    assert (site.record.power_state == "power off") == (machine["power_state"] == "power off")
    assert ("media" in said or not faults) == bool(machine["media"]) or not faults


@pytest.mark.parametrize("verb", ["clean", "service"])
def test_a_ramdisk_that_was_only_to_be_switched_off_is_not_started_again(site: Site, dead: str, verb: str) -> None:
    site.play("enroll" if verb == "clean" else "deploy")
    options = ERASE if verb == "clean" else {"service_steps": [{"step": "look", "tasks": __file__, "priority": 50}]}
    site.play(verb, owner=dead, until="deploy.tear_down_agent", **options)
    machine = {**site.node.machine, "power_state": "power off"}  # controller and machine have lost their power
    site.node.script(**machine)
    before = machine["calls"].count("set_power_state power on")
    assert not site.play(verb, **options).get("failed")
    left = site.node.machine
    assert left["calls"].count("set_power_state power on") - before == (1 if verb == "service" else 0)
    assert left["media"] is None


def test_an_instance_that_has_lost_its_power_before_the_end_is_started_again(site: Site, dead: str) -> None:
    site.play("deploy")
    site.play("rescue", owner=dead, until="deploy.rescue")
    site.call(deploy, verb="rescue", completed_step="deploy.rescue", step_result={})
    assert site.record.provision_state == "rescue"

    class Dies(Store):
        def save(self, record: t.Any, owner: str, *entries: t.Any, **more: t.Any) -> None:
            if any(entry.event == "done" for entry in entries):
                raise SystemExit("killed")
            super().save(record, owner, *entries, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "Store", Dies)
        with pytest.raises(SystemExit):
            site.play("unrescue", owner=dead)
    assert site.node.machine["power_state"] == "power on"
    site.node.script(**{**site.node.machine, "power_state": "power off"})
    assert not site.play("unrescue").get("failed")
    assert site.node.machine["power_state"] == "power on"
    assert any("is started again" in message for message in site.events("resume"))


def test_evidence_and_the_step_that_it_proves_are_kept_together(site: Site) -> None:
    site.play("enroll")
    site.play("clean", until="deploy.erase_devices_metadata", **ERASE)

    class Dies(Store):
        def save(self, record: t.Any, owner: str, *entries: t.Any, **more: t.Any) -> None:
            super().save(record, owner, *entries, **more)
            if any(entry.event == "evidence" for entry in entries):
                raise SystemExit("killed")

    found = {"completed_step": "deploy.erase_devices_metadata", "step_result": {"evidence": [{"device": "/dev/sda"}]}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "Store", Dies)
        with pytest.raises(SystemExit):
            site.call(deploy, verb="clean", **found, **ERASE)
    assert not site.play("clean", **ERASE).get("failed")
    assert [row["step"] for row in site.store.evidence("node01")].count(str(found["completed_step"])) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"url": None})[:-3]])
def test_a_note_that_a_power_cut_has_torn_is_made_anew(site: Site, dead: str, content: str) -> None:
    site.play("enroll")
    site.play("clean", owner=dead, until="deploy.erase_devices_metadata", **ERASE)
    note = site.node.folder / "state" / "node01" / "media.json"
    assert json.loads(note.read_text())["url"] == "fake:ramdisk"
    note.write_text(content)
    site.node.script(**{**site.node.machine, "power_state": "power off"})
    assert not site.play("clean", **ERASE).get("failed")
    assert any("was not whole" in message for message in site.events("media"))
    assert not note.exists()
