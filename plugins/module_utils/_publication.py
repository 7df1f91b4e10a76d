"""What a deployment shows on the boot server: under paths that can't be guessed, and taken back in any case."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import typing as t
from pathlib import Path
from urllib.parse import quote

from ._agent import write_secret
from ._errors import InvalidRequestError
from ._node import Node


class Publication:
    """Files of one deployment on the boot server.

    What will be made is written down first, in ``note``: a run that takes over a dead one can remove it all.
    """

    def __init__(self, note: Path) -> None:
        self._note = note

    @property
    def url(self) -> str | None:
        """What the machine is to boot, None if nothing is published."""
        return self._read()["url"] if self._note.exists() else None

    def _read(self) -> dict[str, str]:
        return t.cast("dict[str, str]", json.loads(self._note.read_text(encoding="utf-8")))

    def announce(self, url: str) -> None:
        """Note down the URL of something that was published by somebody else."""
        write_secret(self._note, json.dumps({"url": url}))

    def open(self, node: Node, main: str, entry: str | None = None) -> str:
        """Make a new folder on the boot server; return its URL.

        :param main: name of the file in it that the machine boots.
        :param entry: a fixed path below the boot server's root, which this publication will write too.
        :raises InvalidRequestError: the boot server's folder can't be written, or the entry is another node's.
        """
        server: t.Mapping[str, str] = node.boot_server or {}
        root = Path(server["path"]).expanduser()
        token = f"{node.name}-{secrets.token_urlsafe(16)}"
        url = f"{server['url'].rstrip('/')}/{quote(token)}"
        note = {"url": f"{url}/{main}", "folder": str(root / token)}
        if entry:
            check_entry(node, entry)
            note["entry"] = str(root / entry)
        write_secret(self._note, json.dumps(note))
        with _writing(node):
            Path(note["folder"]).mkdir(parents=True)
            Path(note["folder"]).chmod(0o755)
        return url

    def write(self, node: Node, name: str, content: bytes) -> None:
        """Write a file into the folder."""
        with _writing(node):
            _put(Path(self._read()["folder"]) / name, content)

    def write_entry(self, node: Node, content: bytes) -> None:
        """Write the entry; from now on the machine finds what is published."""
        with _writing(node):
            path = Path(self._read()["entry"])
            path.parent.mkdir(parents=True, exist_ok=True)
            _put(path, _owner_line(node) + content)

    def remove(self) -> None:
        """Take everything back. Idempotent.

        :raises InvalidRequestError: something is left; it stays noted down, so that the next run tries again.
        """
        if not self._note.exists():
            return
        note = self._read()
        try:
            if "entry" in note:
                Path(note["entry"]).unlink(missing_ok=True)
            if "folder" in note:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(note["folder"])
        except OSError as exc:
            raise InvalidRequestError(
                f"What a deployment has published can't be removed from the boot server: {exc}.",
                node=self._note.parent.name,
                hint="Remove it by hand, check bm_boot_server.path and who may write there, and run this again.",
            ) from exc
        self._note.unlink()


def check_entry(node: Node, entry: str) -> None:
    """Check that a fixed path on the boot server is free or this node's.

    :raises InvalidRequestError: another node's deployment has published it.
    """
    server: t.Mapping[str, str] = node.boot_server or {}
    path = Path(server["path"]).expanduser() / entry
    try:
        first_lines = path.read_bytes().splitlines()[:2]
    except OSError:
        return
    if _owner_line(node).strip().splitlines()[-1] not in first_lines:
        owner = first_lines[-1].decode(errors="replace").rpartition(" ")[2] if first_lines else "another node"
        raise InvalidRequestError(
            f"The MAC address {node.boot_mac} is being network-booted by the deployment of {owner}.",
            node=node.name,
            hint=f"Correct bm_boot_mac of one of them; if {owner} is gone, remove {path}.",
        )


def _owner_line(node: Node) -> bytes:
    return f"#!ipxe\n# node {node.name}\n".encode()


def _put(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.chmod(0o644)
    temporary.replace(path)


@contextlib.contextmanager
def _writing(node: Node) -> t.Iterator[None]:
    """Turn a failure to write on the boot server into our error."""
    try:
        yield
    except OSError as exc:
        raise InvalidRequestError(
            f"The boot media can't be published: {exc}.", node=node.name, hint="Check bm_boot_server.path."
        ) from exc
