"""The ramdisk's SSH server: keys for one deployment, how to connect, and whether it answers."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import shlex
import subprocess
import typing as t
from pathlib import Path

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
except ImportError as exc:
    CRYPTOGRAPHY_ERROR: ImportError | None = exc
else:
    CRYPTOGRAPHY_ERROR = None

from .. import _state_files as state_files
from .._contract.node import Node
from .._dependency import require
from .._errors import InvalidRequestError

CONNECT_TIMEOUT = 5
HOST_KEY_ALIAS = "baremetal-ramdisk"
CONTROL_SOCKETS = "~/.ansible/cp"
"""Where Ansible keeps the sockets of its connections, where it is not told otherwise."""

Address = dict[str, t.Any]
"""Where a ramdisk answers, as the store keeps it: nothing secret, the key is a path."""


class KeyPair(t.NamedTuple):
    """An Ed25519 key pair in OpenSSH's formats."""

    private: str
    public: str


def make_key_pair() -> KeyPair:
    """Return a new key pair."""
    require("cryptography", CRYPTOGRAPHY_ERROR)
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), public.decode())


def public_key_of(private: str, node: str) -> str:
    """Return the public key of a private one in OpenSSH's format.

    :raises InvalidRequestError: this is no such key, or it has a passphrase.
    """
    require("cryptography", CRYPTOGRAPHY_ERROR)
    try:
        key = serialization.load_ssh_private_key(private.encode(), None)
    except (ValueError, TypeError) as exc:
        raise InvalidRequestError(
            f"bm_ramdisk.ssh_key can't be used: {exc}.",
            node=node,
            hint="Name a key in OpenSSH's format without passphrase.",
        ) from exc
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode()


