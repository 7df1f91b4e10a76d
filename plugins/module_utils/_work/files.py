"""What work on a node keeps on its controller: the boot media's note, config drive, keys, a password, its console."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import string
from pathlib import Path

from .. import _state_files as state_files
from .._boot.publication import Publication
from .._contract.node import Node

PASSWORD_LENGTH = 20


class Files:
    """What work on a node keeps on its controller, for the owner of the run only."""

    def __init__(self, node: Node) -> None:
        self.folder = Path(node.state_dir) / node.name
        self.config_drive = self.folder / "config_drive.b64"
        self.publication = Publication(self.folder / "media.json")
        self.console = self.folder / "console"
        self._password = self.folder / "rescue_password"

    def remove_keys(self) -> None:
        """Remove the keys with which a run gets into the ramdisk. Idempotent."""
        for name in ("ramdisk_key", "known_hosts"):
            (self.folder / name).unlink(missing_ok=True)

    def forget_ramdisk(self) -> None:
        """Remove the keys of a ramdisk that is gone, and the password that let an operator in. Idempotent."""
        self.remove_keys()
        self._password.unlink(missing_ok=True)

    def rescue_password(self) -> str:
        """Return the password that lets an operator in; where there is none yet, it is made and kept before it counts.

        :raises OSError: it can't be.
        """
        kept = self._password.read_text(encoding="utf-8").strip() if self._password.exists() else ""
        if not kept:
            kept = "".join(secrets.choice(string.ascii_letters + string.digits) for dummy in range(PASSWORD_LENGTH))
            state_files.write(self._password, f"{kept}\n".encode())
        return kept
