"""The whole role on fake nodes: what it writes, that it writes once, and what it survives."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import time
import typing as t
from pathlib import Path

import pytest
import yaml

WHOLE_WAY = [
    "enroll -> verifying",
    "verifying -> manageable",
    "manageable -> cleaning",
    "cleaning -> available",
    "available -> deploying",
    "deploying -> wait call-back",
    "wait call-back -> deploying",
    "deploying -> wait call-back",
    "wait call-back -> deploying",
    "deploying -> active",
]
"""In wait call-back, the ramdisk is waited for first, and then the image."""


def transitions(site: t.Any, node: str = "node01") -> list[str]:
    return [f"{entry.from_state} -> {entry.to_state}" for entry in site.history(node) if entry.from_state]


@pytest.mark.parametrize(
    ("name", "form"), [("disk.img", {}), ("disk.img.zst", {}), ("disk.qcow2", {"format": "qcow2"})]
)
def test_a_node_never_seen_becomes_active_with_the_image_on_its_disk(
    site: t.Any, images: Path, name: str, form: dict[str, str]
) -> None:
    site.make_disk()
    run = site.deploy(bm_image={"url": f"{site.image_url}/{name}", "checksum": f"{site.image_url}/SHA256SUMS", **form})
    assert run.code == 0, run.output
    assert site.disk().read_bytes() == (images / "disk.img").read_bytes()
    assert transitions(site) == WHOLE_WAY
    record = site.record()
    assert (record.provision_state, record.power_state, record.reservation) == ("active", "power on", None)
    assert record.driver_internal_info["power_ons"] == 2
    assert record.driver_internal_info["bmc_requests"] > 10
    machine = site.machine()
    assert machine["media"] is None
    assert machine["booted_from"] == "disk"
    again = site.deploy(
        bm_image={"url": f"{site.image_url}/{name}", "checksum": f"{site.image_url}/SHA256SUMS", **form}
    )
    assert (again.code, again.changed) == (0, 0), again.output
    assert site.machine()["calls"] == machine["calls"]


@pytest.mark.parametrize("fails", [False, True])
def test_no_secret_of_a_url_is_told_or_kept(site: t.Any, images: Path, fails: bool) -> None:
    site.make_disk(mib=60)
    url = site.image_url.replace("://", "://me:MARKER@")
    drive = images / "drive.iso"
    drive.write_bytes(b"no config drive")
    image = {"url": f"{url}/disk.img?sig=MARKER", "checksum": f"{url}/SHA256SUMS?sig=MARKER"}
    more = {"bm_config_drive": {"url": f"{url}/drive.iso?sig=MARKER"}} if fails else {}
    run = site.deploy("-vvv", bm_image=image, **more)
    assert (run.code != 0) == fails, run.output
    assert site.record().provision_state == ("deploy failed" if fails else "active")
    assert "MARKER" not in run.output
    for path in (site.folder / "state").rglob("*"):
        assert path.is_dir() or b"MARKER" not in path.read_bytes(), path


def test_the_same_image_on_another_disk_of_the_machine_is_found_before_the_write(site: t.Any, images: Path) -> None:
    content = site.make_disk()
    site.disk("other").write_bytes((images / "disk.img").read_bytes())
    disks = {"bm_devices": [str(site.disk()), str(site.disk("other"))], "bm_root_device": {"name": str(site.disk())}}
    image = {"url": f"{site.image_url}/disk.img", "checksum": f"{site.image_url}/SHA256SUMS"}
    refused = site.deploy(**disks, bm_image=image)
    assert refused.code != 0
    assert f"{site.disk('other')} has the disk identifier" in refused.text
    assert "bm_image.other_copies" in refused.text
    assert site.disk().read_bytes() == content
    erased = site.deploy(**disks, bm_image={**image, "other_copies": "erase"})
    assert erased.code == 0, erased.output
    assert site.disk().read_bytes() == (images / "disk.img").read_bytes()
    assert not any(site.disk("other").read_bytes()[: 1 << 20])


def test_a_config_drive_is_written_behind_the_image(site: t.Any) -> None:
    site.make_disk(mib=60)
    secret = "correct horse battery staple"
    drive = {"meta_data": {"hostname": "web1"}, "user_data": f"#cloud-config\npassword: {secret}\n"}
    run = site.deploy("-vvv", bm_config_drive=drive)
    assert run.code == 0, run.output
    assert secret.encode() in site.disk().read_bytes()
    assert secret not in run.output
    for path in (site.folder / "state").rglob("*.db*"):
        assert secret.encode() not in path.read_bytes()
    assert oct((site.folder / "state" / "node01" / "config_drive.b64").stat().st_mode & 0o777) == "0o600"
    changed = site.deploy(bm_config_drive={"meta_data": {"hostname": "web2"}})
    assert changed.code != 0
    assert "different: config_drive" in changed.text


def test_another_image_needs_rebuild(site: t.Any, images: Path) -> None:
    site.make_disk()
    assert site.deploy().code == 0
    other = {"url": f"{site.image_url}/other.img", "checksum": f"{site.image_url}/SHA256SUMS"}
    calls = site.machine()["calls"]
    refused = site.deploy(bm_image=other)
    assert refused.code != 0
    assert "is active with another instance; different: image_checksum" in refused.text
    assert "bm_rebuild: true" in refused.text
    assert site.disk().read_bytes() == (images / "disk.img").read_bytes()
    assert site.machine()["calls"] == calls
    protected = site.deploy(bm_image=other, bm_rebuild=True, bm_protected=True)
    assert "is protected" in protected.text
    rebuilt = site.deploy(bm_image=other, bm_rebuild=True)
    assert rebuilt.code == 0, rebuilt.output
    assert site.disk().read_bytes() == (images / "other.img").read_bytes()
    held = [entry.message for entry in site.history() if entry.event == "disk before"]
    assert [text.partition(",")[0] for text in held] == ["40 MiB", "40 MiB"]
    assert "no partition table" in held[0]
    assert "gpt " in held[1]
    assert "vfat" in held[1]
    assert transitions(site)[-6:] == ["active -> deploying", *WHOLE_WAY[-5:]]


def test_check_mode_tells_the_plan_and_touches_nothing(site: t.Any) -> None:
    before = site.make_disk()
    run = site.deploy("--check", "--diff", "-v")
    assert run.code == 0, run.output
    assert "deploying -> active" in run.text
    assert "insert virtual media" in run.text
    assert site.disk().read_bytes() == before
    assert site.record() is None
    assert site.machine()["calls"] == []


def test_media_can_be_the_instance(site: t.Any) -> None:
    iso = {"url": f"{site.image_url}/disk.img", "checksum": f"{site.image_url}/SHA256SUMS", "format": "raw"}
    run = site.deploy(bm_deploy_interface="ramdisk", bm_image=iso)
    assert run.code == 0, run.output
    assert site.record().provision_state == "active"
    assert site.machine()["media"] == iso["url"]
    assert site.machine()["booted_from"] == "cdrom"
    assert site.deploy(bm_deploy_interface="ramdisk", bm_image=iso).changed == 0


@pytest.mark.parametrize(
    ("boot_interface", "booted"),
    [("ipxe", "set_boot_device pxe"), ("http", "set_http_boot"), ("inserted_media", "set_boot_device cdrom")],
)
def test_each_way_to_boot_ends_with_the_disk(site: t.Any, images: Path, boot_interface: str, booted: str) -> None:
    site.make_disk()
    secure_boot = boot_interface == "http" or None
    run = site.deploy(bm_boot_interface=boot_interface, bm_secure_boot=secure_boot)
    assert run.code == 0, run.output
    assert site.disk().read_bytes() == (images / "disk.img").read_bytes()
    assert site.machine()["calls"] == [
        *(["set_secure_boot on"] if secure_boot else []),
        booted,
        "set_power_state power on",
        "set_power_state power off",
        "set_boot_device disk persistent",
        "set_power_state power on",
    ]
    assert site.machine()["booted_from"] == "disk"


def test_the_users_steps_run_in_their_slots(site: t.Any) -> None:
    site.make_disk()
    trace = site.folder / "trace"
    tasks = site.folder / "step.yml"
    line = "{{ step_args.word }} {{ step_root_device or 'none' }}"
    task = {"name": "Leave a trace", "ansible.builtin.shell": f'echo "{line}" >> {trace}'}
    tasks.write_text(yaml.safe_dump([task]))
    steps = [
        {"step": "before", "priority": 90, "tasks": str(tasks), "args": {"word": "before"}},
        {"step": "after", "priority": 70, "tasks": str(tasks), "args": {"word": "after"}},
        {"step": "reboot", "interface": "power", "priority": 10},
        {"step": "never", "priority": 0, "tasks": str(tasks)},
    ]
    run = site.deploy(bm_deploy_steps=steps)
    assert run.code == 0, run.output
    assert trace.read_text().split() == ["before", "none", "after", str(site.disk())]
    assert site.machine()["calls"][-2:] == ["set_power_state power off", "set_power_state power on"]


def test_what_cannot_be_tidied_up_does_not_hide_why_a_deployment_failed(site: t.Any) -> None:
    site.make_disk()
    note = site.folder / "state" / "node01" / "media.json"
    not_a_folder = site.folder / "published"
    not_a_folder.touch()
    content = json.dumps({"url": "fake:ramdisk", "folder": str(not_a_folder)})
    tasks = site.folder / "step.yml"
    break_it = {"name": "Break it", "ansible.builtin.copy": {"content": content, "dest": str(note), "mode": "0600"}}
    fail = {"name": "Fail", "ansible.builtin.fail": {"msg": "the first cause"}}
    tasks.write_text(yaml.safe_dump([break_it, fail]))
    run = site.deploy(bm_deploy_steps=[{"step": "break", "priority": 90, "tasks": str(tasks)}])
    assert run.code == 2
    assert "the first cause" in site.record().last_error
    assert site.machine()["power_state"] == "power off"
    assert any("can't be removed from the boot server" in (entry.message or "") for entry in site.history())
    not_a_folder.unlink()
    assert site.deploy().code == 0
    assert not note.exists()


def kill(process: t.Any) -> None:
    """End a play and all its workers at once, as a power cut would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def await_step(site: t.Any, step: str, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        record = site.record()
        if record and any(entry["step"] == step and entry["status"] == "running" for entry in record.steps):
            return
        time.sleep(0.1)
    raise AssertionError(f"{step} did not start within {seconds} s")


def await_job(site: t.Any, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while (site.record().driver_internal_info.get("wait") or {}).get("for") != "job":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_play_killed_while_it_writes_is_taken_over(site: t.Any, images: Path) -> None:
    site.make_disk()
    slow = {"url": f"{site.image_url}/slow/disk.img", "checksum": f"{site.image_url}/SHA256SUMS"}
    process = site.start("deploy.yml", bm_image=slow)
    await_step(site, "deploy.write_image")
    await_job(site)
    time.sleep(1)
    kill(process)
    left = site.record()
    assert left.provision_state == "wait call-back"
    assert left.reservation is not None
    run = site.deploy(bm_image=slow)
    assert run.code == 0, run.output
    assert site.disk().read_bytes() == (images / "disk.img").read_bytes()
    events = [entry.event for entry in site.history()]
    assert "takeover" in events
    assert "resume" in events
    assert site.record().provision_state == "active"
    started = [entry.message for entry in site.history() if entry.message == "deploy.deploy started"]
    assert len(started) == 1, "the ramdisk was up and must not be started again"


def test_a_play_killed_between_two_steps_repeats_none(site: t.Any) -> None:
    site.make_disk()
    flag, tasks = site.folder / "killed", site.folder / "step.yml"
    script = f"test -e {flag} || {{ touch {flag}; sleep 60; }}"
    tasks.write_text(yaml.safe_dump([{"name": "Wait to be killed once", "ansible.builtin.shell": script}]))
    steps = [{"step": "pause", "priority": 70, "tasks": str(tasks)}]
    process = site.start("deploy.yml", bm_deploy_steps=steps)
    await_step(site, "deploy.pause")
    kill(process)
    typing_error = site.deploy(bm_deploy_steps=steps, bm_bcm={})
    assert typing_error.code != 0
    assert site.record().provision_state == "deploying", "what a dead run left is not lost by a typing error"
    run = site.deploy(bm_deploy_steps=steps)
    assert run.code == 0, run.output
    messages = [entry.message for entry in site.history()]
    assert messages.count("deploy.write_image started") == 1
    assert messages.count("deploy.pause started") == 2
    assert site.record().provision_state == "active"


def test_a_ramdisk_that_is_gone_is_started_again_but_nothing_is_written_again(site: t.Any) -> None:
    site.make_disk()
    tasks = site.folder / "step.yml"
    flag = site.folder / "killed"
    script = f"test -e {flag} || {{ touch {flag}; sleep 60; }}"
    tasks.write_text(yaml.safe_dump([{"name": "Wait to be killed once", "ansible.builtin.shell": script}]))
    steps = [{"step": "pause", "priority": 70, "tasks": str(tasks)}]
    process = site.start("deploy.yml", bm_deploy_steps=steps)
    await_step(site, "deploy.pause")
    kill(process)
    site.script(**{**site.machine(), "power_state": "power off", "media": None})
    run = site.deploy(bm_deploy_steps=steps)
    assert run.code == 0, run.output
    messages = [entry.message for entry in site.history()]
    assert messages.count("deploy.deploy started") == 2
    assert messages.count("deploy.write_image started") == 1


def test_a_node_held_by_a_live_run_is_left_alone(site: t.Any) -> None:
    site.make_disk()
    slow = {"url": f"{site.image_url}/slow/disk.img", "checksum": f"{site.image_url}/SHA256SUMS"}
    process = site.start("deploy.yml", bm_image=slow)
    await_step(site, "deploy.write_image")
    second = site.deploy(bm_image=slow)
    assert second.code != 0
    assert "is reserved by" in second.text
    assert f"pid={process.pid}" in second.text
    output, dummy = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert site.record().provision_state == "active"


def test_nodes_fail_alone(site: t.Any) -> None:
    for node in ("node01", "node02", "node03"):
        site.make_disk(node)
    site.script(
        "node02", faults=[{"operation": "insert_media", "error": "BMCResponseError", "message": "the slot is busy"}]
    )
    run = site.deploy(nodes=("node01", "node02", "node03"))
    assert run.code != 0
    states = {node: site.record(node).provision_state for node in ("node01", "node02", "node03")}
    assert states == {"node01": "active", "node02": "deploy failed", "node03": "active"}
    assert site.record("node02").last_error == "the slot is busy"
    assert site.record("node02").reservation is None
    site.script("node02")
    assert site.deploy(nodes=("node01", "node02", "node03")).code == 0
    status = site.play("status.yml", nodes=("node01", "node02", "node03"))
    assert status.code == 0, status.output
    assert status.output.count("active") == 3
