"""What processes forked from this one would each do is done once, before."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

from .database import Scratch
from .record import HistoryEntry
from .store import Store


def compile_statements() -> None:
    """Compile SQLite's statements: each one of a call is used once, on a database in memory."""
    with contextlib.closing(Store("sqlite://", database=Scratch)) as store:
        record = store.ensure_node("node", "fake")
        entry = HistoryEntry(node="node", event="warm up")
        store.take("node", "run", "", 60)
        store.renew(["node"], "run", 60)
        store.save(record, "run", entry)
        store.request("node", None, None)
        store.set_maintenance("node", False, None, entry)
        store.glance(["node"])
        store.now()
        for dummy in range(2):  # a row that is not there, and one that is
            store.keep_learnt("machine", {})
        store.learnt("machine")
        store.save(record, "run", entry, evidence=[("", {})], release=True)
        store.release("node", "run")