@dataclasses.dataclass(frozen=True)
class Connection:
    """How to reach the ramdisk of one deployment.

    With media of our own, the host key was put on them: ``known_hosts`` pins it. With finished media
    (``bm_ramdisk.iso``, inserted_media) and over the network (ipxe) the first key that is seen is pinned: the
    weaker guarantee.
    """

    address: str
    port: int
    key: Path
    known_hosts: Path
    pinned: bool

    @classmethod
    def of(cls, node: Node, folder: Path) -> Connection:
        """Return the connection of a node whose deployment keeps its files in ``folder``.

        :raises InvalidRequestError: it is not known where the ramdisk will answer.
        """
        ramdisk = node.ramdisk
        address = ramdisk.address or (ramdisk.network or {}).get("address", "").partition("/")[0]
        if not address:
            raise InvalidRequestError(
                "It is not known where the ramdisk will answer.",
                node=node.name,
                hint="Set bm_ramdisk.address (or ansible_host), or a static bm_ramdisk.network.",
            )
        finished = ramdisk.iso is not None or node.boot_interface == "inserted_media"
        key = Path(ramdisk.ssh_key).expanduser() if finished and ramdisk.ssh_key else folder / "ramdisk_key"
        return cls(address, ramdisk.port, key, folder / "known_hosts", not finished and node.boot_interface != "ipxe")

    @property
    def ssh_args(self) -> list[str]:
        """Options of ssh(1) that pin the host key, whatever others say, and end a dead connection.

        They have to come first: of each option ssh takes the first value that it is given (ssh_config(5)).
        """
        options = {
            "UserKnownHostsFile": _quoted(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "KnownHostsCommand": "none",
            "VerifyHostKeyDNS": "no",
            "UpdateHostKeys": "no",
            "NoHostAuthenticationForLocalhost": "no",
            "HostKeyAlias": HOST_KEY_ALIAS,
            "StrictHostKeyChecking": "yes" if self.pinned else "accept-new",
            "IdentitiesOnly": "yes",
            "PasswordAuthentication": "no",
            "ForwardAgent": "no",
            "ConnectTimeout": CONNECT_TIMEOUT,
            "ServerAliveInterval": 5,
            "ServerAliveCountMax": 6,
        }
        return ["-F", "none", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]

    @property
    def control_path(self) -> Path:
        """Where Ansible keeps its connection: another place for each ramdisk, and never that of the instance.

        Both have the same address, so that without this a connection to the one would be taken for the other.
        """
        seed = next((path.read_bytes() for path in (self.key, self.known_hosts) if path.exists()), b"")
        folder = Path(os.environ.get("ANSIBLE_SSH_CONTROL_PATH_DIR") or CONTROL_SOCKETS).expanduser()
        return folder / f"bm-{hashlib.sha256(seed + str(self.known_hosts).encode()).hexdigest()[:12]}"

    def to_result(self) -> dict[str, t.Any]:
        """Return what the role sets as connection variables; Ansible's own connection stays open for a minute."""
        with contextlib.suppress(OSError):  # ssh says so, where that matters
            self.control_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = {"ControlMaster": "auto", "ControlPersist": "60s", "ControlPath": _quoted(self.control_path)}
        words = [*self.ssh_args, *(word for key, value in kept.items() for word in ("-o", f"{key}={value}"))]
        return {
            "address": self.address,
            "port": self.port,
            "key": str(self.key).replace("%", "%%"),
            "control_path": str(self.control_path),
            "ssh_args": shlex.join(words),
        }

    def write_keys(self, host: KeyPair | None, client: KeyPair) -> None:
        """Write the client's key and the pinned host key; without one, the next that is seen is pinned."""
        state_files.write(self.key, client.private.encode())
        if host is None:
            self.forget_host_key()
        else:
            state_files.write(self.known_hosts, f"{HOST_KEY_ALIAS} {host.public}\n".encode())

    def forget_host_key(self) -> None:
        """Forget the host key of an earlier ramdisk. Idempotent."""
        self.known_hosts.unlink(missing_ok=True)

    def to_address(self) -> Address:
        """Return this connection as the store keeps it: see ``at``."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            "kind": "ssh",
            **{name: str(value) if isinstance(value, Path) else value for name, value in fields.items()},
        }

    @classmethod
    def at(cls, address: Address) -> Connection:
        """Return the connection that ``to_address`` has described."""
        port, pinned = int(address["port"]), bool(address["pinned"])
        return cls(address["address"], port, Path(address["key"]), Path(address["known_hosts"]), pinned)

    def ssh_command(self, remote: str, *, control_path: Path | None = None) -> list[str]:
        """Return the command that runs ``remote``, a line for the ramdisk's shell.

        :param control_path: the socket of a connection that may be there already, and is used then.
        """
        socket = _quoted(control_path) if control_path else "none"
        fixed = ["ssh", "-o", "BatchMode=yes", *self.ssh_args, "-o", f"ControlPath={socket}"]
        # Not -i, which looks for the file before it expands the name.
        return [*fixed, "-o", f"IdentityFile={_quoted(self.key)}", "-p", str(self.port), f"root@{self.address}", remote]

    def probe(self) -> tuple[bool, str]:
        """Log in once; return whether the ramdisk answered as the one that was booted, and what was seen."""
        if not self.key.exists():
            return False, f"the key {self.key} is not on this controller"
        try:
            # There is no module object here, and ssh(1) is Ansible's own way to the ramdisk.
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                self.ssh_command("true"), capture_output=True, text=True, timeout=CONNECT_TIMEOUT * 4, check=False
            )
        except subprocess.TimeoutExpired:
            return False, f"ssh to {self.address} hung"
        return what_ssh_said(done.returncode, done.stderr)


def _quoted(path: Path) -> str:
    """Return a path as an option of ssh(1), which splits at spaces and expands ``%``.

    Quotes, backslashes and ``${`` can't be in it: the contract refuses them (_contract/words.py).
    """
    return f'"{path}"'.replace("%", "%%")


def what_ssh_said(code: int, errors: str) -> tuple[bool, str]:
    """Return whether ssh(1) got through, and what it said."""
    if code == 0:
        return True, "it answers"
    lines = [line for line in errors.splitlines() if line.strip()]
    return False, lines[-1].strip() if lines else f"ssh ended with {code}"
