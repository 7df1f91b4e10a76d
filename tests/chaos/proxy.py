"""Stands before a PostgreSQL server: passes on what both say, late where that is wanted, or loses an answer."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

SOCKET = ".s.PGSQL.5432"
"""What clients look for in a folder that is given as host."""


class Proxy:
    """``delay``: seconds that each message of a client takes. ``lose_commit``: the answer to the next one is lost."""

    def __init__(self, server: Path, folder: Path) -> None:
        folder.mkdir()
        self.delay = 0.0
        self.lose_commit = False
        self.lost = 0
        self._server = str(server / SOCKET)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, dummy = self._listener.accept()
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._server)
            except OSError:
                client.close()
                continue
            deaf = threading.Event()
            for source, target, pump in ((client, server, self._ask), (server, client, self._answer)):
                threading.Thread(target=pump, args=(source, target, deaf), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, deaf: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                time.sleep(self.delay)
                if self.lose_commit and b"COMMIT" in data:
                    self.lose_commit = False
                    deaf.set()
                server.sendall(data)
        _end(client, server)

    def _answer(self, server: socket.socket, client: socket.socket, deaf: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if deaf.is_set():
                    self.lost += 1
                    break
                client.sendall(data)
        _end(client, server)


def _end(*connections: socket.socket) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
