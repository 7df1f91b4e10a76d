"""Verbs one after another, cut off, held, aborted and gone on with: what the store says, what the machine was asked."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import deploy, prepare, state, validate
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

ME = str(owners.current_owner(os.getpid()))
ANOTHER = str(owners.current_owner(os.getppid()))
"""Two runs that go on."""

WAITS = ["deploying", "wait call-back", "deploying"]
A, B = {"args": {"disks": ["A"]}}, {"args": {"disks": ["B"]}}


@pytest.fixture(scope="module")
def dead() -> str:
    """A run of this controller that is dead."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        return str(owners.current_owner(process.pid))


class Site:
    """A fake node, and the operations as the role calls them."""

    def __init__(self, fake_node: t.Any) -> None:
        self.node = fake_node
        self.store = Store(f"sqlite:///{fake_node.folder}/state/store.db")

    def call(self, operation: t.Any, *, owner: str = ME, check_mode: bool = False, **options: t.Any) -> t.Any:
        params = self.node.params(operation.ARGUMENT_SPEC, **options)
        return runner.execute(operation.run, params, owner=owner, check_mode=check_mode)

    def play(self, verb: str, *, until: str | None = None, owner: str = ME, **options: t.Any) -> t.Any:
        """Do a verb's work as the role does, in-band steps with success; ``until``: die when that step is to be run."""
        validated = self.call(validate, owner=owner, verb=verb, **options)
        if validated.get("failed"):
            return validated
        prepared = self.call(prepare, owner=owner, verb=verb, **options)
        if prepared.get("failed") or not prepared["needed"]:
            return prepared
        more: dict[str, t.Any] = {}
        while True:
            done = self.call(deploy, owner=owner, verb=verb, **options, **more)
            if done.get("failed") or (done["next_step"] is None and done["wait"] is None):
                return done
            more = {}
            if done["next_step"]:
                if done["next_step"]["step"] == until:
                    return {**done, "died": True}
                more = {"completed_step": done["next_step"]["step"], "step_result": {"evidence": []}}

    def ok(self, verb: str, **options: t.Any) -> t.Any:
        done = self.play(verb, **options)
        assert not done.get("failed"), done
        return done

    def act(self, event: str, **options: t.Any) -> t.Any:
        return self.call(state, event=event, **options)

    @property
    def record(self) -> t.Any:
        return self.store.get("node01")

    @property
    def state(self) -> str:
        return str(self.record.provision_state)

    def passed(self) -> list[str]:
        return [str(entry.to_state) for entry in self.store.history("node01") if entry.from_state]

    def steps_started(self) -> list[str]:
        history = self.store.history("node01")
        return [
            str(entry.message).split()[0] for entry in history if entry.event == "step" and "started" in entry.message
        ]


@pytest.fixture
def site(fake_node: t.Any) -> t.Iterator[Site]:
    opened = Site(fake_node)
    with contextlib.closing(opened.store):
        yield opened


def erase(**more: t.Any) -> list[dict[str, t.Any]]:
    return [{"step": "erase_devices", **more}]


def test_an_adopted_machine_is_the_instance_of_the_inventory(site: Site) -> None:
    image = {
        "url": "http://user:pass@127.0.0.1:1/i.iso?token=secret",
        "checksum": "sha256:" + "a" * 64,
        "format": "iso",
    }
    wanted = {"deploy_interface": "ramdisk", "image": image}
    site.ok("enroll", **wanted)
    site.ok("adopt", **wanted)
    assert site.record.instance_info["image_checksum"] == image["checksum"]
    assert site.record.instance_info["image_url"] == "http://127.0.0.1:1/i.iso"
    found = site.call(prepare, verb="deploy", **wanted)
    assert (found["needed"], found["changed"]) == (False, False)
    assert site.node.machine["calls"] == []
    other = site.call(
        prepare, verb="deploy", deploy_interface="ramdisk", image={**image, "checksum": "sha256:" + "b" * 64}
    )
    assert "is active with another instance; different: image_checksum" in other["msg"]


@pytest.mark.parametrize("event", ["deploy", "provide", "done", "rebuild", "undeploy", "delete", "wait", "resume"])
def test_what_is_work_can_not_be_had_as_a_single_act(site: Site, event: str) -> None:
    assert event not in state.ARGUMENT_SPEC["event"]["choices"]


