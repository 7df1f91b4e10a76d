"""Every kind of machine in one run of the deploy playbook; what came of it is written to docs/matrix.md."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import platform
import shutil
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot import ipxe
from tests.lab import ROOT

PAGE = ROOT / "docs" / "matrix.md"
SERIAL = 2
"""Machines at a time: as many as there are processors."""

ANOTHER_IMAGE = {
    "url": "http://198.18.77.2:8080/images/debian-12-b.raw.zst",
    "checksum": "http://198.18.77.2:8080/images/SHA256SUMS",
}

STEPS = ("deploy", "write_image", "prepare_instance_boot", "tear_down_agent", "boot_instance")


class Kind(t.NamedTuple):
    """A row of the matrix."""

    node: str
    bmc: str
    boot_interface: str
    boot_mode: str
    secure_boot: bool = False


KINDS = (
    Kind("node01", "Redfish", "virtual_media", "uefi"),
    Kind("node13", "Redfish", "virtual_media", "uefi", True),
    Kind("node12", "Redfish", "http", "uefi"),
    Kind("node10", "Redfish", "http", "uefi", True),
    Kind("node11", "Redfish", "ipxe", "uefi"),
    Kind("node15", "IPMI", "ipxe", "uefi"),
    Kind("node14", "IPMI", "ipxe", "bios"),
    Kind("node16", "IPMI", "inserted_media", "uefi"),
)

HEAD = f"""\
# Matrix

Each kind of machine, deployed by one run of `playbooks/deploy.yml` over a mixed group ({SERIAL} at a time) and then
asked whether cloud-init is done and how it was booted. Written by `make e2e-full`; the machines are QEMU's, the BMCs
are sushy-tools (Redfish) and OpenIPMI's ipmi_sim (IPMI). Behind `http` sushy-tools fetches the URL itself and shows it
to the machine as a CD: the BMC's part is exercised there, the firmware's own HTTP client is not. Seconds by step.

