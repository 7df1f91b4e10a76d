"""bm_boot_media: write the boot media of a node into a file, for an operator to put into the machine."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from .. import _state_files as state_files
from .._boot import media as boot_media
from .._boot import ramdisk
from .._boot.agent import KeyPair, make_key_pair, public_key_of
from .._boot.signatures import check_signed
from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC
from .._errors import InvalidRequestError

ARGUMENT_SPEC = {
    **NODE_SPEC,
    "dest": {"type": "path", "required": True},
    "force": {"type": "bool", "default": False},
}


def run(request: Request) -> Result:
    """Return ``dest`` and ``ssh_key``; a file that is there stays as it is, unless ``force``.

    :raises InvalidRequestError: a part of the ramdisk, or the name of the key, is missing.
    """
    node, dest = request.node, Path(request.params["dest"]).expanduser()
    if not node.ramdisk.ssh_key:
        raise InvalidRequestError(
            "bm_ramdisk.ssh_key is missing.", node=node.name, hint="Name the file for the key that the media accept."
        )
    key = Path(node.ramdisk.ssh_key).expanduser()
    boot_media.check_boot_mode(node)
    ramdisk.check_files(node, boot_media.FILES, published=False)
    if node.secure_boot:
        check_signed(node)
    changed = bool(request.params["force"]) or not dest.exists() or not key.exists()
    if changed and not request.check_mode:
        content = boot_media.make_media(node, make_key_pair(), _client_key(key, node.name), "inserted media")
        try:
            state_files.write(dest, content)
        except OSError as exc:
            raise InvalidRequestError(f"{dest} can't be written: {exc}.", node=node.name, hint="Correct dest.") from exc
    return {**state_of(request.store.get(node.name)), "changed": changed, "dest": str(dest), "ssh_key": str(key)}


def _client_key(path: Path, node: str) -> KeyPair:
    """Return the key pair in a file, made if it is not there."""
    if path.exists():
        private = path.read_text(encoding="utf-8")
        return KeyPair(private, public_key_of(private, node))
    made = make_key_pair()
    state_files.write(path, made.private.encode())
    return made
