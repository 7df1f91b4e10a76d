"""From a machine that is off to a running Debian, and what happens on the way when things go wrong. In this order."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import time
import typing as t
from pathlib import Path

import yaml

from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot import media as boot_media
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.agent import make_key_pair
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node

ROOT = Path(__file__).resolve().parents[2]
WEB = "http://198.18.77.2:8080"
ADDRESS = "198.18.77.101"
BMC = {
    "address": "https://198.18.77.2:8443",
    "username": "admin",
    "verify": str(ROOT / ".lab" / "tls" / "ca.pem"),
    "system_id": "b0a70000-0000-4000-8000-000000000001",
}
SUMS = f"{WEB}/images/SHA256SUMS"
IMAGE_B = {"url": f"{WEB}/images/debian-12-b.raw.zst", "checksum": SUMS}


def password() -> str:
    return (ROOT / ".lab" / "bmc-password").read_text().strip()


def await_step(lab: t.Any, step: str) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        record = lab.record()
        if record and any(entry["step"] == step and entry["status"] == "running" for entry in record.steps):
            return
        time.sleep(0.2)
    raise AssertionError(f"{step} did not start")


def kill(process: t.Any) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def test_make_deploy_leads_to_a_running_debian(lab: t.Any) -> None:
    run = lab.make("deploy")
    assert run.code == 0
    assert "make login" in run.output
    cloud_init = lab.ssh("cloud-init status --wait --long")
    assert "status: done" in cloud_init
    assert "DataSourceConfigDrive" in cloud_init
    assert lab.ssh("hostname") == "node01"
    assert "efi" in lab.ssh("ls /sys/firmware")
    record = lab.record()
    assert (record.provision_state, record.power_state, record.last_error) == ("active", "power on", None)
    assert record.driver_internal_info["power_ons"] == 2
    assert record.driver_internal_info["bmc_requests"] > 0
    steps = {entry["step"]: entry["seconds"] for entry in record.steps}
    assert list(steps) == [
        f"deploy.{name}"
        for name in ("deploy", "write_image", "prepare_instance_boot", "tear_down_agent", "boot_instance")
    ]
    print("in figures:", record.driver_internal_info, steps)


def test_a_second_make_deploy_changes_nothing(lab: t.Any) -> None:
    booted = lab.ssh("cat /proc/sys/kernel/random/boot_id")
    run = lab.make("deploy")
    assert run.code == 0
    recap = run.output.rpartition("PLAY RECAP")[2]
    assert "changed=0" in recap
    assert lab.ssh("cat /proc/sys/kernel/random/boot_id") == booted
    status = lab.playbook("status")
    assert status.code == 0
    row = next(line for line in status.output.splitlines() if "node01 " in line and "debian" in line)
    assert "active" in row
    assert "power on" in row
    assert "debian-12.raw.zst" in row


def test_a_lost_store_costs_the_running_machine_nothing(lab: t.Any) -> None:
    marker = "cat /proc/sys/kernel/random/boot_id; findmnt -no UUID /; cat /root/marker"
    lab.ssh("echo mine > /root/marker; sync")
    before = lab.ssh(marker)
    for file in (ROOT / ".lab").glob("store.sqlite*"):
        file.unlink()
    refused = lab.deploy()
    assert refused.code != 0
    assert "The machine of node node01 is switched on, and this store has never worked on it" in refused.text
    assert "adopt.yml" in refused.text
    assert lab.ssh(marker) == before
    assert lab.published() == []
    for playbook in ("enroll", "adopt"):
        adopted = lab.playbook(playbook)
        assert adopted.code == 0, adopted.output
    assert lab.record().provision_state == "active"
    again = lab.deploy()
    assert again.code == 0, again.output
    assert "changed=0" in again.output.rpartition("PLAY RECAP")[2]
    assert lab.ssh(marker) == before
    assert not [entry for entry in lab.history() if entry.event == "power"]


def test_a_bmc_that_keeps_us_out_costs_the_running_machine_nothing(lab: t.Any) -> None:
    booted = lab.ssh("cat /proc/sys/kernel/random/boot_id")
    for bmc, expected in [
        ({**BMC, "password": "wrong"}, "refused the credentials"),
        ({**BMC, "password": password(), "verify": True}, "certificate is not trusted"),
        ({**BMC, "password": password(), "address": "https://198.18.77.2:9"}, "can't be reached"),
    ]:
        run = lab.deploy(bm_bmc=bmc, bm_image=IMAGE_B, bm_rebuild=True)
        assert run.code != 0
        assert expected in run.text
    refused = lab.deploy(bm_image=IMAGE_B)
    assert "is active with another instance" in refused.text
    assert lab.record().provision_state == "active"
    assert lab.ssh("cat /proc/sys/kernel/random/boot_id") == booted


def test_what_fails_on_the_way_leaves_deploy_failed_and_nothing_that_boots(lab: t.Any) -> None:
    silent = lab.deploy(
        bm_image=IMAGE_B,
        bm_rebuild=True,
        bm_ramdisk={
            "kernel": str(ROOT / ".cache/ramdisk/vmlinuz"),
            "initrd": str(ROOT / ".cache/ramdisk/initrd.img"),
            "esp": str(ROOT / ".cache/ramdisk/esp.img"),
            "root": f"{WEB}/ramdisk/root.squashfs",
            "root_checksum": "sha256:" + "0" * 64,
            "address": ADDRESS,
            "network": {"address": f"{ADDRESS}/24", "mac": "52:54:00:77:00:01"},
            "timeout": 25,
        },
    )
    assert silent.code != 0
    assert f"did not answer within 25 s; last seen: {ADDRESS} port 22: " in silent.text
    assert "power: power on" in silent.text
    assert (lab.record().provision_state, lab.record().power_state) == ("deploy failed", "power off")

    hints = lab.deploy(bm_root_device={"serial": "NOT-THERE"})
    assert "No disk fits" in hints.text
    assert "serial BMLAB01" in hints.text
    assert lab.record().provision_state == "deploy failed"
    assert lab.read_disk_head()[510:520] == b"\x55\xaaEFI PART", "the old instance's disk was not touched"

    wrong = lab.deploy(bm_image={"url": f"{WEB}/images/debian-12.raw.zst", "checksum": "sha256:" + "0" * 64})
    assert wrong.code != 0
    assert "0000000000000000" in wrong.text
    record = lab.record()
    assert (record.provision_state, record.power_state, record.reservation) == ("deploy failed", "power off", None)
    assert lab.read_disk_head() == bytes(1024 * 1024), "a half-written disk must not boot"


def await_job(lab: t.Any, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while (lab.record().driver_internal_info.get("wait") or {}).get("for") != "job":
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_the_next_run_killed_while_writing_and_again_between_steps_ends_active(lab: t.Any, tmp_path: Path) -> None:
    flag, tasks = tmp_path / "paused", tmp_path / "pause.yml"
    pause = {
        "name": "Wait to be killed, once",
        "ansible.builtin.wait_for": {"path": f"{flag}.never", "timeout": 300},
        "delegate_to": "localhost",
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "when": f"'{flag}' is not exists",
    }
    tasks.write_text(yaml.safe_dump([pause]))
    wanted = {
        "bm_image": IMAGE_B,
        "bm_deploy_steps": [{"step": "pause", "priority": 70, "tasks": str(tasks)}],
    }
    first = lab.start(**wanted)
    await_step(lab, "deploy.write_image")
    await_job(lab)
    time.sleep(4)
    kill(first)
    left = lab.record()
    assert left.provision_state == "wait call-back"
    assert f"pid={first.pid}" in left.reservation
    second = lab.start(**wanted)
    await_step(lab, "deploy.pause")
    flag.touch()
    kill(second)
    third = lab.deploy(**wanted)
    assert third.code == 0, third.output
    messages = lab.messages()
    assert messages.count("step: deploy.deploy started") == 1
    assert messages.count("step: deploy.write_image started") == 2
    assert messages.count("step: deploy.write_image done") == 1
    assert messages.count("step: deploy.pause started") == 2
    assert sum(message.startswith("takeover") for message in messages) == 2
    assert lab.record().provision_state == "active"
    assert "second image of the lab" in lab.ssh("cat /etc/issue")
    assert "status: done" in lab.ssh("cloud-init status --wait")


def test_an_iso_can_be_the_instance(lab: t.Any) -> None:
    ramdisk = ROOT / ".cache" / "ramdisk"
    params = {key: option.get("default") for key, option in NODE_SPEC.items()}
    params |= {"name": "node01", "bmc": BMC, "state_dir": str(ROOT / ".lab" / "state")}
    params["ramdisk"] = {
        "kernel": str(ramdisk / "vmlinuz"),
        "initrd": str(ramdisk / "initrd.img"),
        "esp": str(ramdisk / "esp.img"),
        "root": f"{WEB}/ramdisk/root.squashfs",
        "network": {"address": f"{ADDRESS}/24", "mac": "52:54:00:77:00:01"},
    }
    client = make_key_pair()
    iso = ROOT / ".lab" / "www" / "instance.iso"
    iso.write_bytes(boot_media.make_media(Node.from_params(params), make_key_pair(), client, "instance"))
    key = ROOT / ".lab" / "instance_key"
    key.write_text(client.private)
    key.chmod(0o600)
    run = lab.deploy(
        bm_deploy_interface="ramdisk", bm_rebuild=True, bm_image={"url": f"{WEB}/instance.iso", "format": "iso"}
    )
    assert run.code == 0, run.output
    assert lab.record().provision_state == "active"
    assert lab.ssh("cat /etc/baremetal-lifecycle/deployment", key=key) == "instance"
    entries = [line for line in lab.ssh("efibootmgr", key=key).splitlines() if line.startswith("Boot0")]
    assert sum("baremetal" in entry for entry in entries) == 1, "deployments must not leave boot entries behind"
    iso.unlink()
