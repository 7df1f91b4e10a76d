"""The whole life of one lab machine, each verb a playbook, from its first sight to available again."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
import yaml

SYSTEM = "b0a70000-0000-4000-8000-000000000001"
WEB = "http://198.18.77.2:8080/images"
OTHER_IMAGE = {"url": f"{WEB}/debian-12-b.raw.zst", "checksum": f"{WEB}/SHA256SUMS"}
DATA_PARTITION = {
    # Before growpart, which would take all of the disk; what is there is only mounted.
    "bootcmd": [
        "test -e /dev/disk/by-partlabel/data"
        " || { sgdisk --new=0:5G:+256M --change-name=0:data /dev/vda && partx --update /dev/vda && udevadm settle"
        " && mkfs.ext4 -q -L data /dev/disk/by-partlabel/data; }",
        "mkdir -p /data && mount /dev/disk/by-partlabel/data /data",
    ],
}
INSTANCE = "cat /etc/ssh/ssh_host_ed25519_key.pub"  # made once by each instance
MARKER = "/etc/baremetal-lifecycle-ramdisk"
PASSWORD = "let me in: quickly"


def waits(working: str, waiting: str, times: int) -> tuple[str, ...]:
    """Return the states of work that waits so often: for the ramdisk, for each job in it, for its power-down."""
    return (working, *(waiting, working) * times)


HISTORY = [
    *("verifying", "manageable"),  # enroll
    *(*waits("inspecting", "inspect wait", 2), "manageable"),
    *(*waits("cleaning", "clean wait", 4), "manageable"),  # two disks are erased, one after the other
    *("cleaning", "available"),  # provide
    *(*waits("deploying", "wait call-back", 3), "active"),
    *("rescuing", "rescue wait", "rescuing", "rescue"),
    *("unrescuing", "active"),
    *(*waits("servicing", "service wait", 3), "active"),  # the second is the step "wait"
    *(*waits("deploying", "wait call-back", 2), "deploy failed"),  # a rebuild that names a wrong partition
    *(*waits("deploying", "wait call-back", 3), "active"),  # rebuild
    *("deleting", *waits("cleaning", "clean wait", 3), "available"),  # undeploy
]


def hash_password(password: str, *, salt: str) -> str:
    """Hash a password as the ramdisk does."""
    command = ["openssl", "passwd", "-6", "-salt", salt, "-stdin"]
    return subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where reports go, with an operator's key and a service step."""
    path = tmp_path_factory.mktemp("life")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path / "operator"], check=True)
    task = {"name": "Read the label of the first partition", "ansible.builtin.command": "lsblk --noheadings /dev/vda"}
    (path / "service.yml").write_text(yaml.safe_dump([task]))
    return path


@pytest.fixture(scope="module")
def played(lab: t.Any, folder: Path) -> dict[str, float]:
    """Seconds of each verb."""
    assert lab.make("lab-up", "NODES=node01").code == 0
    return {}


def play(lab: t.Any, played: dict[str, float], playbook: str, state: str, **variables: t.Any) -> str:
    """Play a verb; it has to end in a state, and done again change nothing where it is idempotent."""
    started = time.monotonic()
    run = lab.playbook(playbook, **variables)
    played[playbook] = round(time.monotonic() - started, 1)
    assert run.code == 0, run.output
    assert lab.record().provision_state == state
    return t.cast(str, run.output)


def test_enroll(lab: t.Any, played: dict[str, float]) -> None:
    play(lab, played, "enroll", "manageable", bm_resource_class="lab")
    facts = lab.record().inventory["out_of_band"]
    assert facts["system"]["uuid"] == SYSTEM
    assert facts["nics"][0]["mac"] == "52:54:00:77:00:01"
    assert "changed=0" in play(lab, played, "enroll", "manageable", bm_resource_class="lab")


def test_inspect(lab: t.Any, played: dict[str, float], folder: Path) -> None:
    output = play(
        lab, played, "inspect", "manageable", inspect_node_json_dir=str(folder), bm_properties={"cpu_arch": "sparc"}
    )
    facts = json.loads((folder / "node01.json").read_text())
    assert [disk["serial"] for disk in facts["in_band"]["disks"]] == ["BMLAB01"]
    assert facts["in_band"]["hardware"]["boot_mode"] == "uefi"
    assert facts["in_band"]["hardware"]["pci"]
    assert [difference["variable"] for difference in facts["differences"]] == ["bm_properties.cpu_arch"]
    assert "bm_properties.cpu_arch is sparc" in output
    assert lab.redfish(f"Systems/{SYSTEM}")["PowerState"] == "Off"


