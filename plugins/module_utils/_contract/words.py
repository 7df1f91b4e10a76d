"""Which names and folders are refused, since somebody on their way reads them otherwise: one table, before any act."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._errors import InvalidRequestError

READERS: dict[str, str] = {
    "/": "the file system",
    " ": "ssh, iPXE and GRUB",
    "'": "ssh and shells",
    '"': "ssh, shells and nginx",
    "\\": "ssh and shells",
    "%": "ssh",
    **dict.fromkeys("${}", "ssh, shells, GRUB, iPXE and nginx"),
    **dict.fromkeys("`()<>|&;!*?", "shells, GRUB and nginx"),
    **dict.fromkeys("#,", "dnsmasq and nginx"),
}
"""What a node's name may not hold, with who reads it otherwise."""

NOT_IN_PATHS = ("'", '"', "\\", "${")
"""What a folder or key that ssh reads may not hold: it can't be quoted there; spaces and ``%`` can (_boot/agent.py)."""

NAME_BYTES = 200
"""How long a node's name may be: files are called by it, with more behind it, and file names end at 255 bytes."""


def check_name(name: str) -> None:
    """Refuse what can't be the name of a node.

    :raises InvalidRequestError: saying who reads which part of it otherwise.
    """
    size = len(name.encode("utf-8", "surrogateescape"))
    read = next((f"{READERS[letter]} read '{letter}' otherwise" for letter in name if letter in READERS), None)
    why = (
        "it is empty" if not name
        else f"it has {size} bytes, and file names with more than {NAME_BYTES} don't fit" if size > NAME_BYTES
        else "it starts like a hidden file or an option" if name.startswith((".", "-"))
        else read or (None if name.isprintable() else "it has letters that can't be printed")
    )  # fmt: skip
    if why:
        raise InvalidRequestError(
            f"'{name[:40]}' can't be the name of a node: {why}.",
            hint="Use an inventory host name of letters, digits and any of . _ - : @ + = [ ].",
        )


def check_path(variable: str, path: str | None, *, node: str) -> None:
    """Refuse a path that ssh(1) would read otherwise.

    :raises InvalidRequestError: naming the variable and what is in the way.
    """
    bad = next((word for word in NOT_IN_PATHS if path and word in path), None)
    bad = bad or next(("a letter that can't be printed" for letter in path or "" if not letter.isprintable()), None)
    if bad:
        raise InvalidRequestError(
            f"{variable} has {bad}, which ssh reads otherwise.", node=node, hint="Use another folder, or a link to it."
        )
