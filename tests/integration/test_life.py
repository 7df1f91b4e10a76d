"""Every verb on fake nodes: the states that it passes, what it asks of the machine, what it leaves."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
import yaml

NODE = ("-l", "node01")

CLEANS = ("cleaning", "clean wait", "cleaning", "clean wait", "cleaning")
"""In clean wait, the ramdisk is waited for first, and then the erase."""


def passed(site: t.Any, since: int = 0) -> list[str]:
    """The states that the node went through, each once named."""
    return [entry.to_state for entry in site.history()[since:] if entry.from_state]


def play(site: t.Any, playbook: str, *, code: int = 0, **variables: t.Any) -> t.Any:
    run = site.play(f"{playbook}.yml", *NODE, **variables)
    assert run.code == code, run.output
    return run


def test_a_whole_life(site: t.Any) -> None:
    site.make_disk()
    site.script(inventory={"memory_mb": 4096, "firmware": {"bios": "1.2", "bmc": "3.4"}})
    play(site, "enroll", bm_resource_class="small", bm_traits=["CUSTOM_LAB"])
    record = site.record()
    assert (record.provision_state, record.resource_class, record.traits) == ("manageable", "small", ["CUSTOM_LAB"])
    assert record.inventory["out_of_band"]["firmware"] == {"bios": "1.2", "bmc": "3.4"}
    assert site.machine()["calls"] == []
    assert play(site, "enroll", bm_resource_class="small", bm_traits=["CUSTOM_LAB"]).changed == 0

    reports = site.folder / "reports"
    reports.mkdir()
    run = play(site, "inspect", bm_properties={"cpu_arch": "sparc"}, inspect_node_json_dir=str(reports))
    facts = json.loads((reports / "node01.json").read_text())
    assert "bm_properties.cpu_arch" in [difference["variable"] for difference in facts["differences"]]
    assert "bm_properties.cpu_arch is sparc, and the node has" in run.text
    assert facts["in_band"]["disks"][0]["name"] == str(site.disk())
    assert site.machine()["power_state"] == "power off"

    play(site, "clean", clean_node_steps=[{"step": "erase_devices"}], clean_node_report_dir=str(reports))
    assert site.disk().read_bytes().count(0) == site.disk().stat().st_size
    report = next(reports.glob("node01-erase_devices-*.txt"))
    assert "overwrite" in report.read_text()
    play(site, "provide")
    assert site.record().provision_state == "available"
    assert play(site, "provide").changed == 0

    assert site.deploy().code == 0
    play(site, "rescue", rescue_node_ssh_keys=["ssh-ed25519 AAAA operator"])
    assert site.record().provision_state == "rescue"
    assert site.machine()["booted_from"] == "cdrom"
    assert site.machine()["media"] is None
    assert play(site, "rescue", rescue_node_ssh_keys=["ssh-ed25519 AAAA operator"]).changed == 0
    play(site, "unrescue")
    assert site.record().provision_state == "active"
    assert site.machine()["booted_from"] == "disk"
    again = site.deploy()
    assert (again.code, again.changed) == (0, 0), "the instance is the one that was deployed"

    before = len(site.history())
    play(site, "undeploy", bm_automated_clean=True, provision_node_report_dir=str(reports))
    assert str(site.disk()) in next(reports.glob("node01-erase_devices_metadata-*.txt")).read_text()
    assert passed(site, before) == ["deleting", *CLEANS, "available"]
    assert site.machine()["power_state"] == "power off"
    assert site.machine()["boot_device"] is None
    assert site.record().instance_info == {}
    assert play(site, "undeploy").changed == 0


def test_adoption_touches_nothing_and_a_deployment_of_the_same_image_finds_nothing_to_do(site: t.Any) -> None:
    site.script(power_state="power on")
    play(site, "enroll")
    play(site, "adopt")
    assert site.record().provision_state == "active"
    assert site.machine()["calls"] == []
    again = site.deploy()
    assert (again.code, again.changed) == (0, 0), again.output


def test_service_steps_run_in_the_ramdisk_and_the_instance_comes_back(site: t.Any) -> None:
    site.make_disk()
    assert site.deploy().code == 0
    trace, tasks = site.folder / "trace", site.folder / "step.yml"
    task = {"name": "Leave a trace", "ansible.builtin.shell": f'echo "{{{{ step_args.word }}}}" >> {trace}'}
    tasks.write_text(yaml.safe_dump([task]))
    steps = [
        {"step": "first", "tasks": str(tasks), "args": {"word": "first"}},
        {"step": "wait", "args": {"seconds": 0.1}},
        {"step": "reboot"},
        {"step": "second", "tasks": str(tasks), "args": {"word": "second"}},
    ]
    template = {"CUSTOM_LAB": {"service_steps": [{"step": "third", "tasks": str(tasks), "args": {"word": "third"}}]}}
    started = len(site.machine()["calls"])
    play(site, "service", service_node_steps=steps)
    assert trace.read_text().split() == ["first", "second"]
    calls = site.machine()["calls"][started:]
    assert calls.count("set_power_state power on") == 3, "ramdisk, ramdisk again, instance"
    assert calls[0] == "set_power_state power off soft"
    assert (site.machine()["booted_from"], site.record().provision_state) == ("disk", "active")
    play(site, "service", bm_step_templates=template, bm_traits=["CUSTOM_LAB", "CUSTOM_OTHER"])
    assert trace.read_text().split() == ["first", "second", "third"]


def test_held_work_goes_on_where_it_stopped(site: t.Any) -> None:
    site.make_disk()
    play(site, "enroll")
    trace, tasks = site.folder / "trace", site.folder / "step.yml"
    tasks.write_text(yaml.safe_dump([{"name": "Leave a trace", "ansible.builtin.shell": f"echo again >> {trace}"}]))
    steps = [{"step": "once", "tasks": str(tasks)}, {"step": "hold"}, {"step": "erase_devices_metadata"}]
    held = play(site, "clean", clean_node_steps=steps)
    assert site.record().provision_state == "clean hold"
    assert site.record().reservation is None
    assert "unhold.yml and then this playbook again" in held.text
    assert "is 'clean hold', where 'clean' can't start" in play(site, "clean", code=2, clean_node_steps=steps).text
    play(site, "unhold")
    play(site, "clean", clean_node_steps=steps)
    assert site.record().provision_state == "manageable"
    assert trace.read_text().split() == ["again"], "what was done before the hold is not done again"
    assert site.machine()["calls"].count("set_power_state power on") == 1, "the ramdisk stayed up"


def await_step(site: t.Any, step: str) -> None:
    deadline = time.monotonic() + 120
    while not (record := site.record()) or not any(
        entry["step"] == step and entry["status"] == "running" for entry in record.steps
    ):
        assert time.monotonic() < deadline, f"{step} did not start"
        time.sleep(0.1)


@pytest.mark.parametrize(("request_", "state"), [("abort", "clean failed"), ("hold", "clean hold")])
def test_a_live_run_follows_a_request_between_two_steps(site: t.Any, request_: str, state: str) -> None:
    site.make_disk()
    play(site, "enroll")
    tasks = site.folder / "step.yml"
    tasks.write_text(yaml.safe_dump([{"name": "Take time", "ansible.builtin.command": "sleep 15"}]))
    steps = [{"step": "slow", "tasks": str(tasks)}, {"step": "erase_devices"}]
    content = site.disk().read_bytes()
    running = site.start("clean.yml", *NODE, clean_node_steps=steps)
    await_step(site, "deploy.slow")
    assert play(site, request_).changed == 1
    output, dummy = running.communicate(timeout=300)
    assert site.record().provision_state == state, output
    assert site.disk().read_bytes() == content, "the next step was not begun"
    if request_ == "abort":
        assert "Aborted on request of" in site.record().last_error
        assert site.machine()["power_state"] == "power off"


def test_a_dead_cleaning_is_gone_on_with_or_aborted(site: t.Any) -> None:
    site.make_disk()
    play(site, "enroll")
    tasks = site.folder / "step.yml"
    tasks.write_text(yaml.safe_dump([{"name": "Take time", "ansible.builtin.command": "sleep 60"}]))
    steps = [{"step": "erase_devices_metadata"}, {"step": "slow", "tasks": str(tasks)}]
    running = site.start("clean.yml", *NODE, clean_node_steps=steps)
    await_step(site, "deploy.slow")
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=60)
    assert "a run of 'clean' died there" in play(site, "provide", code=2).text
    assert site.record().provision_state == "cleaning"
    tasks.write_text(yaml.safe_dump([{"name": "Take none", "ansible.builtin.command": "true"}]))
    play(site, "clean", clean_node_steps=steps)
    assert site.record().provision_state == "manageable"
    assert len([entry for entry in site.history() if entry.event == "evidence"]) == 1, "it was erased once"


def test_where_the_bmc_can_not_remove_an_override_the_disk_is_what_boots(site: t.Any) -> None:
    site.make_disk()
    fault = {"operation": "clear_boot_device", "error": "BMCResponseError", "message": "no such thing"}
    site.script(faults=[fault], boot_device={"device": "pxe", "persistent": True, "mode": "uefi"})
    play(site, "enroll")
    play(
        site,
        "clean",
        clean_node_steps=[
            {"step": "erase_devices_metadata"},
            {"step": "power_off"},
            {
                "step": "set_boot_device",
                "interface": "management",
                "args": {"device": "pxe", "mode": "uefi", "persistent": True},
            },
        ],
    )
    assert site.record().provision_state == "manageable"
    assert site.machine()["boot_device"] == {"device": "disk", "persistent": True, "mode": "uefi"}


def test_a_deployment_cleans_first_where_that_is_automated(site: t.Any) -> None:
    site.make_disk()
    run = site.deploy(bm_automated_clean=True)
    assert run.code == 0, run.output
    assert passed(site) == [
        *("verifying", "manageable", *CLEANS, "available"),
        *("deploying", "wait call-back", "deploying", "wait call-back", "deploying", "active"),
    ]


def test_a_deployment_that_is_held_in_its_cleaning_goes_on_when_played_again(site: t.Any) -> None:
    site.make_disk()
    wanted = {"bm_automated_clean": True, "bm_clean_steps": [{"step": "hold", "priority": 50}]}
    held = site.deploy(**wanted)
    assert held.code == 0, held.output
    assert site.record().provision_state == "clean hold"
    assert "set_boot_device disk persistent" not in site.machine()["calls"]
    play(site, "unhold", **wanted)
    assert site.deploy(**wanted).code == 0
    assert site.record().provision_state == "active"


def make_vmfs(disk: Path) -> None:
    vmfs = ["--zap-all", "--new=1:2048:+4M", "--typecode=1:AA31E02A-400F-11DB-9590-000C2911D1B8"]
    subprocess.run(["sgdisk", *vmfs, disk], check=True, capture_output=True)


def test_a_disk_that_is_not_erased_fails_the_node_and_the_evidence_of_all_stays(site: t.Any) -> None:
    site.make_disk()
    site.make_disk("other")
    make_vmfs(site.disk())
    disks = {"bm_devices": [str(site.disk()), str(site.disk("other"))]}
    play(site, "enroll")
    steps = [{"step": "erase_devices"}]
    for number in (1, 2):
        play(site, "clean", code=2, **disks, clean_node_steps=steps, clean_node_report_dir=str(site.folder))
        assert site.record().provision_state == "clean failed"
        reports = sorted(site.folder.glob("node01-erase_devices-*.json"))
        assert len(reports) == number, "no report is replaced"
        results = {disk["device"]: disk["result"] for disk in json.loads(reports[-1].read_text())}
        assert results == {str(site.disk()): "guarded", str(site.disk("other")): "erased"}
        play(site, "manage")
    assert str(site.disk("other")) in reports[-1].with_suffix(".txt").read_text()
    play(site, "delete")
    assert site.record() is None
    assert [entry.event for entry in site.history()][-1] == "remove", "the history outlives the record"
    assert [row["content"]["result"] for row in site.evidence()] == ["guarded", "erased"] * 2


def test_a_report_that_can_not_be_written_costs_neither_evidence_nor_first_cause(site: t.Any) -> None:
    site.make_disk()
    site.make_disk("other")
    make_vmfs(site.disk("other"))
    play(site, "enroll")
    wanted = {"clean_node_steps": [{"step": "erase_devices"}], "clean_node_report_dir": str(site.folder / "missing")}
    play(site, "clean", code=2, **wanted)
    assert [row["content"]["result"] for row in site.evidence()] == ["erased"]
    assert site.record().provision_state == "clean failed"
    assert site.record().last_error.startswith("The report")
    assert "was not written: No such file or directory" in site.record().last_error
    play(site, "manage")
    disks = {"bm_devices": [str(site.disk()), str(site.disk("other"))]}
    play(site, "clean", code=2, **disks, **wanted)
    assert [row["content"]["result"] for row in site.evidence()] == ["erased", "erased", "guarded"]
    assert site.record().last_error.startswith("1 of 2 disks were not erased")
    assert "was not written: No such file or directory" in site.record().last_error


def test_a_disk_of_a_former_cluster_is_erased_when_that_is_said(site: t.Any) -> None:
    site.make_disk()
    make_vmfs(site.disk())
    play(site, "enroll")
    steps = [{"step": "erase_devices_metadata"}]
    run = play(site, "clean", code=2, clean_node_steps=steps)
    assert "other nodes may use it: VMFS partition" in run.text
    assert "bm_erase.guard: false" in run.text
    play(site, "manage")
    play(site, "clean", clean_node_steps=steps, bm_erase={"guard": False})
    assert site.disk().read_bytes()[: 2048 * 512].count(0) == 2048 * 512


def test_a_data_partition_outlives_a_rebuild_and_a_slip_does_not_cost_it(site: t.Any, images: Path) -> None:
    site.make_disk(mib=60)
    first = site.deploy(bm_preserve_partitions=["data"])
    assert first.code == 0, first.output
    subprocess.run(["sgdisk", "--new=0:45M:+4M", "--change-name=0:data", site.disk()], check=True, capture_output=True)
    kept = os.urandom(4 * 1024**2)
    with site.disk().open("r+b") as file:
        file.seek(45 * 1024**2)
        file.write(kept)
    disk = site.disk().read_bytes()
    wanted = {
        "bm_image": {"url": f"{site.image_url}/other.img", "checksum": f"{site.image_url}/SHA256SUMS"},
        "bm_config_drive": {"meta_data": {"hostname": "web1"}},
        "bm_rebuild": True,
    }
    slip = site.deploy(**wanted, bm_preserve_partitions=["date"])
    assert "can't be preserved: there is none, but others that would be lost" in slip.text
    assert site.record().provision_state == "deploy failed"
    assert site.disk().read_bytes() == disk
    rebuilt = site.deploy(**wanted, bm_preserve_partitions=["data"])
    assert rebuilt.code == 0, rebuilt.output
    content = site.disk().read_bytes()
    assert content[45 * 1024**2 : 49 * 1024**2] == kept
    assert content[1024**2 : 35 * 1024**2] == (images / "other.img").read_bytes()[1024**2 : 35 * 1024**2]
    table = subprocess.run(["sgdisk", "--print", site.disk()], capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in table.splitlines() if line[:4].strip().isdigit()][1:] == ["data", "config-2"]
