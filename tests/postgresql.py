"""A PostgreSQL server for tests: its own data in a temporary folder, a Unix socket there, nothing on the network."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

PREFIX = "bm-postgresql-"
USER = "postgres"
"""It refuses to run as root."""


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    assert found, "PostgreSQL is missing: lab/setup.sh test"
    return found[-1]


def remove_stale() -> None:
    """End the servers that killed test processes have left, and remove their data."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not Path("/proc", folder.name.removeprefix(PREFIX).split("-")[0]).exists():
            _end(folder)


def _end(folder: Path) -> None:
    """End the server of a folder, if it runs, and remove both."""
    note = folder / "data" / "postmaster.pid"
    if note.exists():
        pid = int(note.read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline")
        # After a reboot the pid may be somebody else's.
        if command.exists() and str(folder).encode() in command.read_bytes():
            os.kill(pid, signal.SIGQUIT)
            deadline = time.monotonic() + 10
            while command.exists() and command.read_bytes() and time.monotonic() < deadline:
                time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


class PostgreSQL:
    """A running server; each database is a new one.

    :param within: the folder for its own; None for that of temporary files.
    :param settings: settings of the server that a test wants to be different.
    """

    def __init__(self, within: Path | None = None, **settings: str) -> None:
        remove_stale()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=within))
        account = pwd.getpwnam(USER)
        os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._numbers = itertools.count()
        self._data = str(self._folder / "data")
        self._run("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--pgdata", self._data)
        given = {"listen_addresses": "", "unix_socket_directories": str(self._folder), "fsync": "off", **settings}
        self._options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        log = f"{self._data}/log"
        self._run("pg_ctl", "start", "--wait", "--pgdata", self._data, "--log", log, "--options", self._options)

    def stop(self) -> None:
        """Stop the server as for a restart: connections are cut, transactions taken back."""
        self._run("pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata", self._data)

    @property
    def pid(self) -> int | None:
        """The server's first process; None where it is stopped."""
        note = self._folder / "data" / "postmaster.pid"
        return int(note.read_text().split()[0]) if note.exists() else None

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([_programs() / program, *arguments], user=USER, cwd="/", check=True, capture_output=True)

    def new_database(self) -> str:
        """Return the SQLAlchemy URL of an empty database."""
        name = f"store{next(self._numbers)}"
        self._run("createdb", "--host", str(self._folder), name)
        return f"postgresql+psycopg://{USER}@/{name}?host={self._folder}"

    def close(self) -> None:
        """End the server and remove its data."""
        _end(self._folder)