def test_clean(lab: t.Any, played: dict[str, float], folder: Path) -> None:
    steps = [{"step": "erase_devices_metadata"}, {"step": "erase_devices", "args": {"disks": ["BMLAB01"]}}]
    play(lab, played, "clean", "manageable", clean_node_steps=steps, clean_node_report_dir=str(folder))
    metadata, full = lab.evidence()
    assert (metadata["level"], metadata["result"], metadata["verification"]["result"]) == (
        "metadata",
        "erased",
        "no signature",
    )
    assert (full["serial"], full["level"], full["result"]) == ("BMLAB01", "full", "erased")
    assert full["verification"]["result"] == "zeros"
    assert "BMLAB01" in next(folder.glob("node01-erase_devices-*.txt")).read_text()
    assert lab.read_disk_head() == bytes(1024**2)


def test_provide_and_deploy(lab: t.Any, played: dict[str, float]) -> None:
    play(lab, played, "provide", "available")
    play(lab, played, "deploy", "active", lab_cloud_config=DATA_PARTITION, bm_preserve_partitions=["data"])
    assert "status: done" in lab.ssh("cloud-init status --wait --long")
    assert lab.ssh("findmnt --noheadings --output SOURCE --target /data") == "/dev/vda4"
    lab.ssh("hostname > /data/kept && sync")


def test_rescue(lab: t.Any, played: dict[str, float], folder: Path) -> None:
    key = folder / "operator"
    keys = [key.with_suffix(".pub").read_text().strip()]
    output = play(lab, played, "rescue", "rescue", rescue_node_ssh_keys=keys, rescue_node_password=PASSWORD)
    assert PASSWORD not in output
    assert lab.ssh(f"test -e {MARKER} && echo ramdisk", key=key) == "ramdisk"
    settings = lab.ssh("sshd -T", key=key).splitlines()
    assert {"passwordauthentication yes", "permitrootlogin yes"} <= set(settings)
    hashed = lab.ssh("getent shadow root", key=key).split(":")[1]
    assert hashed == hash_password(PASSWORD, salt=hashed.split("$")[2])
    assert lab.ssh("findmnt --noheadings --source /dev/vda1 || echo not mounted", key=key) == "not mounted"
    assert lab.published() == []
    assert lab.redfish(f"Systems/{SYSTEM}/VirtualMedia/Cd")["Inserted"] is False


def test_unrescue(lab: t.Any, played: dict[str, float]) -> None:
    play(lab, played, "unrescue", "active")
    assert lab.ssh(f"test -e {MARKER} || hostname") == "node01"


def test_service(lab: t.Any, played: dict[str, float], folder: Path) -> None:
    before = lab.ssh(INSTANCE)
    steps = [{"step": "look", "tasks": str(folder / "service.yml")}, {"step": "wait", "args": {"seconds": 1}}]
    play(lab, played, "service", "active", service_node_steps=steps)
    assert lab.ssh(INSTANCE) == before
    assert lab.deploy().output.rpartition("PLAY RECAP")[2].count("changed=0") == 1, "it is the same instance"


def test_rebuild_with_another_image_keeps_the_data(lab: t.Any, played: dict[str, float]) -> None:
    before = lab.ssh(INSTANCE)
    data = lab.ssh("sgdisk --info=4 /dev/vda && sha256sum /data/kept && umount /data")
    wanted = {"bm_image": OTHER_IMAGE, "lab_cloud_config": DATA_PARTITION}
    refused = lab.playbook("rebuild", **wanted, bm_preserve_partitions=["dtaa"])
    assert refused.code != 0
    assert "can't be preserved: there is none, but others that would be lost" in refused.text
    assert "nothing was written. Correct bm_preserve_partitions" in refused.text
    assert lab.record().provision_state == "deploy failed"
    play(lab, played, "rebuild", "active", **wanted, bm_preserve_partitions=["data"])
    assert lab.ssh(INSTANCE) != before
    assert "second image of the lab" in lab.ssh("cat /etc/issue")
    assert lab.ssh("sgdisk --info=4 /dev/vda && sha256sum /data/kept") == data


def test_undeploy_leaves_nothing_behind(lab: t.Any, played: dict[str, float]) -> None:
    play(lab, played, "undeploy", "available", bm_automated_clean=True)
    assert lab.evidence()[-1]["verification"]["result"] == "no signature"
    assert lab.published() == []
    system = lab.redfish(f"Systems/{SYSTEM}")
    # sushy-tools has no way to remove an override, so that the disk is what is left of it.
    assert (system["PowerState"], system["Boot"]["BootSourceOverrideTarget"]) == ("Off", "Hdd")
    assert lab.redfish(f"Systems/{SYSTEM}/VirtualMedia/Cd")["Inserted"] is False
    record = lab.record()
    assert (record.instance_info, record.reservation, record.last_error) == ({}, None, None)
    print("seconds:", played)


def test_the_history_shows_every_transition(lab: t.Any) -> None:
    assert [entry.to_state for entry in lab.history() if entry.from_state] == HISTORY
