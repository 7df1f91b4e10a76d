"""The deploy ramdisk of a node: its files, its kernel parameters, and what it gets of the node's own."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from .._contract.node import Node
from .._errors import InvalidRequestError
from .agent import KeyPair
from .cpio import make_cpio

_WORD = re.compile(r"[A-Za-z0-9_.,:=/@%+~\[\]-]+")


def check_files(node: Node, names: t.Iterable[str], *, published: bool = True) -> None:
    """Check that these files of the ramdisk can be read, and that the digest of its root file system is known.

    :param published: whether the boot server is needed too.
    :raises InvalidRequestError: naming the variables that are missing.
    """
    names = tuple(names)
    missing = [f"bm_ramdisk.{key}" for key in (*names, "root") if not getattr(node.ramdisk, key)]
    missing += ["bm_boot_server"] if published and not node.boot_server else []
    if missing:
        raise InvalidRequestError(
            f"For the deploy ramdisk is missing: {', '.join(missing)}.",
            node=node.name,
            hint="Build one with baremetal.lifecycle.build_ramdisk, serve its root file system over HTTP; name all.",
        )
    for key in names:
        read_file(node, key)
    kernel_command_line(node)


def read_file(node: Node, key: str) -> bytes:
    """Return one file of the ramdisk: kernel, initrd or esp.

    :raises InvalidRequestError: it can't be read.
    """
    path = Path(getattr(node.ramdisk, key)).expanduser()
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidRequestError(
            f"bm_ramdisk.{key} can't be read: {exc}.", node=node.name, hint="Run baremetal.lifecycle.build_ramdisk."
        ) from exc


def root_digest(node: Node) -> str:
    """Return the SHA-256 of the ramdisk's root file system: given, or from SHA256SUMS beside the kernel.

    :raises InvalidRequestError: it is not known.
    """
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


def kernel_command_line(node: Node) -> str:
    """Return the parameters that the first ramdisk reads, separated by single spaces.

    Boot scripts have no quoting that all loaders understand, so each word may hold harmless characters only.

    :raises InvalidRequestError: a value holds anything else, the root file system's digest is not known, or the two
        variables that name the port contradict each other.
    """
    network = node.ramdisk.network or {}
    mac = network.get("mac") or node.boot_mac
    if mac and node.boot_mac and mac.lower() != node.boot_mac.lower():
        raise InvalidRequestError(
            f"bm_ramdisk.network.mac is {mac}, and bm_boot_mac {node.boot_mac}: the port that boots gets the address.",
            node=node.name,
            hint="Leave bm_ramdisk.network.mac out; in a group's variables it would be every node's.",
        )
    words = {
        "bm.root": node.ramdisk.root,
        "bm.sha256": root_digest(node),
        "bm.mac": mac.lower() if mac else None,
        "bm.address": network.get("address"),
        "bm.gateway": network.get("gateway"),
        "bm.dns": ",".join(network.get("dns", [])),
    }
    given = [f"{key}={value}" for key, value in words.items() if value]
    return " ".join(checked_word(word, node) for word in [*given, *node.ramdisk.kernel_args.split(" ")] if word)


def checked_word(word: str, node: Node) -> str:
    """Return a word as it may stand in a boot script: nothing in it separates, expands or begins a command.

    :raises InvalidRequestError: it holds a character that could.
    """
    if not _WORD.fullmatch(word):
        raise InvalidRequestError(
            f"{word!r} can't stand in a boot script.",
            node=node.name,
            hint="Letters, digits and _ . , : = / @ % + ~ [ ] - are allowed in bm_ramdisk and bm_boot_server.url.",
        )
    return word


def node_archive(node: Node, host: KeyPair | None, client: KeyPair, deployment: str) -> bytes:
    """Return the cpio archive with this node's own files, which the ramdisk puts over its root file system.

    :param host: the SSH host key; None where it would travel in the open: the ramdisk makes its own then.
    :param client: the key that may log in.
    """
    files = {
        "etc/hostname": (f"{node.name}\n", 0o644),
        "etc/baremetal-lifecycle/deployment": (f"{deployment}\n", 0o644),
        "root/.ssh/authorized_keys": (f"{client.public}\n", 0o600),
    }
    if host is not None:
        files["etc/ssh/ssh_host_ed25519_key"] = (host.private, 0o600)
        files["etc/ssh/ssh_host_ed25519_key.pub"] = (f"{host.public}\n", 0o644)
    return make_cpio({f"node/{path}": (text.encode(), mode) for path, (text, mode) in files.items()})
