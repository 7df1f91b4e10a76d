# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's IPMI BMCs: one process with an address of its own for each machine that has one."""

from __future__ import annotations

import sys

import ipmi
import network
import process
from settings import BMC_USER, MACHINES, ROOT, STATE, Machine

FOLDER = STATE / "ipmi"
DAEMONS = tuple(machine.bmc_daemon for machine in MACHINES.values() if machine.kind.bmc == "ipmi")


def ensure_bmc(machine: Machine) -> bool:
    """Start a machine's BMC if it does not run. Return if it changed."""
    name = machine.bmc_daemon
    if process.pid_of(name) is not None:
        return False
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    network.ensure_address(machine.bmc_address)
    password = (STATE / "bmc-password").read_text()
    if len(password) > ipmi.PASSWORD_CHARACTERS:
        raise process.LabError("the lab's password is too long for IPMI; run lab.py down, then up")
    bmc = ipmi.Bmc(
        name=machine.name,
        address=machine.bmc_address,
        users=(ipmi.User(BMC_USER, password), ipmi.User("operator", password, "operator")),
        chassis_control=(sys.executable, str(ROOT / "lab/chassis_control.py"), machine.name),
        guid=machine.uuid.replace("-", ""),
        console=f"tcp:127.0.0.1:{machine.console_port}",
    )
    process.spawn(name, network.inside(*ipmi.write_config(FOLDER, bmc)))
    process.wait_for(name, lambda: ipmi.answers(machine.bmc_address))
    return True
