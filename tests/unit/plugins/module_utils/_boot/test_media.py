"""Boot media and config drives, read back with independent tools."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot import media as boot_media
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.agent import make_key_pair
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.ramdisk import kernel_command_line
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.registry import boot_interface
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.registry import connect
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._image import config_drive


def extract(iso: bytes, folder: Path) -> Path:
    """Unpack an ISO with xorriso, which shares no code with what made it."""
    path, target = folder / "read.iso", folder / "read"
    path.write_bytes(iso)
    command = ["xorriso", "-osirrox", "on", "-indev", str(path), "-extract", "/", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target


@pytest.fixture
def ramdisk(tmp_path: Path) -> dict[str, t.Any]:
    folder = tmp_path / "ramdisk"
    folder.mkdir()
    for name in ("vmlinuz", "initrd.img", "esp.img"):
        (folder / name).write_bytes(name.encode() * 5000)
    (folder / "SHA256SUMS").write_text(f"{'a' * 64}  vmlinuz\n{'b' * 64}  root.squashfs\n")
    return {
        "kernel": str(folder / "vmlinuz"),
        "initrd": str(folder / "initrd.img"),
        "esp": str(folder / "esp.img"),
        "root": "http://192.0.2.1/ramdisk/root.squashfs",
        "address": "192.0.2.11",
        "network": {
            "address": "192.0.2.11/24",
            "gateway": "192.0.2.1",
            "dns": ["192.0.2.2"],
            "mac": "52:54:00:AA:00:01",
        },
        "kernel_args": "console=ttyS0",
    }


def make_node(fake_node: t.Any, **changes: t.Any) -> Node:
    return Node.from_params(fake_node.params(NODE_SPEC, deploy_interface="direct", **changes))


def test_boot_media_carry_what_pins_the_ramdisk(fake_node: t.Any, ramdisk: dict[str, t.Any], tmp_path: Path) -> None:
    node = make_node(fake_node, ramdisk=ramdisk)
    host, client = make_key_pair(), make_key_pair()
    read = extract(boot_media.make_media(node, host, client, "deployment-1"), tmp_path)
    menu = (read / "boot" / "grub" / "grub.cfg").read_text()
    assert f"bm.root=http://192.0.2.1/ramdisk/root.squashfs bm.sha256={'b' * 64}" in menu
    assert (
        "bm.mac=52:54:00:aa:00:01 bm.address=192.0.2.11/24 bm.gateway=192.0.2.1 bm.dns=192.0.2.2 console=ttyS0" in menu
    )
    assert (read / "bm" / "vmlinuz").read_bytes() == Path(ramdisk["kernel"]).read_bytes()
    archive = tmp_path / "unpacked"
    archive.mkdir()
    subprocess.run(["cpio", "-id", "--quiet"], input=(read / "bm" / "node.cpio").read_bytes(), cwd=archive, check=True)
    key = archive / "node" / "etc" / "ssh" / "ssh_host_ed25519_key"
    assert key.read_text() == host.private
    assert oct(key.stat().st_mode & 0o777) == "0o600"
    derived = subprocess.run(["ssh-keygen", "-y", "-f", key], check=True, capture_output=True, text=True).stdout
    assert derived.split()[:2] == host.public.split()
    assert (archive / "node" / "root" / ".ssh" / "authorized_keys").read_text() == f"{client.public}\n"
    assert (archive / "node" / "etc" / "baremetal-lifecycle" / "deployment").read_text() == "deployment-1\n"


def test_boot_media_are_bootable_by_uefi(fake_node: t.Any, ramdisk: dict[str, t.Any], tmp_path: Path) -> None:
    path = tmp_path / "boot.iso"
    path.write_bytes(
        boot_media.make_media(make_node(fake_node, ramdisk=ramdisk), make_key_pair(), make_key_pair(), "x")
    )
    report = subprocess.run(
        ["xorriso", "-indev", path, "-report_el_torito", "plain"], check=True, capture_output=True, text=True
    ).stdout
    assert any("UEFI" in line and " y " in line for line in report.splitlines()), report


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"esp": None}, "bm_ramdisk.esp"),
        ({"root": None}, "bm_ramdisk.root"),
        ({"kernel": "/nowhere/vmlinuz"}, "bm_ramdisk.kernel can't be read"),
        ({"root": "http://192.0.2.1/other.squashfs"}, "The checksum of bm_ramdisk.root is not known"),
        ({"network": None, "address": None}, "not known where the ramdisk will answer"),
        ({"root": "http://192.0.2.1/root.squashfs quiet"}, "bm_ramdisk.root must match"),
        (
            {"network": {"address": "192.0.2.11/24", "gateway": "1.2.3.4\nboot"}},
            "bm_ramdisk.network.gateway must match",
        ),
    ],
)
def test_sources_that_can_not_be_used_are_named(
    fake_node: t.Any, ramdisk: dict[str, t.Any], changes: dict[str, t.Any], expected: str
) -> None:
    wanted = {key: value for key, value in {**ramdisk, **changes}.items() if value is not None}
    server = {"path": str(fake_node.folder), "url": "http://192.0.2.1"}
    with pytest.raises(InvalidRequestError, match=expected):
        check_boot(
            fake_node, ramdisk=wanted, boot_server=server, driver="redfish", bmc={"address": "https://127.0.0.1:1"}
        )


def check_boot(fake_node: t.Any, **changes: t.Any) -> None:
    node = make_node(fake_node, **changes)
    with connect(node) as driver:
        boot_interface(node, driver).check()


def test_a_config_drive_has_what_cloud_init_reads(fake_node: t.Any, tmp_path: Path) -> None:
    drive = {
        "meta_data": {"hostname": "web1", "public_keys": {"me": "ssh-ed25519 AAAA"}},
        "user_data": {"packages": ["vim"]},
        "network_data": {"links": []},
        "vendor_data": {"a": 1},
    }
    content = config_drive.build(make_node(fake_node, config_drive=drive))
    assert content is not None
    read = extract(content, tmp_path) / "openstack" / "latest"
    meta_data = json.loads((read / "meta_data.json").read_text())
    assert meta_data["hostname"] == "web1"
    assert meta_data["uuid"]
    assert (read / "user_data").read_text() == '#cloud-config\n{"packages": ["vim"]}\n'
    assert json.loads((read / "network_data.json").read_text()) == {"links": []}
    assert json.loads((read / "vendor_data.json").read_text()) == {"a": 1}
    label = subprocess.run(
        ["blkid", "-o", "value", "-s", "LABEL", tmp_path / "read.iso"], capture_output=True, text=True, check=True
    )
    assert label.stdout.strip() == "config-2"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_finished_config_drive_is_taken_as_it_is(fake_node: t.Any, tmp_path: Path, pack: t.Any) -> None:
    iso = config_drive.make_iso({"openstack/latest/meta_data.json": b"{}"}, "config-2")
    given = {"iso": base64.b64encode(pack(iso)).decode()}
    assert config_drive.build(make_node(fake_node, config_drive=given)) == iso
    file = tmp_path / "drive.iso"
    file.write_bytes(pack(iso))
    assert config_drive.build(make_node(fake_node, config_drive={"url": f"file://{file}"})) == iso


def test_keys_are_made_anew_each_time() -> None:
    pairs = {hashlib.sha256(make_key_pair().private.encode()).hexdigest() for dummy in range(3)}
    assert len(pairs) == 3


@pytest.mark.parametrize("boot_mac", ["52:54:00:aa:00:01", None])
def test_the_port_is_named_once(fake_node: t.Any, ramdisk: dict[str, t.Any], boot_mac: str | None) -> None:
    node = make_node(fake_node, ramdisk=ramdisk, boot_mac=boot_mac)
    assert "bm.mac=52:54:00:aa:00:01" in kernel_command_line(node)


def test_two_ports_are_a_mistake_of_a_group_s_variables(fake_node: t.Any, ramdisk: dict[str, t.Any]) -> None:
    node = make_node(fake_node, ramdisk=ramdisk, boot_mac="52:54:00:00:00:07")
    with pytest.raises(InvalidRequestError, match=r"bm_ramdisk\.network\.mac is .*, and bm_boot_mac 52:54:00:00:00:07"):
        kernel_command_line(node)
