"""What a deployment shows on the boot server: under paths that can't be guessed, and taken back in any case."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import typing as t
from pathlib import Path
from urllib.parse import quote

from .. import _state_files as state_files
from .._contract.node import Node
from .._errors import InvalidRequestError


class Publication:
    """Files of one deployment on the boot server.

    What will be made is written down first, in ``note``: a run that takes over a dead one can remove it all.
    """

    def __init__(self, note: Path) -> None:
        self._note = note

    @property
    def url(self) -> str | None:
        """What the machine is to boot, None if nothing is published."""
        return self._read().get("url")

    @property
    def is_torn(self) -> bool:
        """Whether the note is not whole, so that nobody knows any more what was published."""
        return self._note.exists() and not self._read()

    def _read(self) -> dict[str, str]:
        """Return the note; nothing where there is none, or one that is not whole: it is made anew then.

        :raises InvalidRequestError: it can't be read.
        """
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        except OSError as exc:
            raise InvalidRequestError(
                f"{self._note} can't be read: {exc.strerror}.",
                node=self._note.parent.name,
                hint="Check bm_state_dir, and who may read it; without the file the media are made anew.",
            ) from exc
        return note if isinstance(note, dict) and "url" in note else {}

    def _write(self, note: dict[str, str]) -> None:
        state_files.write(self._note, json.dumps(note).encode())

    def announce(self, url: str) -> None:
        """Note down the URL of something that was published by somebody else."""
        self._write({"url": url})

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
            note["entry"] = str(root / entry)
        self._write(note)
        with _writing(node):
            _make_folder(root)
            if entry:
                _claim(root / entry, node)
            (root / token).mkdir()
            (root / token).chmod(0o755)
        return url

    def write(self, node: Node, name: str, content: bytes) -> None:
        """Write a file into the folder."""
        with _writing(node):
            state_files.write(Path(self._read()["folder"]) / name, content, mode=state_files.FOR_ALL)

    def write_entry(self, node: Node, content: bytes) -> None:
        """Write the entry; from now on the machine finds what is published."""
        with _writing(node):
            path = Path(self._read()["entry"])
            _check_owner(path, node)
            state_files.write(path, _head(node) + content, mode=state_files.FOR_ALL)

    def remove(self) -> None:
        """Take everything back. Idempotent.

        :raises InvalidRequestError: something is left; it stays noted down, so that the next run tries again.
        """
        note = self._read()
        try:
            if "entry" in note and _owner_of(Path(note["entry"])) == self._note.parent.name:
                Path(note["entry"]).unlink()
            if "folder" in note:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(note["folder"])
        except OSError as exc:
            raise InvalidRequestError(
                f"What a deployment has published can't be removed from the boot server: {exc}.",
                node=self._note.parent.name,
                hint="Remove it by hand, check bm_boot_server.path and who may write there, and run this again.",
            ) from exc
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._note.unlink()


def check_entry(node: Node, entry: str) -> None:
    """Check that a fixed path on the boot server is free or this node's.

    :raises InvalidRequestError: another node's deployment has published it, or it can't be read.
    """
    server: t.Mapping[str, str] = node.boot_server or {}
    with _writing(node):
        _check_owner(Path(server["path"]).expanduser() / entry, node)


def _head(node: Node) -> bytes:
    return f"#!ipxe\n# node {node.name}\n".encode()


def _owner_of(path: Path) -> str | None:
    """Return the node whose deployment holds an entry, None where there is no entry."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return lines[1].removeprefix("# node ") if len(lines) > 1 else "another node"


def _check_owner(path: Path, node: Node) -> None:
    owner = _owner_of(path)
    if owner not in (None, node.name):
        raise InvalidRequestError(
            f"The MAC address {node.boot_mac} is being network-booted by the deployment of {owner}.",
            node=node.name,
            hint=f"Correct bm_boot_mac of one of them; if {owner} is gone, remove {path}.",
        )


def _claim(path: Path, node: Node) -> None:
    """Make the entry this node's, as long as it is nobody's: of two that try at once, one fails.

    It appears with its owner in it, and boots nothing yet.
    """
    _make_folder(path.parent)
    claim = path.with_name(f".{path.name}.{node.name}")
    claim.write_bytes(_head(node))
    claim.chmod(0o644)
    try:
        os.link(claim, path)
    except FileExistsError:
        _check_owner(path, node)
    finally:
        claim.unlink()


def _make_folder(path: Path) -> None:
    """Make a folder that is missing as role boot_server does: names in it are secrets, so nobody else lists it."""
    if not path.exists():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o711)


@contextlib.contextmanager
def _writing(node: Node) -> t.Iterator[None]:
    """Turn a failure to write on the boot server into our error."""
    try:
        yield
    except OSError as exc:
        raise InvalidRequestError(
            f"The boot media can't be published: {exc}.", node=node.name, hint="Check bm_boot_server.path."
        ) from exc
