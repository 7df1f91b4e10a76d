"""The live view of a run: a row for each node that is worked on, below what is printed. It needs rich."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sys
import time
import typing as t

try:
    from rich.console import Console
    from rich.live import Live
    from rich.progress import Progress
    from rich.table import Table
except ImportError:
    HAS_RICH = False
else:
    HAS_RICH = True

from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._summary import NodeSummary, duration

INTERVAL = 0.2
"""Seconds between two pictures, at least: with a thousand nodes each event would be one."""

HEAD = 4
"""Lines of a terminal that are left for what is printed."""


class Screen:
    """Shows ``nodes``; without a terminal it does nothing.

    :param display: Ansible's; what actions say of a node goes into its row, other lines are printed.
    """

    def __init__(self, display: t.Any, nodes: t.Mapping[str, NodeSummary]) -> None:
        self.nodes = nodes
        self._display = display
        self._live: t.Any = None
        self._pid = os.getpid()
        self._shown = 0.0
        self._began = time.monotonic()

    def go_live(self) -> None:
        """Begin, if there is a terminal that can."""
        if not HAS_RICH or not sys.stdout.isatty():
            return
        self._live = Live(console=Console(), auto_refresh=False, transient=True)
        self._live.start()
        show = self._display.display

        def display(message: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
            # A worker's own copy sends it on to this process.
            if os.getpid() == self._pid and self._takes(str(message)):
                return None
            return show(message, *args, **kwargs)

        self._display.display = display

    def refresh(self) -> None:
        """Draw what there is now."""
        now = time.monotonic()
        if self._live is not None and os.getpid() == self._pid and now - self._shown >= INTERVAL:
            self._shown = now
            self._live.update(self._picture(now), refresh=True)

    def stop(self) -> None:
        """Take the view away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _takes(self, message: str) -> bool:
        """Take what an action says of a node as what the node is at."""
        name, colon, text = message.partition(": ")
        node = self.nodes.get(name) if colon and self._live is not None else None
        if node is None or not node.doing:
            return False
        node.doing = text
        self.refresh()
        return True

    def _picture(self, now: float) -> t.Any:
        at_work = [node for node in self.nodes.values() if node.doing]
        done = len(self.nodes) - len(at_work)
        table = Table.grid(padding=(0, 2))
        for dummy in range(3):
            table.add_column(no_wrap=True, overflow="ellipsis")
        room = max(self._live.console.size.height - HEAD, 1)
        for node in sorted(at_work, key=lambda node: node.began)[:room]:
            table.add_row(node.name, duration(now - node.began), node.doing)
        whole = Table.grid()
        whole.add_row(table)
        whole.add_row(self._bar(done, now))
        return whole

    def _bar(self, done: int, now: float) -> t.Any:
        """Return a bar of how many are done, at which rate, and how long the others may take."""
        seconds, total = now - self._began, len(self.nodes)
        words = f"{done} of {total} done"
        if 0 < done < total:
            words += f", {done / seconds * 60:.1f} a minute, {duration(seconds / done * (total - done))} to go"
        shown = Progress("{task.description}", Progress.get_default_columns()[1], console=self._live.console)
        shown.add_task(words, total=total or 1, completed=done)
        return shown.get_renderable()
