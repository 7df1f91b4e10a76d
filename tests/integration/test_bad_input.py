"""Bad input: an error that names node, cause and remedy; nothing is written, rebooted or lost."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
import yaml

SUMS = "{url}/SHA256SUMS"


@dataclasses.dataclass
class Bad:
    """One row: what is wrong, what is said, the state after, and whether the disk may have been written."""

    name: str
    expected: tuple[str, ...]
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    machine: dict[str, t.Any] | None = None
    state: str | None = None
    disk_kept: bool = True
    untouched: bool = True


def image(name: str, **more: str) -> dict[str, t.Any]:
    return {"bm_image": {"url": "{url}/" + name, "checksum": SUMS, **more}}


NEVER_SEEN = [
    Bad("unknown variable", ("bm_bcm does not exist", "Did you mean bm_bmc?"), {"bm_bcm": {}}),
    Bad("wrong type", ("bm_image must be of type object",), {"bm_image": ["disk.img"]}),
    Bad(
        "unknown key",
        ("bm_image.chksum does not exist", "checksum"),
        {"bm_image": {"url": "{url}/disk.img", "chksum": "x"}},
    ),
    Bad(
        "partition without a name",
        ("bm_preserve_partitions.1 must not be empty",),
        {"bm_preserve_partitions": ["data", ""]},
    ),
    Bad(
        "disks to erase misspelt",
        ("bm_erase.alow does not exist", "Did you mean allow?"),
        {"bm_erase": {"alow": ["A"]}},
    ),
    Bad("no checksum", ("bm_image.checksum is missing",), {"bm_image": {"url": "{url}/disk.img"}}),
    Bad(
        "weak checksum",
        ("md5 and sha1 prove nothing",),
        {"bm_image": {"url": "{url}/disk.img", "checksum": "md5:" + "0" * 32}},
    ),
    Bad("wrong password", ("refused the credentials", "bm_bmc.password"), machine={"password": "secret"}),
    Bad(
        "BMC away",
        ("A fault of 'get_power_state' was scripted",),
        machine={"faults": [{"operation": "get_power_state", "error": "BMCConnectionError"}]},
    ),
    Bad(
        "image 404",
        ("nowhere.img: HTTP 404", "Check its URL"),
        {"bm_image": {"url": "{url}/nowhere.img", "checksum": "sha256:" + "0" * 64}},
    ),
    Bad("not in the SUMS file", ("has no checksum of missing.img",), image("missing.img")),
    Bad("raw declared, is qcow2", ("was declared as raw, and is qcow2", "bm_image.format"), image("disk.qcow2")),
    Bad("qcow2 declared, is raw", ("was declared as qcow2, and is gpt",), image("disk.img", format="qcow2")),
    Bad(
        "compression declared", ("was declared with compression xz, and has none",), image("disk.img", compression="xz")
    ),
    Bad("backing file", ("has a backing file", "qemu-img convert"), image("backed.qcow2", format="qcow2")),
    Bad(
        "unknown step",
        ("step 'power.explode' in bm_deploy_steps does not exist", "power.reboot"),
        {"bm_deploy_steps": [{"interface": "power", "step": "explode", "priority": 50}]},
    ),
    Bad(
        "step without a priority",
        ("The step 'mine' in bm_deploy_steps has no priority",),
        {"bm_deploy_steps": [{"step": "mine", "tasks": "{folder}/x.yml"}]},
    ),
    Bad(
        "step in a wrong slot",
        ("runs in the ramdisk, which is not there at priority 10",),
        {"bm_deploy_steps": [{"step": "late", "priority": 10, "tasks": "/x.yml"}]},
    ),
    Bad(
        "step without its file",
        ("nowhere.yml of the step 'mine' in bm_deploy_steps is not there",),
        {"bm_deploy_steps": [{"step": "mine", "priority": 90, "tasks": "{folder}/nowhere.yml"}]},
    ),
    Bad(
        "kernel parameter on two lines",
        ("bm_ramdisk.kernel_args must match",),
        {"bm_boot_interface": "ipxe", "bm_ramdisk": {"kernel_args": "quiet\nshell"}},
    ),
    Bad(
        "kernel parameter with a command",
        ("bm_ramdisk.kernel_args must match",),
        {"bm_boot_interface": "ipxe", "bm_ramdisk": {"kernel_args": "quiet; shell"}},
    ),
    Bad(
        "Secure Boot over the network",
        ("bm_boot_interface ipxe", "nothing there is signed", "virtual_media"),
        {"bm_boot_interface": "ipxe", "bm_secure_boot": True},
    ),
    Bad(
        "HTTP boot of a BIOS",
        ("UEFI firmware alone can boot over HTTP",),
        {"bm_boot_interface": "http", "bm_boot_mode": "bios"},
    ),
    Bad(
        "a dead port of an IPMI BMC",
        ("can't be reached: no answer within 1 s", "IPMI over LAN"),
        {"bm_bmc": {"address": "ipmi://127.0.0.1:9", "timeout": 1}},
    ),
    Bad(
        "another driver's scheme",
        ("The scheme 'ipmitool' of bm_bmc.address is unknown",),
        {"bm_bmc": {"address": "ipmitool://x"}},
    ),
    Bad(
        "cipher suite",
        ("bm_bmc.cipher_suite must be one of 3, 17",),
        {"bm_bmc": {"address": "ipmi://x", "cipher_suite": 1}},
    ),
]

DEPLOYING = [
    Bad(
        "wrong checksum",
        ("sha256", "0000000000000000"),
        {"bm_image": {"url": "{url}/disk.img", "checksum": "sha256:" + "0" * 64}},
        state="deploy failed",
        disk_kept=False,
    ),
    Bad("truncated download", ("cut/disk.img",), image("cut/disk.img"), state="deploy failed", disk_kept=False),
    Bad("no disk fits", ("No disk fits", "node01.disk"), {"bm_root_device": {"serial": "nope"}}, state="deploy failed"),
    Bad(
        "two disks and no hints",
        ("2 disks are there and no hints are given", "node01.disk", "second.disk", "bm_root_device"),
        {"bm_devices": ["{folder}/node01.disk", "{folder}/second.disk"]},
        state="deploy failed",
    ),
    Bad(
        "ramdisk that never answers",
        ("did not answer within 3 s", "last seen: no answer from the fake ramdisk", "power: power on"),
        {"bm_ramdisk": {"timeout": 3}},
        machine={"ramdisk": {"answers": False}},
        state="deploy failed",
    ),
    Bad(
        "media that can't be inserted",
        ("the slot is busy",),
        machine={"faults": [{"operation": "insert_media", "error": "BMCResponseError", "message": "the slot is busy"}]},
        state="deploy failed",
    ),
    Bad(
        "boot device that the BMC forgets",
        ("told to boot from pxe once in uefi mode, accepted it, and reports no boot device",),
        {"bm_boot_interface": "ipxe"},
        machine={"forgets_boot_device": True},
        state="deploy failed",
    ),
    Bad(
        "step that fails",
        ("the tape robot is on fire",),
        {"bm_deploy_steps": [{"step": "mine", "priority": 90, "tasks": "{folder}/step.yml"}]},
        state="deploy failed",
    ),
]


def fill(value: t.Any, **words: str) -> t.Any:
    """Put URL and folder into the strings of a row."""
    if isinstance(value, dict):
        return {key: fill(item, **words) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, **words) for item in value]
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace("{" + word + "}", text)
    return value


def play_bad(site: t.Any, row: Bad) -> t.Any:
    (site.folder / "step.yml").write_text(
        yaml.safe_dump([{"name": "Fail", "ansible.builtin.fail": {"msg": "the tape robot is on fire"}}])
    )
    site.make_disk("second")
    if row.machine is not None:
        site.script(**row.machine)
    run = site.deploy(**fill(row.variables, url=site.image_url, folder=str(site.folder)))
    assert run.code != 0, run.output
    for text in row.expected:
        assert text in run.text, run.output
    assert "Traceback" not in run.output
    return run


@pytest.mark.parametrize("row", NEVER_SEEN, ids=lambda row: row.name)
def test_refused_before_anything_is_touched(site: t.Any, row: Bad) -> None:
    before = site.make_disk()
    run = play_bad(site, row)
    assert "node01" in run.text
    assert site.record() is None
    assert site.disk().read_bytes() == before
    assert site.machine().get("calls", []) == []


@pytest.mark.parametrize("row", DEPLOYING, ids=lambda row: row.name)
def test_a_deployment_that_fails_can_be_run_again(site: t.Any, row: Bad) -> None:
    before = site.make_disk()
    play_bad(site, row)
    record = site.record()
    assert (record.provision_state, record.reservation) == (row.state, None)
    assert any(text in record.last_error for text in row.expected)
    machine = site.machine()
    assert (machine["power_state"], machine["media"]) == ("power off", None)
    assert machine.get("booted_from") != "disk"
    if row.disk_kept:
        assert site.disk().read_bytes() == before
    else:
        assert site.disk().read_bytes()[510:520] != b"\x55\xaaEFI PART", "the half-written disk must not boot"
    site.script()
    again = site.deploy()
    assert again.code == 0, again.output
    assert site.record().provision_state == "active"
    assert site.record().last_error is None


def test_an_image_larger_than_the_disk_is_not_written(site: t.Any) -> None:
    before = site.make_disk(mib=20)
    run = site.deploy()
    assert run.code != 0
    assert "node01.disk" in run.text
    assert str(40 * 1024 * 1024) in run.text
    assert str(20 * 1024 * 1024) in run.text
    assert site.disk().read_bytes() == before
    assert site.record().provision_state == "deploy failed"


def test_a_node_in_maintenance_is_left_alone(site: t.Any) -> None:
    before = site.make_disk()
    playbook = site.folder / "maintenance.yml"
    module = {"name": "node01", "bmc": site.variables["bm_bmc"], "state_dir": site.variables["bm_state_dir"]}
    set_it = {**module, "maintenance": True, "reason": "fan 3 is being replaced"}
    task = {"name": "Set it aside", "baremetal.lifecycle.bm_state": set_it}
    playbook.write_text(yaml.safe_dump([{"hosts": "node01", "gather_facts": False, "tasks": [task]}]))
    assert site.play(str(playbook)).code == 0
    assert site.play(str(playbook)).changed == 0
    run = site.deploy()
    assert run.code != 0
    assert "node01 is in maintenance: fan 3 is being replaced" in run.text
    assert "maintenance: false" in run.text
    assert site.disk().read_bytes() == before
    assert site.record().provision_state == "enroll"
    task["baremetal.lifecycle.bm_state"] = {**module, "maintenance": False}
    playbook.write_text(yaml.safe_dump([{"hosts": "node01", "gather_facts": False, "tasks": [task]}]))
    assert site.play(str(playbook)).code == 0
    assert site.deploy().code == 0


def test_the_real_service_keeps_us_out_in_words(site: t.Any, redfish_service: t.Any) -> None:
    for changes, expected in [
        ({"password": "wrong"}, "refused the credentials"),
        ({"verify": True}, "certificate is not trusted"),
        ({"address": "https://127.0.0.1:1"}, "can't be reached"),
    ]:
        run = site.deploy(bm_bmc=redfish_service.bmc(**changes), bm_deploy_interface="noop")
        assert run.code != 0
        assert expected in run.text, run.output
        assert "node01" in run.text
        assert site.record() is None
