"""What a tree of processes takes while it runs, read from /proc (proc(5)); standard library only."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")


def _read_stat(pid: int) -> list[str]:
    """Return the fields of a process's stat from the third on; the second may hold blanks."""
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def get_descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one, itself left out."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in os.listdir(PROC):
        if entry.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                children[int(_read_stat(int(entry))[1])].append(int(entry))
    found = [pid]
    for known in found:
        found += children[known]
    return found[1:]


def get_memory(pids: list[int]) -> float:
    """Return the memory of processes in MiB: their PSS, so that what they share counts once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text(encoding="utf-8").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def get_cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time of processes, and of those children of theirs that have ended, in seconds."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            ticks += sum(map(int, _read_stat(pid)[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def get_busy_seconds() -> float:
    """Return the CPU time of everything on this machine since its start, in seconds, with what a hypervisor stole."""
    fields = (PROC / "stat").read_text(encoding="utf-8").splitlines()[0].split()[1:9]
    idle, iowait = map(int, fields[3:5])
    return (sum(map(int, fields)) - idle - iowait) / os.sysconf("SC_CLK_TCK")
