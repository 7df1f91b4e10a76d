"""One run over machines of two kinds: Redfish with virtual media in UEFI mode, IPMI with iPXE in BIOS mode."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

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
        print(node, {entry["step"]: entry["seconds"] for entry in record.deploy_steps})
    assert lab.published() == []
    flags = lab.ipmitool(IPMI, "chassis", "bootparam", "get", "5")
    assert "Options apply to all future boots" in flags
    assert "BIOS PC Compatible (legacy) boot" in flags
    assert "default Hard-Drive" in flags
