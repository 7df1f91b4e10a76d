# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's boot server: the collection's own role, with inventory/lab, in the lab's network."""

from __future__ import annotations

import os
import pathlib
import sys

from process import run
from settings import ROOT, STATE

CONFIG = STATE / "boot/etc"
PID_FILES = STATE / "boot/state"
DAEMONS = ("nginx", "dnsmasq")


def ensure_boot_server() -> bool:
    """Run the role if one of its daemons does not run. Return if it changed."""
    if all(pid_of(name) for name in DAEMONS):
        return False
    playbook = pathlib.Path(sys.executable).parent / "ansible-playbook"
    path = f"PATH={playbook.parent}:{os.environ['PATH']}"
    run("env", "-C", str(ROOT), path, str(playbook), "playbooks/boot_server.yml", "-i", "inventory/lab")
    return True


def pid_of(name: str) -> int | None:
    """Return the pid of a daemon, which is known by its configuration, or None if it does not run."""
    try:
        pid = int((PID_FILES / f"{name}.pid").read_text())
        arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except (OSError, ValueError):
        return None
    return pid if str(CONFIG / f"{name}.conf") in arguments else None