| node | BMC | boot interface | boot mode | Secure Boot | {" | ".join(STEPS)} | all | requests to the BMC |
|---|---|---|---|---|{"---|" * (len(STEPS) + 2)}
"""


@pytest.fixture(scope="module")
def deployed(lab: t.Any) -> t.Any:
    """All machines, after one run over all of them."""
    names = [kind.node for kind in KINDS]
    assert lab.make("lab-up", f"NODES={' '.join(names)}").code == 0
    assert lab.playbook("boot_media", limit="node16", boot_media_dir=str(ROOT / ".lab" / "cd")).code == 0
    return lab.deploy(limit=",".join(names), seconds=3600, deploy_serial=SERIAL)


def test_one_run_deploys_all(deployed: t.Any, lab: t.Any) -> None:
    assert deployed.code == 0, deployed.output
    assert lab.published() == []


@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: f"{kind.node}-{kind.bmc}-{kind.boot_interface}-{kind.boot_mode}"
)
def test_each_runs_its_image(deployed: t.Any, lab: t.Any, kind: Kind) -> None:
    cloud_init = lab.ssh("cloud-init status --wait --long", node=kind.node)
    assert "status: done" in cloud_init
    assert "DataSourceConfigDrive" in cloud_init
    assert lab.ssh("hostname", node=kind.node) == kind.node
    assert ("efi" in lab.ssh("ls /sys/firmware", node=kind.node).split()) == (kind.boot_mode == "uefi")
    enforced = lab.ssh("od -An -tu1 /sys/firmware/efi/efivars/SecureBoot-*", node=kind.node).split()[-1:] == ["1"]
    assert enforced == kind.secure_boot
    assert lab.record(kind.node).provision_state == "active"


def test_write_the_page(deployed: t.Any, lab: t.Any) -> None:
    assert deployed.code == 0
    rows = []
    for kind in KINDS:
        record = lab.record(kind.node)
        info = record.driver_internal_info
        seconds = {entry["step"]: entry["seconds"] for entry in record.steps}
        cells = [kind.node, kind.bmc, kind.boot_interface, kind.boot_mode, "yes" if kind.secure_boot else "no"]
        cells += [f"{seconds[f'deploy.{step}']:.0f}" for step in STEPS]
        cells += [f"{info['seconds']:.0f}", str(info["bmc_requests"])]
        rows.append(f"| {' | '.join(cells)} |\n")
    load = f"load average of the last 15 minutes {os.getloadavg()[2]:.1f}"
    machine = f"\n{os.cpu_count()} processors, Python {platform.python_version()}, {load}.\n"
    PAGE.write_text(HEAD + "".join(rows) + machine)


def test_an_unsigned_image_is_reported_where_secure_boot_is_on(deployed: t.Any, lab: t.Any) -> None:
    run = lab.deploy(limit="node13", bm_image=ANOTHER_IMAGE, bm_rebuild=True)
    assert run.code != 0
    assert r"BOOTX64.EFI is not signed" in run.text
    record = lab.record("node13")
    assert (record.provision_state, record.power_state) == ("deploy failed", "power off")


def test_unsigned_media_are_refused_before_anything_is_touched(deployed: t.Any, lab: t.Any) -> None:
    before = lab.ssh("cat /proc/sys/kernel/random/boot_id", node="node10")
    esp = str(ROOT / ".cache" / "ramdisk" / "esp.img")
    run = lab.deploy(limit="node10", lab_ramdisk_esp=esp, bm_rebuild=True)
    assert run.code != 0
    assert "bm_ramdisk.esp holds a program that is not signed" in run.text
    assert lab.ssh("cat /proc/sys/kernel/random/boot_id", node="node10") == before
    assert lab.record("node10").provision_state == "active"


@pytest.mark.parametrize("left", ["nothing", "a ramdisk that can't be loaded"])
def test_uefi_that_boots_from_the_network_again_falls_through_to_its_disk(
    deployed: t.Any, lab: t.Any, left: str
) -> None:
    node, mac = "node15", "52-54-00-77-00-15"
    log = ROOT / ".lab" / "log" / "unknown.log"
    asked = log.read_text().count(mac) if log.exists() else 0
    before = lab.ssh("cat /proc/sys/kernel/random/boot_id", node=node)
    www, url = ROOT / ".lab" / "www", "http://198.18.77.2:8080/left"
    if left != "nothing":
        (www / "left").mkdir()
        (www / "left" / "boot.ipxe").write_text(ipxe.SCRIPT.format(url=url, arguments="quiet"))
        (www / "ipxe" / f"{mac}.ipxe").write_text(f"#!ipxe\n{ipxe.ENTRY.format(url=url)}")
    try:
        lab.boot_in_firmware_order(node)  # network, then disk
        assert lab.ssh("cat /proc/sys/kernel/random/boot_id", node=node, seconds=300) != before
    finally:
        (www / "ipxe" / f"{mac}.ipxe").unlink(missing_ok=True)
        shutil.rmtree(www / "left", ignore_errors=True)
    assert lab.ssh("test -e /etc/baremetal-lifecycle-ramdisk || echo instance", node=node) == "instance"
    # This firmware asks twice, by TFTP and then by HTTP.
    assert (log.read_text().count(mac) > asked) == (left == "nothing")


def test_what_a_machine_says_is_told_where_its_ramdisk_does_not_answer(deployed: t.Any, lab: t.Any) -> None:
    node, hurried = "node15", "{{ lab_ramdisk_options | combine({'timeout': 12}) }}"
    run = lab.deploy(limit=node, bm_image=ANOTHER_IMAGE, bm_rebuild=True, bm_console="keep", bm_ramdisk=hurried)
    assert run.code != 0
    record = lab.record(node)
    assert record.provision_state == "deploy failed"
    assert "did not answer within 12 s" in record.last_error
    assert "Its console said (the last of it" in record.last_error
    assert len(record.last_error.splitlines()) > 2, record.last_error
    print(record.last_error)
