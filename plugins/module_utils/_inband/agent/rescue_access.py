"""Lets an operator into the rescue ramdisk, by SSH keys or root's password."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import os
import secrets
import string
import typing as t
from pathlib import Path

from ..._errors import InvalidRequestError, StepError
from ..write.target import MARKER, is_ramdisk
from .command import run_command

_KEYS = "root/.ssh/authorized_keys"
_SETTINGS = "etc/ssh/sshd_config.d/00-rescue.conf"
"""The first value that sshd reads counts, so this file comes before the ramdisk's own."""
_ALLOW_PASSWORDS = "PermitRootLogin yes\nPasswordAuthentication yes\n"
_SHADOW = "etc/shadow"
_SERVICE = "baremetal-ssh.service"

_SALT = string.ascii_letters + string.digits


def ensure_rescue_access(
    ssh_keys: t.Sequence[str] = (),
    password: str = "",
    *,
    check_mode: bool = False,
    root: Path = Path("/"),
    marker: Path = MARKER,
) -> dict[str, t.Any]:
    """Let these keys and this password in, beside what is let in already; returns the module's result. Idempotent.

    :param root: folder that stands for the root of the file system.
    :raises InvalidRequestError: this is not the ramdisk, or a key or the password has more than one line.
    :raises StepError: the password could not be set, or the SSH server did not read its settings again.
    """
    if not is_ramdisk(marker):
        raise InvalidRequestError(
            f"This system is not the deploy ramdisk, so nobody is let in: {marker} does not exist.",
            hint="Run this task in the ramdisk; the role rescue_node does.",
        )
    _check_lines(ssh_keys, password)
    changes = _add_keys(root / _KEYS, ssh_keys, check_mode)
    if password:
        changes += _set_password(root / _SHADOW, password, check_mode)
        changes += _allow_passwords(root / _SETTINGS, check_mode)
    return {"changed": bool(changes), "changes": changes}


def _check_lines(ssh_keys: t.Sequence[str], password: str) -> None:
    """Refuse what would end up as several lines, of which each means something else."""
    if any(len(key.splitlines()) != 1 or not key.strip() for key in ssh_keys):
        raise InvalidRequestError("One of the SSH keys is not exactly one line.", hint="Give a list with a key each.")
    if len(password.splitlines()) > 1:
        raise InvalidRequestError("The password has more than one line.", hint="Give it without line breaks.")


def _add_keys(path: Path, ssh_keys: t.Sequence[str], check_mode: bool) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    missing = [key for key in dict.fromkeys(key.strip() for key in ssh_keys) if key not in lines]
    if missing and not check_mode:
        _write(path, "".join(f"{line}\n" for line in [*lines, *missing]))
    return ["ssh_keys"] if missing else []


def _set_password(shadow: Path, password: str, check_mode: bool) -> list[str]:
    """Set root's password, unless it is that one already. chpasswd gets a hash, and by its standard input."""
    users = [line.split(":") for line in shadow.read_text(encoding="utf-8").splitlines()]
    known = next((fields[1] for fields in users if fields[0] == "root"), "")
    if known and _crypt(password, known) == known:
        return []
    if not check_mode:
        salt = "".join(secrets.choice(_SALT) for dummy in range(16))
        hashed = _crypt(password, f"$6${salt}$")
        if not hashed:
            raise StepError("The ramdisk's libcrypt does not know SHA-512.", hint="Let the operator in by SSH key.")
        run_command(["chpasswd", "--encrypted"], stdin=f"root:{hashed}\n")
    return ["password"]


def _allow_passwords(path: Path, check_mode: bool) -> list[str]:
    """Have the SSH server take passwords; it reads its settings again even where they are there already.

    The run that wrote them may have died before the server did.
    """
    known = path.exists() and path.read_text(encoding="utf-8") == _ALLOW_PASSWORDS
    if not check_mode:
        if not known:
            _write(path, _ALLOW_PASSWORDS)
        run_command(["systemctl", "reload", _SERVICE])
    return [] if known else ["ssh_server"]


def _crypt(password: str, setting: str) -> str | None:
    """Return crypt(3) of a password, None where the setting is no hash's.

    Python's own crypt is gone since 3.13; libcrypt is what PAM and chpasswd themselves need.
    """
    try:
        crypt = ctypes.CDLL("libcrypt.so.1").crypt
    except OSError as exc:
        raise StepError(f"The ramdisk has no libcrypt: {exc}.", hint="Let the operator in by SSH key.") from exc
    crypt.restype = ctypes.c_char_p
    crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    found: bytes | None = crypt(password.encode(), setting.encode())
    return found.decode() if found and not found.startswith(b"*") else None


def _write(path: Path, content: str) -> None:
    """Write a file for root alone, replacing it at once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    temporary.replace(path)
