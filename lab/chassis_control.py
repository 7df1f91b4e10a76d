# SPDX-License-Identifier: GPL-3.0-or-later
"""A BMC's hand on its machine: ipmi_sim runs this program for each command that concerns power.

    chassis_control.py node14 get power      prints power:0 or power:1
    chassis_control.py node14 set power 1    and 0; reset 1; shutdown 1 (a press of the button)

What the BMC was told of booting (lab/ipmi_boot_options.c) takes effect at power-on, and is used up by it unless it
is persistent. ipmi_sim waits for the end of the program and answers nobody until then; a client that has no answer
after a second asks again, and ipmi_sim does it all again. So what takes long goes on after the program has ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

import hypervisor
import ipmi
import process
from bmcs import FOLDER
from settings import MACHINES, STATE, Machine

# Boot device selectors of IPMI v2.0, table 28-14.
DEVICES = {1: "network", 2: "disk", 5: "cdrom"}
PATIENCE_SECONDS = 0.3


def log(machine: Machine, message: str) -> None:
    """Write a line to the log of the machine's BMC."""
    with open(STATE / "log" / f"{machine.bmc_daemon}.log", "a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%H:%M:%S')} {message}\n")


def boot_order(machine: Machine, request: ipmi.BootFlags | None) -> tuple[str, ...]:
    """Return the order in which a machine tries its devices, given what its BMC was told."""
    default = machine.kind.boot_order
    if request is None:
        return default
    device = DEVICES.get(request.device)
    if request.efi != (machine.kind.firmware.mode == "uefi"):
        log(machine, f"boot request ignored: it is for {'UEFI' if request.efi else 'BIOS'}, the firmware is the other")
        return default
    if device is None or (device == "cdrom" and not machine.kind.cdrom):
        log(machine, f"boot request ignored: no device {request.device} in this machine")
        return default
    log(machine, f"boot request: {device}{', persistent' if request.persistent else ', once'}")
    return (device, *(other for other in default if other != device))


def set_order_of_next_reset(machine: Machine, order: Sequence[str]) -> None:
    """Change the order while a machine runs: QEMU gives it to the firmware at a reset, and not before."""
    places = [*((device, -1) for device in order), *((device, place) for place, device in enumerate(order, start=1))]
    commands = []
    for device, place in places:
        setting = {"path": f"/machine/peripheral/ua-{device}", "property": "bootindex", "value": place}
        command = json.dumps({"execute": "qom-set", "arguments": setting})
        commands.append(f"qemu-monitor-command {machine.domain} '{command}'")
    hypervisor.virsh("; ".join(commands))


def switch_on(machine: Machine) -> None:
    """Start a machine, unless it runs, with what is in its CD drive now."""
    if hypervisor.is_on(machine):
        return
    request = ipmi.take_boot_flags(FOLDER / machine.name)
    hypervisor.define(machine, boot_order(machine, request))
    hypervisor.start(machine)
    if request and not request.persistent:
        # It was for this start: a system that reboots by itself comes up as always.
        set_order_of_next_reset(machine, machine.kind.boot_order)


def switch_off(machine: Machine) -> None:
    """Cut the power."""
    if hypervisor.is_on(machine):
        hypervisor.virsh("destroy", machine.domain)


def reset(machine: Machine) -> None:
    """Let a machine that is on start anew; one that is off stays off."""
    if not hypervisor.is_on(machine):
        return
    request = ipmi.take_boot_flags(FOLDER / machine.name)
    set_order_of_next_reset(machine, boot_order(machine, request))
    hypervisor.virsh("reset", machine.domain)
    if request and not request.persistent:
        set_order_of_next_reset(machine, machine.kind.boot_order)


def press_button(machine: Machine) -> None:
    """Ask the system in the machine to shut down; whether it does is its own affair."""
    if hypervisor.is_on(machine):
        hypervisor.virsh("shutdown", "--mode", "acpi", machine.domain)


SETTINGS = {
    ("power", "0"): switch_off,
    ("power", "1"): switch_on,
    ("reset", "1"): reset,
    ("shutdown", "1"): press_button,
}


def do(machine: Machine, action: Callable[[Machine], None]) -> int:
    """Do something to a machine after what is being done already, and return the exit code."""
    with open(FOLDER / f"{machine.name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            action(machine)
        except process.LabError as error:
            log(machine, str(error))
            return 1
    return 0


def do_beside(machine: Machine, action: Callable[[Machine], None]) -> int:
    """Do something to a machine in a process of its own; return its exit code, or 0 if it takes long."""
    child = os.fork()
    if child == 0:
        # ipmi_sim reads our output to its end, which is when nobody has it open.
        os.setsid()
        silence = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(silence, descriptor)
        os._exit(do(machine, action))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return 0


def main() -> int:
    """Do what the arguments say; a failure's message goes to the BMC's log."""
    machine, verb, what, *values = MACHINES[sys.argv[1]], *sys.argv[2:]
    if (verb, what) == ("get", "power"):
        print(f"power:{int(hypervisor.is_on(machine))}")
        return 0
    action = SETTINGS.get((what, values[0])) if verb == "set" else None
    return do_beside(machine, action) if action else 0


if __name__ == "__main__":
    sys.exit(main())
