"""One run over machines of two kinds, with the README's own inventory: Redfish, virtual media; IPMI, iPXE, BIOS."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import shlex
import shutil
import typing as t

import pytest
import yaml

from ansible_collections.baremetal.lifecycle.plugins.filter.network_data import network_data
from tests.lab import ROOT, address_of
from tests.network import INTERFACES
from tests.newcomer import Newcomer, blocks

REDFISH, IPMI = "node01", "node14"
LAB = ROOT / ".lab"
WEB = "http://198.18.77.2:8080"
OWN_SERVERS = "Your own servers"


def instead() -> dict[str, str]:
    """Return what the README prints, and what it is in the lab."""
    return {
        "https://192.0.2.10": "https://198.18.77.2:8443/redfish/v1/Systems/b0a70000-0000-4000-8000-000000000001",
        "ipmi://192.0.2.20": "ipmi://198.18.77.214",
        "192.0.2.11": address_of(REDFISH),
        "192.0.2.12": address_of(IPMI),
        "http://192.0.2.1": WEB,
        "52:54:00:12:34:56": "52:54:00:77:00:01",
        "52:54:00:12:34:57": "52:54:00:77:00:14",
        "S4EWNX0R": "BMLAB01",
        "S4EWNX0S": "BMLAB14",
        "node02": IPMI,
        "/etc/ssl/bmc-ca.pem": str(LAB / "tls" / "ca.pem"),
        "/srv/baremetal/ramdisk": str(ROOT / ".cache" / "ramdisk"),
        "/srv/baremetal/boot": str(LAB / "www"),
        "BMC_PASSWORD=…": f"BMC_PASSWORD={(LAB / 'bmc-password').read_text().strip()}",
    }


@pytest.fixture(scope="module")
def newcomer(lab: t.Any, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Who has installed the artifact, beside the lab's machines, whose store they share."""
    assert lab.make("lab-up", f"NODES={REDFISH} {IPMI}").code == 0
    home = tmp_path_factory.mktemp("baremetal-lifecycle-newcomer")
    found = Newcomer(home, instead())
    found.build()
    found.run(f". {ROOT}/.venv/bin/activate")
    (install,) = [line for line in blocks("Install", "sh")[0].splitlines() if "collection install" in line]
    done = found.run(install)
    assert done.code == 0, done.output
    shutil.copytree(LAB / "ssh", home / ".ssh")
    shared = {"bm_store": f"sqlite:///{LAB}/store.sqlite", "bm_state_dir": str(LAB / "state"), "bm_rebuild": True}
    (home / "group_vars").mkdir()
    (home / "group_vars" / "baremetal.yml").write_text(yaml.safe_dump(shared))
    return found


def commands() -> tuple[str, str, str, str]:
    """Return what the README says about deploying: the password, the doctor, the deployment, the status."""
    secret, doctor, deploy, status = blocks(OWN_SERVERS, "sh")[1].splitlines()
    return secret, doctor, deploy, status


def test_what_is_wrong_is_told_and_nothing_is_touched(newcomer: Newcomer, lab: t.Any) -> None:
    secret, dummy, deploy, dummy2 = commands()
    (printed,) = blocks(OWN_SERVERS, "yaml")
    before = [lab.record(node) for node in (REDFISH, IPMI)]
    for right, wrong, password, told in (
        ("", "", "export BMC_PASSWORD=wrong", "refused the credentials"),
        ("bm_image:", "bm_imgae:", secret, "The host variable bm_imgae does not exist. Did you mean bm_image?"),
        ("debian-12.raw.zst", "debian-21.raw.zst", secret, "SHA256SUMS has no checksum of debian-21.raw.zst"),
    ):
        newcomer.write(printed.replace(right, wrong) if right else printed)
        newcomer.run(password)
        done = newcomer.run(deploy)
        assert done.code == 2, done.output
        assert told in done.output
    for record, node in zip(before, (REDFISH, IPMI)):
        now = lab.record(node)
        assert (now and now.provision_state) == (record and record.provision_state)


def test_one_run_deploys_both(newcomer: Newcomer, lab: t.Any) -> None:
    secret, doctor, deploy, status = commands()
    newcomer.write(blocks(OWN_SERVERS, "yaml")[0])
    newcomer.run(secret)
    for command in (doctor, deploy, status):
        done = newcomer.run(command)
        assert done.code == 0, done.output
    assert f"{IPMI} active" in done.output
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


def test_a_machine_that_boots_from_the_network_again_falls_through_to_its_disk(newcomer: Newcomer, lab: t.Any) -> None:
    log = ROOT / ".lab" / "log" / "unknown.log"
    asked = log.read_text().count("52-54-00-77-00-14") if log.exists() else 0
    before = lab.ssh("cat /proc/sys/kernel/random/boot_id", node=IPMI)
    lab.boot_in_firmware_order(IPMI)  # network, then disk
    assert lab.ssh("cat /proc/sys/kernel/random/boot_id", node=IPMI) != before
    assert lab.ssh("test -e /etc/baremetal-lifecycle-ramdisk || echo instance", node=IPMI) == "instance"
    assert log.read_text().count("52-54-00-77-00-14") == asked + 1, (
        "it asked, was told to boot from disk, and was noted"
    )
    again = newcomer.run(f"{commands()[2]} -e bm_rebuild=false")
    assert again.code == 0, again.output
    assert again.output.rpartition("PLAY RECAP")[2].count("changed=0") == 2


PARSER = """
import base64, json, sys, yaml
from cloudinit.net import network_state, netplan
from cloudinit.sources.helpers.openstack import convert_net_json
macs = {"52:54:00:00:00:01": "eth0", "52:54:00:00:00:02": "eth1"}
given = json.loads(base64.b64decode(sys.argv[1]))
state = network_state.parse_net_config_data(convert_net_json(given, known_macs=macs))
print(json.dumps(yaml.safe_load(netplan.Renderer({})._render_content(state))["network"]))
"""
"""What cloud-init makes of network_data.json, as its renderer for netplan has it; nothing is changed."""


def test_cloud_init_reads_what_the_filter_makes(lab: t.Any) -> None:
    made = base64.b64encode(json.dumps(network_data(INTERFACES, dns=["192.0.2.53"])).encode()).decode()
    found = json.loads(lab.ssh(f"python3 -c {shlex.quote(PARSER)} {made}", node=REDFISH))
    bond = found["bonds"]["bond0"]
    assert bond["interfaces"] == ["eth0", "eth1"]
    assert bond["addresses"] == ["192.0.2.11/24", "2001:db8::11/64"]
    assert [route["via"] for route in bond["routes"]] == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert (bond["parameters"]["mode"], bond["mtu"]) == ("802.3ad", 9000)
    assert found["vlans"]["bond0.100"]["addresses"] == ["203.0.113.11/24"]
    assert found["vlans"]["bond0.100"]["link"] == "bond0"
