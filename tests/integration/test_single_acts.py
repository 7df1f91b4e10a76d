"""bm_power, bm_boot_device, bm_virtual_media and bm_node_info in plays, also between a killed run and the next."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import time
import typing as t

import pytest
import yaml

OFF, ON = "set_power_state power off", "set_power_state power on"


def play(site: t.Any, *tasks: dict[str, t.Any], arguments: tuple[str, ...] = ()) -> t.Any:
    """Play tasks on node01, with the fake node as the defaults of the action group."""
    defaults = {"name": "node01", "bmc": site.variables["bm_bmc"], "state_dir": site.variables["bm_state_dir"]}
    playbook = site.folder / "play.yml"
    content = {
        "hosts": "node01",
        "gather_facts": False,
        "module_defaults": {"group/baremetal.lifecycle.bm": defaults},
        "tasks": [{"name": "Play", **task} for task in tasks],
    }
    playbook.write_text(yaml.safe_dump([content]))
    return site.play(str(playbook), *arguments)


def bm(module: str, register: str = "done", **options: t.Any) -> dict[str, t.Any]:
    return {f"baremetal.lifecycle.bm_{module}": options, "register": register}


def check(*that: str) -> dict[str, t.Any]:
    return {"ansible.builtin.assert": {"that": list(that)}}


def test_each_act_changes_once_and_tells_so_before(site: t.Any) -> None:
    url = "http://192.0.2.1/a.iso"
    acts = [
        # YAML reads a plain on and off as true and false.
        (bm("power", state=True), "'power_state': 'power on'", ON),
        (bm("boot_device", device="pxe", persistent=True), "'device': 'pxe'", "set_boot_device pxe persistent"),
        (bm("virtual_media", state="inserted", url=url), f"'media': '{url}'", "insert_media"),
        (bm("virtual_media", state="ejected"), "'media': None", "eject_media"),
        (bm("boot_device", device="none"), "'device': None", "clear_boot_device"),
        (bm("power", state="soft_off"), "'power_state': 'power off'", f"{OFF} soft"),
        (bm("power", state=False), "'power_state': 'power off'", None),
    ]
    tasks = []
    for task, after, call in acts:
        changed = "done.changed" if call else "not done.changed"
        told = f'"{after}" in (done.diff.after | string)'
        tasks += [{**task, "check_mode": True}, check(changed, told), task, check(changed, told)]
        tasks += [task, check("not done.changed")]
    run = play(site, *tasks, arguments=("--diff",))
    assert run.code == 0, run.output
    assert site.machine()["calls"] == [call for dummy, dummy2, call in acts if call]
    shown = [line.replace('"', "").strip(" +,") for line in run.output.splitlines() if line.startswith("+ ")]
    assert shown.count("power_state: power on") == 2, "once predicted, once done"
    assert [entry.event for entry in site.history()][1:] == [
        "power",
        "boot device",
        "media",
        "media",
        "boot device",
        "power",
    ]


@pytest.mark.parametrize("keyword", [{"delegate_to": "localhost"}, {"async": 60, "poll": 1}])
def test_a_module_does_what_the_action_does(site: t.Any, keyword: dict[str, t.Any]) -> None:
    run = play(
        site,
        {**bm("power", state="rebooted"), **keyword},
        check("done.changed", "done.power_state == 'power on'"),
        {**bm("boot_device", device="disk"), **keyword},
        {**bm("virtual_media", state="inserted"), **keyword, "failed_when": "done.error is not defined"},
        check("done.error.type == 'InvalidRequestError'"),
        {**bm("node_info", gather=["record", "history"]), **keyword},
        check("done.known", "done.bmc_requests == 0", "done.record.power_state == 'power on'"),
        check("done.history | map(attribute='event') == ['create', 'power', 'boot device']"),
    )
    assert run.code == 0, run.output
    assert site.machine()["calls"] == [ON, "set_boot_device disk"]


def test_asking_for_a_node_never_seen_makes_neither_machine_nor_record(site: t.Any) -> None:
    run = play(
        site,
        bm("node_info", gather=["record", "history", "work", "evidence", "inventory"]),
        check("not done.known", "not done.changed", "done.record is none", "done.history == []"),
        check("done.inventory.differences == []", "done.evidence == []", "done.work.verb is none"),
    )
    assert run.code == 0, run.output
    assert site.record() is None
    assert not (site.folder / "node01.json").exists()


def test_a_machine_is_switched_between_a_killed_deployment_and_the_one_that_goes_on(site: t.Any) -> None:
    site.make_disk()
    site.script(ramdisk={"answers": False})
    process = site.start("deploy.yml")
    try:
        deadline = time.monotonic() + 120
        while getattr(site.record(), "provision_state", None) != "wait call-back" and time.monotonic() < deadline:
            time.sleep(0.2)
        refused = {**bm("power", state="off"), "failed_when": "done.error is not defined"}
        held = play(site, refused, check("done.error.type == 'NodeLockedError'", "done.bmc_requests == 0"))
        assert held.code == 0, held.output
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    killed = site.record()
    assert killed.provision_state == "wait call-back"
    run = play(site, bm("power", state="off"), bm("boot_device", device="none"), bm("virtual_media", state="ejected"))
    assert run.code == 0, run.output
    left = site.record()
    assert (left.provision_state, left.power_state) == ("wait call-back", "power off")
    assert (left.reservation, left.reservation_purpose) == (killed.reservation, killed.reservation_purpose)
    site.script(**{**site.machine(), "ramdisk": {"answers": True}})
    again = site.deploy()
    assert again.code == 0, again.output
    record = site.record()
    assert (record.provision_state, record.reservation) == ("active", None)
    assert [entry.event for entry in site.history()].count("resume") >= 1
    info = play(
        site,
        bm("node_info", gather=["record", "work", "history"], history_limit=1),
        check("done.work.verb == 'deploy'", "done.work.step is none", "done.work.phases == done.phases"),
        check("done.phases.keys() | length == 5", "done.history[0].to_state == 'active'"),
    )
    assert info.code == 0, info.output


def test_what_only_looks_tells_the_same_in_check_mode(site: t.Any) -> None:
    tasks = [{**bm("power", state=True), "check_mode": False}]
    for module, told in (("bmc_info", "power_state"), ("node_info", "record")):
        tasks += [bm(module), {**bm(module, register="predicted"), "check_mode": True}]
        tasks += [
            check(
                f"done.{told} is truthy",
                f"done.{told} == predicted.{told}",
                "not done.changed",
                "not predicted.changed",
            )
        ]
    run = play(site, *tasks)
    assert run.code == 0, run.output