def test_manage_is_no_way_around_a_verbs_work(site: Site, dead: str) -> None:
    refused = site.act("manage")
    assert (refused["error"]["type"], refused["error"]["hint"]) == ("InvalidStateError", "Play enroll.yml.")
    assert site.record is None
    site.ok("enroll")
    assert site.play("clean", until="deploy.erase_devices", owner=dead, steps=erase())["died"]
    refused = site.act("manage")
    assert "abort.yml" in refused["error"]["hint"]
    assert site.state == "cleaning"
    site.act("abort")
    assert (site.state, site.record.reservation, site.node.machine["power_state"]) == (
        "clean failed",
        None,
        "power off",
    )
    site.act("manage")
    assert (site.state, site.record.reservation) == ("manageable", None)


def test_another_disk_is_another_step(site: Site, dead: str) -> None:
    site.ok("enroll")
    assert site.play("clean", until="deploy.tear_down_agent", owner=dead, steps=erase(**A))["died"]
    site.ok("clean", steps=erase(**B))
    assert site.steps_started().count("deploy.erase_devices") == 2
    assert site.play("clean", until="deploy.tear_down_agent", owner=dead, steps=erase(**B))["died"]
    site.ok("clean", steps=erase(**B))
    assert site.steps_started().count("deploy.erase_devices") == 3, "what is the same is not done again"


def test_manual_cleaning_leads_back_to_manageable(site: Site, dead: str) -> None:
    site.ok("enroll")
    assert site.play("clean", until="deploy.erase_devices", owner=dead, steps=erase())["died"]
    assert site.record.target_provision_state == "manageable"
    site.ok("clean", steps=erase())
    site.play("provide", until="deploy.erase_devices_metadata", owner=dead, automated_clean=True)
    assert site.record.target_provision_state == "available"


@pytest.mark.parametrize("until", ["deploy.erase_devices_metadata", "deploy.tear_down_agent"])
def test_a_deployment_that_died_in_its_cleaning_goes_on_when_played_again(site: Site, dead: str, until: str) -> None:
    assert site.play("deploy", until=until, owner=dead, automated_clean=True)["died"]
    site.ok("deploy", automated_clean=True)
    assert site.state == "active"
    assert site.steps_started().count("deploy.erase_devices_metadata") == (2 if "erase" in until else 1)


def test_a_deployment_whose_cleaning_failed_cleans_again(site: Site) -> None:
    site.node.script(faults=[{"operation": "insert_media", "error": "BMCResponseError", "times": 1}])
    assert site.play("deploy", automated_clean=True)["failed"]
    assert site.state == "clean failed"
    site.ok("deploy", automated_clean=True)
    assert site.state == "active"


def test_the_plan_of_a_deployment_tells_of_the_cleaning_before_it(site: Site) -> None:
    plan = site.call(prepare, verb="deploy", automated_clean=True, check_mode=True)["plan"]
    assert "deploy.erase_devices_metadata" in plan["steps"]
    assert plan["steps"][-1] == "deploy.deploy"
    site.ok("deploy", automated_clean=True)
    assert [step.rpartition(" -> ")[2] for step in plan["transitions"]] == site.passed()


@pytest.mark.parametrize("verb", ["rescue", "service"])
def test_undeploy_gives_up_what_another_verb_has_left_waiting(site: Site, dead: str, verb: str) -> None:
    site.ok("deploy")
    steps = [{"step": "erase", "tasks": __file__}]
    site.node.script(**{**site.node.machine, "ramdisk": {"answers": False}})
    options: dict[str, t.Any] = {"steps": steps} if verb == "service" else {}
    site.call(prepare, verb=verb, owner=dead, **options)
    record = site.record
    record.provision_state = f"{verb} wait"  # as where the run died while it waited for the ramdisk
    site.store.save(record, dead)
    site.ok("undeploy")
    assert (site.state, site.record.instance_info) == ("available", {})


def test_a_verb_does_not_pass_by_what_another_has_left(site: Site, dead: str) -> None:
    site.ok("enroll")
    assert site.play("clean", until="deploy.erase_devices", owner=dead, steps=erase())["died"]
    for verb in ("provide", "deploy", "undeploy"):
        refused = site.play(verb)
        assert "a run of 'clean' died there" in refused["msg"], verb
    assert site.state == "cleaning"


