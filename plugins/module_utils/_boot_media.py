"""Boot media for one deployment: a small ISO with the node's keys and network; kernel and ramdisk come over HTTP."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import secrets
import typing as t
from pathlib import Path

from ._agent import Connection, KeyPair, make_key_pair, write_secret
from ._cpio import make_cpio
from ._drivers.base import Driver
from ._errors import InvalidRequestError
from ._iso import make_iso
from ._node import Node

_FILES = ("kernel", "initrd", "esp")

_MENU = """\
serial --unit=0 --speed=115200
terminal_output serial console
set gfxpayload=text
linux /bm/vmlinuz {arguments}
initrd /bm/initrd.img /bm/node.cpio
boot
"""


def check_sources(node: Node, driver: Driver) -> None:
    """Check that the boot media of a node can be made, without making them.

    :raises InvalidRequestError: naming the variables that are missing.
    """
    if node.deploy_interface != "direct" or driver.agent is not None:
        return
    Connection.of(node, Path(node.state_dir))
    if node.ramdisk.iso:
        return
    missing = [f"bm_ramdisk.{key}" for key in (*_FILES, "root") if not getattr(node.ramdisk, key)]
    missing += [] if node.boot_server else ["bm_boot_server"]
    if missing:
        raise InvalidRequestError(
            f"For the deploy ramdisk is missing: {', '.join(missing)}.",
            node=node.name,
            hint="Build one with playbooks/build_ramdisk.yml, serve its root file system over HTTP, and name all.",
        )
    for key in _FILES:
        _read(node, key)
    _root_digest(node)


def _read(node: Node, key: str) -> bytes:
    path = Path(getattr(node.ramdisk, key)).expanduser()
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidRequestError(
            f"bm_ramdisk.{key} can't be read: {exc}.", node=node.name, hint="Run playbooks/build_ramdisk.yml."
        ) from exc


def _root_digest(node: Node) -> str:
    """Return the SHA-256 of the ramdisk's root file system: given, or from SHA256SUMS beside the kernel."""
    if node.ramdisk.root_checksum:
        return node.ramdisk.root_checksum.partition(":")[2].lower()
    sums = Path(node.ramdisk.kernel or "").expanduser().with_name("SHA256SUMS")
    wanted = (node.ramdisk.root or "").rpartition("/")[2]
    if sums.is_file():
        for line in sums.read_text(encoding="utf-8").splitlines():
            digest, dummy, name = line.partition("  ")
            if name == wanted:
                return digest
    raise InvalidRequestError(
        f"The checksum of bm_ramdisk.root is not known: {sums} does not have it.",
        node=node.name,
        hint="Set bm_ramdisk.root_checksum to sha256:<hex>; what is not verified is not booted.",
    )


def bmc_calls(node: Node) -> list[str]:
    """Return what a deployment asks of the BMC, in order: for check mode."""
    if node.deploy_interface == "noop":
        return []
    start = ["power off", "insert virtual media", "boot once from cdrom", "power on"]
    return (
        start
        if node.deploy_interface == "ramdisk"
        else [*start, "eject virtual media", "boot from disk", "power off", "power on"]
    )


class MediaFiles(t.Protocol):
    """Where a deployment keeps what it knows of its media."""

    folder: Path
    media: Path

    def remove_media(self) -> None:
        """Take published media back."""


def publish(node: Node, driver: Driver, files: MediaFiles, deployment: str) -> None:
    """Make and publish new boot media under a path that can't be guessed; older ones are taken back first.

    :raises InvalidRequestError: they can't be made, or the boot server's folder can't be written.
    """
    files.remove_media()
    if node.ramdisk.iso or driver.agent is not None:
        write_secret(files.media, json.dumps({"url": node.ramdisk.iso or "fake:ramdisk"}))
        return
    check_sources(node, driver)
    host, client = make_key_pair(), make_key_pair()
    Connection.of(node, files.folder).write_keys(host, client)
    content = make_media(node, host, client, deployment)
    server: t.Mapping[str, str] = node.boot_server or {}
    token = f"{node.name}-{secrets.token_urlsafe(16)}"
    folder = Path(server["path"]).expanduser() / token
    write_secret(
        files.media, json.dumps({"url": f"{server['url'].rstrip('/')}/{token}/boot.iso", "folder": str(folder)})
    )
    try:
        folder.mkdir(mode=0o755, parents=True)
        (folder / "boot.iso").write_bytes(content)
    except OSError as exc:
        raise InvalidRequestError(
            f"The boot media can't be published: {exc}.", node=node.name, hint="Check bm_boot_server.path."
        ) from exc


def make_media(node: Node, host: KeyPair, client: KeyPair, deployment: str) -> bytes:
    """Return the ISO: boot loader, kernel, the small first ramdisk, and this node's own files.

    The first ramdisk fetches the root file system and boots it only with the digest that is on the media.
    """
    own_files = {
        "etc/hostname": (f"{node.name}\n", 0o644),
        "etc/baremetal-lifecycle/deployment": (f"{deployment}\n", 0o644),
        "etc/ssh/ssh_host_ed25519_key": (host.private, 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (f"{host.public}\n", 0o644),
        "root/.ssh/authorized_keys": (f"{client.public}\n", 0o600),
    }
    archive = make_cpio({f"node/{path}": (text.encode(), mode) for path, (text, mode) in own_files.items()})
    files = {
        "bm/grub.cfg": _MENU.format(arguments=kernel_command_line(node)).encode(),
        "bm/vmlinuz": _read(node, "kernel"),
        "bm/initrd.img": _read(node, "initrd"),
        "bm/node.cpio": archive,
        "esp.img": _read(node, "esp"),
    }
    return make_iso(files, "BM_RAMDISK", efi_image="esp.img")


def kernel_command_line(node: Node) -> str:
    """Return the parameters that the first ramdisk reads. All values have passed the contract's patterns."""
    network = node.ramdisk.network or {}
    mac = network.get("mac") or node.boot_mac
    words = {
        "bm.root": node.ramdisk.root,
        "bm.sha256": _root_digest(node),
        "bm.mac": mac.lower() if mac else None,
        "bm.address": network.get("address"),
        "bm.gateway": network.get("gateway"),
        "bm.dns": ",".join(network.get("dns", [])),
    }
    given = " ".join(f"{key}={value}" for key, value in words.items() if value)
    return f"{given} {node.ramdisk.kernel_args}".strip()
