"""Files that a run relies on later: whole or not there, also where the controller loses power at any moment."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
from pathlib import Path

FOR_OWNER, FOR_ALL = 0o600, 0o644


def write(path: Path, content: bytes, *, mode: int = FOR_OWNER) -> None:
    """Write a file, replacing it at once, and return when it is on the disk with its name. Idempotent.

    A rename alone is no promise: after a power cut the name may be there and the content not (rename(2), fsync(2)).
    A folder that is missing is made for its owner only.

    :raises OSError: it can't be written; the file is as it was.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(path: Path, *, mode: int = 0o700) -> None:
    """Make a folder that is missing, and those above it, and return when they are on the disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Return when what was made, renamed or removed in a folder is so on the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