def test_a_rebuild_needs_an_instance(site: Site) -> None:
    assert "is 'enroll', where 'rebuild' can't start" in site.play("rebuild")["msg"]
    site.ok("provide")
    assert "is 'available', where 'rebuild' can't start" in site.play("rebuild")["msg"]
    site.ok("deploy")
    assert site.call(prepare, verb="rebuild")["needed"] is False
    site.ok("rebuild", root_device={"serial": "other"})
    assert site.passed()[-2:] == ["deploying", "active"]
    record = site.record
    assert site.store.reserve("node01", ME, "test", 60)
    record.provision_state = "error"
    site.store.save(record, ME)
    site.ok("rebuild")
    assert site.state == "active"


def test_a_dead_rebuild_goes_on_as_a_deployment(site: Site, dead: str) -> None:
    site.ok("deploy")
    assert site.call(prepare, verb="rebuild", owner=dead, root_device={"serial": "other"})["needed"]
    site.ok("deploy", root_device={"serial": "other"})
    assert (site.state, [entry.event for entry in site.store.history("node01")].count("resume")) == ("active", 1)


def test_unhold_keeps_nobody_out(site: Site) -> None:
    site.ok("enroll")
    steps = [*erase(), {"step": "hold"}]
    assert site.ok("clean", steps=steps)["held"]
    assert site.act("unhold")["changed"]
    assert (site.state, site.record.reservation) == ("clean wait", None)
    site.ok("clean", owner=ANOTHER, steps=steps)
    assert site.state == "manageable"


@pytest.mark.parametrize("verb", ["deploy", "service"])
def test_what_is_held_goes_on_after_unhold_or_is_aborted(site: Site, verb: str) -> None:
    before, after = ("power_on", "reboot") if verb == "deploy" else ("reboot", "wait")
    steps = [
        {"step": before, "priority": 30},
        {"step": "hold", "priority": 20},
        {"step": after, "priority": 10, "args": {"seconds": 0} if after == "wait" else {}},
    ]
    options = {f"{verb}_steps": steps}
    if verb == "service":
        site.ok("deploy")
    assert site.ok(verb, **options)["held"]
    assert site.state == f"{verb} hold"
    assert f"'{verb} hold'" in site.play(verb, **options)["msg"]
    site.act("unhold")
    site.ok(verb, **options)
    assert (site.state, site.steps_started().count(f"power.{before}")) == ("active", 1)
    other = {f"{verb}_steps": steps, "root_device": {"serial": "other"}, "rebuild": True}
    assert site.ok(verb, **other)["held"]
    site.act("abort")
    assert (site.state, site.record.last_error) == (f"{verb} failed", "aborted by request")


def test_a_flag_does_not_take_over_what_a_dead_run_holds(site: Site, dead: str) -> None:
    site.ok("enroll")
    assert site.play("clean", until="deploy.erase_devices", owner=dead, steps=erase())["died"]
    assert site.call(state, maintenance=True, reason="bad fan")["changed"]
    assert (site.record.maintenance, site.record.reservation) == (True, dead)


def test_flags_and_event_are_both_refused_where_one_is(site: Site) -> None:
    site.ok("deploy")
    refused = site.call(state, event="manage", retire=True)
    assert "the event 'manage' is not allowed" in refused["msg"]
    assert site.record.retired is False


def test_check_mode_refuses_what_a_live_run_holds(site: Site) -> None:
    site.ok("enroll")
    assert site.store.reserve("node01", ANOTHER, "clean", 60)
    for check_mode in (True, False):
        refused = site.call(state, check_mode=check_mode, remove=True)
        assert refused["error"]["type"] == "NodeLockedError"


class AbortedMeanwhile(Store):
    """A store in which somebody asks the run to abort as soon as an event is saved."""

    event = ""

    def save(self, record: t.Any, owner: str, *entries: t.Any, **more: t.Any) -> None:
        super().save(record, owner, *entries, **more)
        if any(entry.event == self.event for entry in entries):
            self.request("node01", "abort", "somebody")


