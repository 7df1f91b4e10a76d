"""Sessions that outlive a task: the next task of the same play goes on with them, so that a deployment logs in once.

They are in memory that the forks of a play share, never on disk. The last task that needs one ends it; what is left
when the play ends, ends with it.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import mmap
import os
import typing as t

SLOT, SLOTS, PROBES = 2048, 4096, 32
"""Bytes of one session, how many there can be, and how many places are tried for one; memory is used where it is."""

LOG_OUTS, SECONDS = 32, 10.0
"""How many sessions are ended at once when the play ends, and the limit for each."""


@dataclasses.dataclass
class Shared:
    """A session of a BMC that stays. ``nodes``: those whose next task needs it; ``verify``: see ``Client``."""

    url: str
    verify: bool | str
    place: str
    token: str
    nodes: list[str]


class _Memory:
    """Slots in memory that forks share, each a number of bytes and JSON; under a lock that a dead process gives up."""

    def __init__(self) -> None:
        self._file = os.memfd_create("baremetal.lifecycle")
        os.ftruncate(self._file, SLOT * SLOTS)
        self._bytes = mmap.mmap(self._file, SLOT * SLOTS)

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def place_of(self, key: str) -> int | None:
        """Return the slot of a key, or a free one; None where there is none."""
        start, free = int(key[:8], 16) % SLOTS, None
        for number in range(PROBES):
            slot = (start + number) % SLOTS
            found = self.read(slot)
            if found is None:
                free = slot if free is None else free
            elif found[0] == key:
                return slot
        return free

    def read(self, slot: int) -> tuple[str, Shared] | None:
        at = slot * SLOT
        length = int.from_bytes(self._bytes[at : at + 2], "big")
        if not length:
            return None
        key, content = json.loads(self._bytes[at + 2 : at + 2 + length])
        return key, Shared(**content)

    def write(self, slot: int, key: str, content: Shared | None) -> bool:
        at, data = slot * SLOT, b"" if content is None else json.dumps([key, vars(content)]).encode()
        if len(data) > SLOT - 2:
            return False
        self._bytes[at : at + 2 + len(data)] = len(data).to_bytes(2, "big") + data
        return True


_memory: _Memory | None = None


def share() -> None:
    """From now on, let the forks of this process share sessions; end them all when it ends. Call it once."""
    global _memory
    if hasattr(os, "memfd_create"):  # Linux; elsewhere each task logs in
        _memory = _Memory()
        atexit.register(_end_all, os.getpid())


def key_of(url: str, username: object, password: object) -> str:
    """Return what sessions of one account at one BMC have in common; nobody can read the password from it."""
    return hashlib.sha256(json.dumps([url, str(username), str(password)]).encode()).hexdigest()


def find(key: str) -> Shared | None:
    """Return the session that stays for a key, None where there is none."""
    if _memory is None:
        return None
    with _memory.locked():
        slot = _memory.place_of(key)
        found = _memory.read(slot) if slot is not None else None
    return found[1] if found else None


def keep(key: str, session: Shared, node: str) -> bool:
    """Let a session stay for the next task of a node; say whether it does: there may be another one by now."""
    if _memory is None:
        return False
    with _memory.locked():
        slot = _memory.place_of(key)
        if slot is None:
            return False
        found = _memory.read(slot)
        if found and found[1].token != session.token:
            return False
        nodes = {*(found[1].nodes if found else ()), node}
        return _memory.write(slot, key, dataclasses.replace(session, nodes=sorted(nodes)))


def drop(key: str, token: str, node: str) -> bool:
    """Let a session not stay for a node any more; say whether nobody needs it, so that it is to be ended."""
    if _memory is None:
        return True
    with _memory.locked():
        slot = _memory.place_of(key)
        found = _memory.read(slot) if slot is not None else None
        if slot is None or found is None or found[1].token != token:
            return True
        nodes = [name for name in found[1].nodes if name != node]
        _memory.write(slot, key, dataclasses.replace(found[1], nodes=nodes) if nodes else None)
        return not nodes


def forget(key: str, token: str) -> None:
    """Forget a session that the BMC has ended."""
    if _memory is not None:
        with _memory.locked():
            slot = _memory.place_of(key)
            found = _memory.read(slot) if slot is not None else None
            if slot is not None and found and found[1].token == token:
                _memory.write(slot, key, None)


def _end_all(owner: int) -> None:
    """End what is left, in the process that shares: some tasks were not the last one, and yet none came after."""
    if _memory is None or os.getpid() != owner:
        return
    left = [found[1] for found in map(_memory.read, range(SLOTS)) if found]
    if left:
        with concurrent.futures.ThreadPoolExecutor(LOG_OUTS) as pool:
            list(pool.map(_end, left))


def _end(session: Shared) -> None:
    from .connection import UnreachableError
    from .http import Client

    with contextlib.suppress(UnreachableError, ValueError, OSError):
        client = Client(session.url, session.verify, SECONDS)
        client.request("DELETE", session.place, {"X-Auth-Token": session.token})
        client.close()
