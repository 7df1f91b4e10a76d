"""The modules outside of the role: over real Redfish, delegated, asynchronous, in check mode."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest
import yaml


def play(site: t.Any, *tasks: dict[str, t.Any], arguments: tuple[str, ...] = (), **options: t.Any) -> t.Any:
    """Play tasks on node01, with the fake node as the defaults of the action group."""
    defaults = {"name": "node01", "bmc": site.variables["bm_bmc"], "state_dir": site.variables["bm_state_dir"]}
    defaults.update(options)
    playbook = site.folder / "play.yml"
    content = {
        "hosts": "node01",
        "gather_facts": False,
        "module_defaults": {"group/baremetal.lifecycle.bm": {**defaults, "deploy_interface": "noop"}},
        "tasks": [{"name": "Play", **task} for task in tasks],
    }
    playbook.write_text(yaml.safe_dump([content]))
    return site.play(str(playbook), *arguments)


def bm(module: str, **options: t.Any) -> dict[str, t.Any]:
    return {f"baremetal.lifecycle.bm_{module}": options}


def test_an_iso_becomes_the_instance_over_real_redfish(site: t.Any, redfish_service: t.Any) -> None:
    image = {"url": f"{site.image_url}/disk.img", "checksum": f"{site.image_url}/SHA256SUMS", "format": "raw"}
    wanted = {"bm_bmc": redfish_service.bmc(), "bm_deploy_interface": "ramdisk", "bm_image": image}
    run = site.deploy(**wanted)
    assert run.code == 0, run.output
    record = site.record()
    assert (record.provision_state, record.power_state) == ("active", "power on")
    assert record.driver_internal_info["power_ons"] == 1
    again = site.deploy(**wanted)
    assert (again.code, again.changed) == (0, 0), again.output
    wrong = site.deploy(**{**wanted, "bm_rebuild": True, "bm_image": {**image, "checksum": "sha256:" + "0" * 64}})
    assert wrong.code != 0
    assert "declared is sha256:0000000000000000" in wrong.text
    record = site.record()
    assert (record.provision_state, record.power_state) == ("deploy failed", "power on"), "it was not rebooted"


@pytest.mark.parametrize("keyword", [{"delegate_to": "localhost"}, {"async": 60, "poll": 1}])
def test_a_module_does_what_the_action_does(site: t.Any, keyword: dict[str, t.Any]) -> None:
    run = play(
        site,
        {**bm("validate"), **keyword, "register": "validated"},
        {**bm("prepare"), **keyword, "register": "prepared"},
        {**bm("deploy"), **keyword, "register": "deployed"},
        {
            "ansible.builtin.assert": {
                "that": ["validated.interfaces.power.result", "deployed.provision_state == 'active'"]
            }
        },
        {
            **bm("state", event="manage"),
            **keyword,
            "register": "refused",
            "failed_when": "refused.error is not defined",
        },
        {
            "ansible.builtin.assert": {
                "that": ["refused.error.type == 'InvalidStateError'", "'rebuild' in refused.error.hint"]
            }
        },
    )
    assert run.code == 0, run.output
    assert site.record().provision_state == "active"


def test_a_password_is_shown_nowhere(site: t.Any) -> None:
    bmc = {**site.variables["bm_bmc"], "password": "hunter2hunter2"}
    run = play(site, {**bm("validate"), "delegate_to": "localhost"}, bm("prepare"), arguments=("-vvv",), bmc=bmc)
    assert run.code == 0, run.output
    shown = [line for line in run.output.splitlines() if "hunter2hunter2" in line]
    assert shown == []


def test_the_state_is_read_changed_and_awaited(site: t.Any) -> None:
    run = play(
        site,
        {**bm("state"), "register": "unknown"},
        {"ansible.builtin.assert": {"that": ["not unknown.known", "unknown.provision_state is none"]}},
        bm("prepare"),
        {**bm("state", event="abort"), "check_mode": True, "register": "predicted"},
        {"ansible.builtin.assert": {"that": ["predicted.transitions == ['deploying -> deploy failed']"]}},
        {**bm("state", event="fail", last_error="no cable"), "register": "failed"},
        {"ansible.builtin.assert": {"that": ["failed.provision_state == 'deploy failed'"]}},
        {**bm("state", event="fail", last_error="a follow-up"), "register": "again"},
        {"ansible.builtin.assert": {"that": ["not again.changed", "again.last_error == 'no cable'"]}},
        {**bm("state", wait_for=["deploy failed"], timeout=5), "register": "awaited"},
        {**bm("state", wait_for=["active"], timeout=1), "register": "late", "failed_when": "late.error is not defined"},
        {"ansible.builtin.assert": {"that": ["'did not become active within 1 s; it is' in late.msg"]}},
        {**bm("state", history=True), "register": "read"},
        {"ansible.builtin.assert": {"that": ["read.history[-1].event == 'fail'", "read.record.reservation is none"]}},
    )
    assert run.code == 0, run.output


def test_a_run_on_another_controller_is_left_alone_until_it_expires(site: t.Any) -> None:
    other = "alice@elsewhere pid=1 started=1 boot=x ns=1"
    first = play(site, bm("prepare", owner=other, reservation_timeout=8))
    assert first.code == 0, first.output
    early = site.deploy(bm_deploy_interface="noop")
    assert "is reserved by alice@elsewhere" in early.text
    run = play(site, {"ansible.builtin.wait_for": {"timeout": 8}})
    assert run.code == 0
    late = site.deploy(bm_deploy_interface="noop")
    assert late.code == 0, late.output
    assert [entry.message for entry in site.history() if entry.event == "takeover"] == [f"from {other}"]


def test_info_over_real_ipmi(site: t.Any, ipmi_service: t.Any) -> None:
    ipmi_service.power = False
    gather = ["power_state", "boot_device", "secure_boot", "sensors", "event_log"]
    run = play(
        site,
        {**bm("bmc_info", gather=gather), "register": "info"},
        {
            "ansible.builtin.assert": {
                "that": [
                    "info.bmc.power_state == 'power off'",
                    "info.bmc.secure_boot is none",
                    "info.bmc.boot_device.keys() | sort == ['device', 'mode', 'persistent']",
                    "info.bmc.sensors | selectattr('value') | length > 0",
                    "info.bmc.event_log | length > 0",
                    "not info.changed",
                ]
            }
        },
        {**bm("bmc_info"), "register": "less"},
        {"ansible.builtin.assert": {"that": ["'sensors' not in less.bmc", "less.bmc_requests < info.bmc_requests"]}},
        bmc=ipmi_service.bmc(),
    )
    assert run.code == 0, run.output


def test_the_doctor_examines_any_bmc_and_changes_nothing(
    site: t.Any, ipmi_service: t.Any, redfish_service: t.Any
) -> None:
    ipmi_service.power = False
    recording = site.folder / "node01.json"
    told = {"the fake": {}, "IPMI": {"bm_bmc": ipmi_service.bmc()}, "Redfish": {"bm_bmc": redfish_service.bmc()}}
    for what, variables in told.items():
        more = {"bmc_doctor_record": str(site.folder)} if what == "Redfish" else {"bmc_doctor_write": True}
        run = site.play("bmc_doctor.yml", **variables, **more)
        assert run.code == 0, run.output
        for row in ("WHAT", "power", "boot override", "inventory", "VARIABLES", "bm_boot_interface"):
            assert row in run.output, what
    tree = json.loads(recording.read_text())
    assert "/redfish/v1" in tree
    assert redfish_service.systems[0] not in recording.read_text()  # its UUID, that stands in its path, too
    assert site.play("bmc_doctor.yml", bm_bmc=redfish_service.bmc(), bmc_doctor_record=str(site.folder)).changed == 0
    checked = site.play("bmc_doctor.yml", "--check", bmc_doctor_write=True)
    assert checked.code == 0, checked.output


def test_a_deployment_over_real_ipmi(site: t.Any, ipmi_service: t.Any) -> None:
    run = site.deploy(bm_bmc=ipmi_service.bmc(), bm_deploy_interface="noop", bm_boot_interface="ipxe")
    assert run.code == 0, run.output
    assert site.record().provision_state == "active"
    refused = site.deploy(
        bm_bmc=ipmi_service.bmc(), bm_deploy_interface="ramdisk", bm_rebuild=True, bm_boot_interface="virtual_media"
    )
    assert "has no virtual media" in refused.text
    assert "bm_boot_interface" in refused.text


def test_what_a_machine_says_before_its_ramdisk_does_not_answer(site: t.Any, ipmi_service: t.Any) -> None:
    ipmi_service.power = False
    key = site.folder / "media-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with ipmi_service.serial.saying(b"Kernel panic - not syncing: VFS\r\n"):
        run = site.deploy(
            bm_bmc=ipmi_service.bmc(),
            bm_boot_interface="inserted_media",
            bm_console="keep",
            bm_ramdisk={"address": "127.0.0.1", "port": 9, "timeout": 6, "ssh_key": str(key)},
        )
    assert run.code != 0
    assert "Its console said (the last of it" in run.text, run.output
    assert "Kernel panic - not syncing: VFS" in run.text
    assert "Kernel panic - not syncing: VFS" in site.record().last_error
    kept = site.folder / "state" / "node01" / "console"
    assert b"Kernel panic" in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0


def test_boot_media_for_an_operator(site: t.Any) -> None:
    files = {name: site.folder / name for name in ("kernel", "initrd", "esp")}
    for name, path in files.items():
        path.write_bytes(name.encode() * 100)
    ramdisk = {name: str(path) for name, path in files.items()}
    ramdisk |= {"root": "http://192.0.2.1/root.squashfs", "root_checksum": "sha256:" + "0" * 64}
    ramdisk |= {"ssh_key": str(site.folder / "media-key"), "address": "192.0.2.11"}
    dest = site.folder / "node01.iso"
    options = {"dest": str(dest), "boot_interface": "inserted_media"}
    run = play(
        site,
        {**bm("boot_media", **options), "check_mode": True, "register": "predicted"},
        {"ansible.builtin.stat": {"path": str(dest)}, "register": "file"},
        {"ansible.builtin.assert": {"that": ["predicted.changed", "not file.stat.exists"]}},
        {**bm("boot_media", **options), "register": "made"},
        {**bm("boot_media", **options), "register": "again"},
        {"ansible.builtin.assert": {"that": ["made.changed", "not again.changed"]}},
        {**bm("boot_media", **options, secure_boot=True), "register": "bad", "failed_when": "bad.error is not defined"},
        {"ansible.builtin.assert": {"that": ["'holds no EFI program' in bad.msg"]}},
        ramdisk=ramdisk,
    )
    assert run.code == 0, run.output
    assert dest.read_bytes()[32769:32774] == b"CD001"
    assert oct(dest.stat().st_mode & 0o777) == "0o600"
    assert "OPENSSH PRIVATE KEY" in (site.folder / "media-key").read_text()