@pytest.mark.parametrize(
    ("event", "options", "left"),
    [
        ("delete", {"verb": "undeploy", "automated_clean": True}, "error"),
        ("step", {"verb": "deploy"}, "deploy failed"),
    ],
    ids=["while the instance is torn down", "in the last step"],
)
def test_an_abort_that_was_accepted_is_followed(
    site: Site, monkeypatch: pytest.MonkeyPatch, event: str, options: dict[str, t.Any], left: str
) -> None:
    if options["verb"] == "undeploy":
        site.ok("deploy")
    monkeypatch.setattr(AbortedMeanwhile, "event", event)
    monkeypatch.setattr(runner, "Store", AbortedMeanwhile)
    done = site.play(**options)
    assert done["error"]["type"] == "AbortedError"
    assert (site.state, site.record.requested, site.record.reservation) == (left, None, None)


def test_new_traits_of_an_available_node_are_kept(site: Site) -> None:
    site.ok("provide")
    told = site.call(prepare, verb="provide", traits=["CUSTOM_GPU"], resource_class="big", check_mode=True)
    assert (told["changed"], site.record.traits) == (True, [])
    assert site.ok("provide", traits=["CUSTOM_GPU"], resource_class="big")["changed"]
    assert (site.record.traits, site.record.resource_class) == (["CUSTOM_GPU"], "big")
    assert not site.ok("provide", traits=["CUSTOM_GPU"], resource_class="big")["changed"]


def test_a_step_with_priority_0_is_off_in_a_service(site: Site) -> None:
    site.ok("deploy")
    steps = [{"step": "wait", "priority": 0, "args": {"seconds": 0}}, {"step": "reboot", "priority": 5}]
    site.ok("service", service_steps=steps)
    assert site.steps_started()[-1] == "power.reboot"
    assert "deploy.wait" not in site.steps_started()


def test_users_steps_do_not_take_the_names_of_others(site: Site) -> None:
    site.ok("enroll")
    for name in ("erase_devices", "inspect", "rescue", "tear_down_agent", "wait"):
        refused = site.play("clean", steps=[{"step": name, "tasks": __file__}])
        assert f"The step '{name}' in bm_clean_steps has the name of a step that is there already" in refused["msg"]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"step": "wait"}, "The step 'deploy.wait' in bm_service_steps needs its argument 'seconds'"),
        (
            {"step": "set_boot_device", "interface": "management", "args": {"device": "pxe"}},
            "needs its argument 'mode'",
        ),
        ({"step": "explode", "args": {"loudly": True}}, "The step 'deploy.explode' in bm_service_steps does not exist"),
    ],
)
def test_a_step_that_could_not_run_is_refused_before_the_instance_is_shut_down(
    site: Site, step: dict[str, t.Any], expected: str
) -> None:
    site.ok("deploy")
    before = site.node.machine["calls"]
    assert expected in site.play("service", steps=[step])["msg"]
    assert (site.state, site.node.machine["calls"]) == ("active", before)


def test_media_that_can_not_be_made_fail_the_node(site: Site) -> None:
    site.ok("enroll")
    in_the_way = site.node.folder / "state" / "node01"
    in_the_way.write_text("")
    refused = site.play("clean", steps=erase(), boot_interface="inserted_media")
    assert "can't be made" in refused["msg"], refused
    assert (site.state, site.record.reservation) == ("clean failed", None)


@pytest.mark.parametrize(
    ("refuses", "asked"),
    [
        ("refuses_persistent", ["set_boot_device disk"]),
        ("refuses_disk", []),
    ],
)
def test_a_bmc_that_keeps_no_boot_device_costs_no_instance(site: Site, refuses: str, asked: list[str]) -> None:
    site.ok("deploy")
    site.node.script(**{**site.node.machine, refuses: True})
    steps = [{"step": "look", "tasks": __file__}]
    site.ok("service", steps=steps)
    assert site.state == "active"
    assert [call for call in site.node.machine["calls"] if "boot_device disk" in call] == asked
    assert any("one start only" in str(entry.message) for entry in site.store.history("node01"))
    refused = site.play("service", steps=steps, boot_mode="bios")
    assert bool(refused.get("failed")) == (refuses == "refuses_disk")
