"""Boot interfaces: what they publish for a machine, what they refuse, and that nothing stays behind."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import concurrent.futures
import json
import struct
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot import publication as _publication
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot import ramdisk as ramdisks
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.publication import Publication
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.registry import BOOT_INTERFACES, boot_interface
from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.registry import connect
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import boot_media

MAC = "52:54:00:AA:00:01"
ENTRY = "ipxe/52-54-00-aa-00-01.ipxe"


class Site:
    """A controller with a ramdisk and a boot server, and nodes on them."""

    def __init__(self, folder: Path) -> None:
        self.www = folder / "www"
        self.www.mkdir()
        self.files = folder / "ramdisk"
        self.files.mkdir()
        # Of odd length: what follows it must begin at a multiple of four bytes.
        for name in ("vmlinuz", "initrd.img", "esp.img"):
            (self.files / name).write_bytes(name.encode() * 999 + b"\0" * 3)
        (self.files / "SHA256SUMS").write_text(f"{'b' * 64}  root.squashfs\n")
        self.state_dir = folder / "state"

    def params(self, name: str = "node01", **changes: t.Any) -> dict[str, t.Any]:
        given = {
            "name": name,
            "bmc": {"address": "ipmi://192.0.2.10", "timeout": 1.0},
            "boot_interface": "ipxe",
            "boot_mac": MAC,
            "ramdisk": self.ramdisk(),
            "boot_server": {"path": str(self.www), "url": "http://192.0.2.1:8080"},
            "state_dir": str(self.state_dir),
        }
        return {**{key: option.get("default") for key, option in NODE_SPEC.items()}, **given, **changes}

    def ramdisk(self, **changes: t.Any) -> dict[str, t.Any]:
        given = {
            "kernel": str(self.files / "vmlinuz"),
            "initrd": str(self.files / "initrd.img"),
            "esp": str(self.files / "esp.img"),
            "root": "http://192.0.2.1:8080/ramdisk/root.squashfs",
            "address": "192.0.2.11",
            "kernel_args": "console=ttyS0,115200 quiet",
        }
        return {**given, **changes}

    def node(self, name: str = "node01", **changes: t.Any) -> Node:
        return Node.from_params(self.params(name, **changes))

    def prepare(self, node: Node) -> Publication:
        folder = self.state_dir / node.name
        publication = Publication(folder / "media.json")
        with connect(node) as driver:
            boot_interface(node, driver).prepare(publication, folder, "deployment-1")
        return publication

    def published(self) -> set[str]:
        return {str(path.relative_to(self.www)) for path in self.www.rglob("*") if path.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_ipxe_publishes_a_script_that_is_found_by_mac(site: Site, tmp_path: Path) -> None:
    publication = site.prepare(site.node())
    assert publication.url is not None
    folder = publication.url.split("/")[-2]
    assert site.published() == {ENTRY, f"{folder}/boot.ipxe", f"{folder}/vmlinuz", f"{folder}/initrd.img"}
    base = f"http://192.0.2.1:8080/{folder}"
    entry = (site.www / ENTRY).read_text()
    assert entry.startswith("#!ipxe\n")
    # An error that is not caught reaches the boot server's own script, which then goes on to the disk.
    assert entry.splitlines()[2:] == [f"chain --autofree {base}/boot.ipxe"]
    script = (site.www / folder / "boot.ipxe").read_text().splitlines()
    assert script[0] == "#!ipxe"
    assert script[1] == (
        f"kernel --name vmlinuz {base}/vmlinuz initrd=initrd.img"
        f" bm.root=http://192.0.2.1:8080/ramdisk/root.squashfs bm.sha256={'b' * 64} bm.mac={MAC.lower()}"
        " console=ttyS0,115200 quiet || goto failed"
    )
    assert script[-1] == "exit 1"
    assert len(folder) > len("node01-") + 20


def test_the_ramdisk_that_travels_in_the_open_has_no_private_key(site: Site, tmp_path: Path) -> None:
    site.prepare(site.node())
    initrd = next(site.www.rglob("initrd.img")).read_bytes()
    own = (site.files / "initrd.img").read_bytes()
    offset = len(own) + -len(own) % 4
    assert initrd.startswith(own)
    assert offset % 4 == 0
    subprocess.run(["cpio", "-id", "--quiet"], input=initrd[offset:], cwd=tmp_path, check=True)
    assert (tmp_path / "node/etc/hostname").read_text() == "node01\n"
    assert not (tmp_path / "node/etc/ssh").exists()
    key = site.state_dir / "node01" / "ramdisk_key"
    public = subprocess.run(["ssh-keygen", "-y", "-f", key], check=True, capture_output=True, text=True).stdout
    assert public.split()[:2] == (tmp_path / "node/root/.ssh/authorized_keys").read_text().split()[:2]
    assert not (site.state_dir / "node01" / "known_hosts").exists(), "the next host key that is seen is pinned"


def test_a_new_preparation_replaces_the_old_and_removal_leaves_nothing(site: Site) -> None:
    first = site.prepare(site.node()).url
    publication = site.prepare(site.node())
    assert publication.url != first
    assert len(site.published()) == 4
    publication.remove()
    publication.remove()
    assert site.published() == set()
    assert publication.url is None


def test_what_a_dead_run_has_begun_is_removed_by_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*dummy: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Publication, "write_entry", die)
        with pytest.raises(KeyboardInterrupt):
            site.prepare(site.node())
    assert len(site.published()) == 4
    assert "chain" not in (site.www / ENTRY).read_text()
    Publication(site.state_dir / "node01" / "media.json").remove()
    assert site.published() == set()


@pytest.mark.parametrize("part", ["entry", "folder"])
def test_what_cannot_be_removed_stays_noted_down(site: Site, part: str) -> None:
    publication = site.prepare(site.node())
    path = Path(json.loads((site.state_dir / "node01" / "media.json").read_text())[part])
    own = path.with_name("own")
    path.rename(own)
    path.mkdir() if own.is_file() else path.touch()  # neither can be removed as what it was
    with pytest.raises(
        errors.InvalidRequestError, match=rf"can't be removed from the boot server: .*{path.name}"
    ) as caught:
        publication.remove()
    assert caught.value.node == "node01"
    path.rmdir() if path.is_dir() else path.unlink()
    own.rename(path)
    publication.remove()
    assert site.published() == set()


def test_two_nodes_with_one_mac_do_not_boot_each_others_ramdisk(site: Site) -> None:
    site.prepare(site.node("node01"))
    with pytest.raises(
        errors.InvalidRequestError, match=r"52:54:00:AA:00:01 is being network-booted by .* node01"
    ) as seen:
        site.prepare(site.node("node02"))
    assert "bm_boot_mac" in seen.value.hint
    assert "# node node01\n" in (site.www / ENTRY).read_text()
    assert site.prepare(site.node("node01")).url


def test_of_two_nodes_with_one_mac_at_the_same_time_one_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    both_have_looked = threading.Barrier(2, timeout=10)

    make_folder = _publication._make_folder

    def wait(path: Path) -> None:
        if path == site.www:
            both_have_looked.wait()
        make_folder(path)

    monkeypatch.setattr(_publication, "_make_folder", wait)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        names = ("node01", "node02")
        runs = {name: pool.submit(site.prepare, site.node(name)) for name in names}
        refused = [name for name in names if runs[name].exception()]
    assert len(refused) == 1
    assert isinstance(runs[refused[0]].exception(), errors.InvalidRequestError)
    (winner,) = set(names) - set(refused)
    # The loser tidies up, and the winner's entry stays.
    Publication(site.state_dir / refused[0] / "media.json").remove()
    url = runs[winner].result().url
    assert f"# node {winner}\nchain --autofree {url}" in (site.www / ENTRY).read_text()
    assert len(site.published()) == 4


def test_a_folder_that_is_missing_is_made_so_that_nobody_lists_its_secrets(site: Site) -> None:
    site.www.rmdir()
    site.prepare(site.node())
    assert {path.stat().st_mode & 0o777 for path in (site.www, site.www / "ipxe")} == {0o711}


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({"boot_mac": None}, errors.InvalidRequestError, "bm_boot_mac is missing"),
        ({"boot_server": None}, errors.InvalidRequestError, "bm_boot_server"),
        ({"secure_boot": True}, errors.InvalidRequestError, "nothing there is signed"),
        ({"deploy_interface": "ramdisk"}, errors.InvalidRequestError, "can't boot an ISO"),
        ({"boot_interface": "virtual_media"}, errors.UnsupportedOperationError, "'ipmi' has no virtual media"),
        ({"boot_interface": "http"}, errors.UnsupportedOperationError, "'ipmi' can't tell the firmware a URL"),
        ({"boot_interface": "http", "boot_mode": "bios"}, errors.InvalidRequestError, "UEFI firmware alone"),
        (
            {"boot_interface": "virtual_media", "boot_mode": "bios"},
            errors.InvalidRequestError,
            "boot in UEFI mode only",
        ),
        ({"boot_interface": "inserted_media"}, errors.InvalidRequestError, "bm_ramdisk.ssh_key is missing"),
        (
            {"boot_server": {"path": "/", "url": "http://192.0.2.1/$(x)"}},
            errors.InvalidRequestError,
            "can't stand in a boot script",
        ),
    ],
)
def test_what_can_not_work_is_refused_before_anything_is_touched(
    site: Site, changes: dict[str, t.Any], error: type[Exception], expected: str
) -> None:
    node = site.node(**changes)
    with connect(node) as driver, pytest.raises(error, match=expected):
        boot_interface(node, driver).check()
    assert site.published() == set()


@pytest.mark.parametrize(
    "kernel_args",
    ["a\nshell", "a; shell", "a=$(reboot)", "a=${net0/mac}", "a||shell", "a&&shell", "a=`id`", "'a'", '"a"', "a#"],
)  # fmt: skip
@pytest.mark.parametrize("boot_interface_name", sorted(BOOT_INTERFACES))
def test_kernel_parameters_that_could_be_commands_are_refused(
    site: Site, kernel_args: str, boot_interface_name: str
) -> None:
    with pytest.raises(errors.InvalidRequestError, match=r"bm_ramdisk\.kernel_args must match"):
        site.node(ramdisk=site.ramdisk(kernel_args=kernel_args), boot_interface=boot_interface_name)


@pytest.mark.parametrize("word", ["a b", "a;b", "a\nb", "${x}", "a|b", "", "a'b", "a\\b", "#a"])
def test_words_of_a_script_are_checked_a_second_time(site: Site, word: str) -> None:
    with pytest.raises(errors.InvalidRequestError, match="boot script"):
        ramdisks.checked_word(word, site.node())


def program(*, signed: bool) -> bytes:
    """Return the header of an EFI program (PE32+), as far as signatures go, in whole sectors."""
    optional = bytearray(240)
    struct.pack_into("<H", optional, 0, 0x20B)
    struct.pack_into("<H", optional, 68, 10)
    struct.pack_into("<II", optional, 144, *((4096, 1500) if signed else (0, 0)))
    header = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(20) + bytes(optional)
    return header.ljust(1024, b"\0")


SIGNED, UNSIGNED, NONE = program(signed=True), program(signed=False), bytes(1024)


@pytest.mark.parametrize(
    ("esp", "kernel", "expected"),
    [
        (SIGNED + SIGNED, SIGNED, None),
        (SIGNED + UNSIGNED, SIGNED, "bm_ramdisk.esp holds a program that is not signed"),
        (NONE, SIGNED, "bm_ramdisk.esp holds no EFI program"),
        (SIGNED, UNSIGNED, "bm_ramdisk.kernel holds a program that is not signed"),
        (SIGNED, NONE, "bm_ramdisk.kernel holds no EFI program"),
    ],
    ids=["signed", "loader", "no loader", "kernel", "no kernel"],
)
@pytest.mark.parametrize("how", ["http", "bm_boot_media"])
def test_secure_boot_wants_loader_and_kernel_signed(
    site: Site, tmp_path: Path, how: str, esp: bytes, kernel: bytes, expected: str | None
) -> None:
    (site.files / "esp.img").write_bytes(esp)
    (site.files / "vmlinuz").write_bytes(kernel)
    if how == "http":
        node = site.node(boot_interface="http", secure_boot=True)
        with connect(node) as driver, pytest.raises(errors.BareMetalError) as caught:
            boot_interface(node, driver).check()
        said = caught.value.message
        expected = expected or "'ipmi' can't tell the firmware a URL"
    else:
        ramdisk = site.ramdisk(ssh_key=str(tmp_path / "key"))
        options = site.params(
            boot_interface="inserted_media",
            secure_boot=True,
            ramdisk=ramdisk,
            dest=str(tmp_path / "x.iso"),
            force=False,
        )
        said = str(runner.execute(boot_media.run, options, owner="me").get("msg"))
        expected = expected or "None"
    assert expected in said
