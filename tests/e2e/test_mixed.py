"""One run over machines of two kinds: Redfish with virtual media in UEFI mode, IPMI with iPXE in BIOS mode."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from tests.lab import ROOT

REDFISH, IPMI = "node01", "node14"


def test_one_run_deploys_both(lab: t.Any) -> None:
    assert lab.make("lab-up", f"NODES={REDFISH} {IPMI}").code == 0
    run = lab.deploy(limit=f"{REDFISH},{IPMI}", bm_rebuild=True)
    assert run.code == 0, run.output
    for node, efi in ((REDFISH, True), (IPMI, False)):
        cloud_init = lab.ssh("cloud-init status --wait --long", node=node)
        assert "status: done" in cloud_init
        assert "DataSourceConfigDrive" in cloud_init
        assert lab.ssh("hostname", node=node) == node
        assert ("efi" in lab.ssh("ls /sys/firmware", node=node).split()) == efi
        record = lab.record(node)
        assert (record.provision_state, record.power_state, record.last_error) == ("active", "power on", None)
        print(node, {entry["step"]: entry["seconds"] for entry in record.steps})
    assert lab.published() == []
    flags = lab.ipmitool(IPMI, "chassis", "bootparam", "get", "5")
    assert "Options apply to all future boots" in flags
    assert "BIOS PC Compatible (legacy) boot" in flags
    assert "default Hard-Drive" in flags


def test_a_machine_that_boots_from_the_network_again_falls_through_to_its_disk(lab: t.Any) -> None:
    log = ROOT / ".lab" / "log" / "unknown.log"
    asked = log.read_text().count("52-54-00-77-00-14") if log.exists() else 0
    before = lab.ssh("cat /proc/sys/kernel/random/boot_id", node=IPMI)
    lab.boot_in_firmware_order(IPMI)  # network, then disk
    assert lab.ssh("cat /proc/sys/kernel/random/boot_id", node=IPMI) != before
    assert lab.ssh("test -e /etc/baremetal-lifecycle-ramdisk || echo instance", node=IPMI) == "instance"
    assert log.read_text().count("52-54-00-77-00-14") == asked + 1, (
        "it asked, was told to boot from disk, and was noted"
    )
    again = lab.deploy(limit=f"{REDFISH},{IPMI}")
    assert again.code == 0, again.output
    assert again.output.rpartition("PLAY RECAP")[2].count("changed=0") == 2
