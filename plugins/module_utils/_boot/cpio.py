"""Archives in the "new ASCII" cpio format, which the kernel unpacks as an initramfs (cpio(5), newc)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import stat
import typing as t


def make_cpio(files: t.Mapping[str, tuple[bytes, int]]) -> bytes:
    """Return an archive of files owned by root, with the folders above them.

    :param files: content and permission bits by path, without a leading slash.
    """
    parts: list[bytes] = []
    folders: set[str] = set()
    for path, (content, mode) in files.items():
        above = path.split("/")[:-1]
        for depth in range(1, len(above) + 1):
            folder = "/".join(above[:depth])
            if folder not in folders:
                folders.add(folder)
                private = folder.endswith(("/root", "/.ssh"))
                parts.append(_entry(len(parts), folder, b"", stat.S_IFDIR | (0o700 if private else 0o755)))
        parts.append(_entry(len(parts), path, content, stat.S_IFREG | mode))
    parts.append(_entry(0, "TRAILER!!!", b"", 0))
    return b"".join(parts)


def _entry(inode: int, name: str, content: bytes, mode: int) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + encoded) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
