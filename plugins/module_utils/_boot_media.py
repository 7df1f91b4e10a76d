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
from ._drivers.base import Driver
from ._errors import InvalidRequestError
from ._node import Node


def check_sources(node: Node, driver: Driver) -> None:
    """Check that the boot media of a node can be made, without making them.

    :raises InvalidRequestError: naming the variables that are missing.
    """
    if node.deploy_interface != "direct" or driver.agent is not None:
        return
    Connection.of(node, Path(node.state_dir))
    if node.ramdisk.iso:
        return
    missing = [
        f"bm_ramdisk.{key}" for key in ("kernel", "initrd", "esp", "checksums") if not getattr(node.ramdisk, key)
    ]
    missing += [] if node.boot_server else ["bm_boot_server"]
    if missing:
        raise InvalidRequestError(
            f"For the deploy ramdisk is missing: {', '.join(missing)}.",
            node=node.name,
            hint="Build one with playbooks/build_ramdisk.yml, serve it over HTTP, and name it; or give bm_ramdisk.iso.",
        )
    for key in ("esp", "checksums"):
        path = Path(getattr(node.ramdisk, key)).expanduser()
        if not path.is_file():
            raise InvalidRequestError(
                f"bm_ramdisk.{key} is no file on the controller: {path}.",
                node=node.name,
                hint="Run playbooks/build_ramdisk.yml.",
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
    """Return the ISO."""
    raise NotImplementedError
