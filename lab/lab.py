# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual bare metal: machines behind Redfish and IPMI BMCs, in a network of their own.

    lab.py up               start what is not running, define node01 if it is missing
    lab.py up 3             the same with node01 to node03 (or: --nodes 3)
    lab.py up node01 node14 the same with these machines; settings.py says of which kind each is
    lab.py down             stop and remove all of it
    lab.py status           what runs, and the machines' power states

Needs root. All state is below .lab/ in the checkout.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable

import bmcs
import boot_server
import hypervisor
import network
import process
import services
from settings import BMC_URL, MACHINES, MAX_NODES, ROOT, STATE, WEB_URL, Machine

DAEMONS = (*bmcs.DAEMONS, "emulator", "libvirtd")

# How the BMC of each kind is started, and what is said of it.
BMCS: dict[str, tuple[Callable[[Machine], bool], Callable[[Machine], str]]] = {
    "redfish": (lambda _: services.ensure_emulator(), lambda _: BMC_URL),
    "ipmi": (bmcs.ensure_bmc, lambda machine: f"ipmi://{machine.bmc_address}"),
}


def step(what: str, action: Callable[[], bool]) -> bool:
    """Do one step, say what came of it and how long it took, and return if it changed."""
    start = time.monotonic()
    changed = action()
    if changed:
        print(f"lab: {what} ({time.monotonic() - start:.1f} s)", flush=True)
    return changed


def up(machines: list[Machine]) -> None:
    """Start the lab, or what is missing of it."""
    start = time.monotonic()
    for name in ("cd", "log", "run", "tmp"):
        (STATE / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    if not network.is_up():
        # What may still run of an earlier lab sits in a network that is gone.
        end_processes()
    changes = [
        step("network namespace, bridge and link made", network.ensure_up),
        step("password, certificate and SSH key made", services.ensure_secrets),
        step("boot server started", boot_server.ensure_boot_server),
        step("libvirtd started", hypervisor.ensure_libvirtd),
    ]
    for machine in machines:
        changes.append(
            step(
                f"machine {machine.name} defined, disk empty, power off",
                lambda machine=machine: hypervisor.ensure_machine(machine),
            )
        )
    for machine in machines:
        ensure, address = BMCS[machine.kind.bmc]
        changes.append(step(f"BMC {address(machine)} started", lambda ensure=ensure, machine=machine: ensure(machine)))
    did = "up" if any(changes) else "already up"
    print(f"lab: {did}, {' '.join(machine.name for machine in machines)} ({time.monotonic() - start:.1f} s)")


def end_processes() -> None:
    """End the services and the machines, also where their network is gone."""
    for name in DAEMONS:
        process.end(name)
    process.end_all([pid for pid in map(boot_server.pid_of, boot_server.DAEMONS) if pid])
    process.end_all(hypervisor.pids())


def down() -> None:
    """Stop and remove the lab: its processes, network and state, however it was left."""
    start = time.monotonic()
    end_processes()
    network.remove()
    shutil.rmtree(STATE, ignore_errors=True)
    print(f"lab: down ({time.monotonic() - start:.1f} s)")


def status() -> None:
    """Print what runs."""
    if not network.is_up():
        print("lab: down")
        return
    for name in DAEMONS:
        pid = process.pid_of(name)
        if pid or name not in bmcs.DAEMONS:
            print(f"{name:10} {'running, pid ' + str(pid) if pid else 'not running'}")
    for name in boot_server.DAEMONS:
        pid = boot_server.pid_of(name)
        print(f"{name:10} {'running, pid ' + str(pid) if pid else 'not running'}")
    print(f"{'web':10} {WEB_URL}")
    if process.pid_of("libvirtd") is not None:
        power = hypervisor.power_states()
        for machine in MACHINES.values():
            if machine.domain in power:
                address = BMCS[machine.kind.bmc][1](machine)
                state = power[machine.domain]
                print(f"{machine.name:10} power {state:4} {machine.address} {machine.kind.firmware.mode:4} {address}")


def chosen(words: list[str]) -> list[Machine]:
    """Return the machines that the command line means: names, or a number of machines from the first one on.

    :raises LabError: if it means none.
    """
    if len(words) == 1 and words[0].isdigit() and 0 < int(words[0]) <= MAX_NODES:
        return list(MACHINES.values())[: int(words[0])]
    unknown = [word for word in words if word not in MACHINES]
    if unknown:
        raise process.LabError(f"no such machine: {' '.join(unknown)}; there are {', '.join(MACHINES)}")
    return [machine for name, machine in MACHINES.items() if name in words]


def main() -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb_up = verbs.add_parser("up", help="start the lab")
    verb_up.add_argument("--nodes", default="1", metavar=f"1..{MAX_NODES}", help="the first machines")
    verb_up.add_argument("names", nargs="*", metavar="NODE", help="machines by name")
    verbs.add_parser("down", help="stop and remove it")
    verbs.add_parser("status", help="say what runs")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("lab: needs root, for network namespaces and virtual machines", file=sys.stderr)
        return 1
    # Two at a time would each start their own daemons.
    with open(ROOT / "lab" / "lab.py", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if arguments.verb == "up":
                up(chosen(arguments.names or [arguments.nodes]))
            else:
                {"down": down, "status": status}[arguments.verb]()
        except process.LabError as error:
            print(f"lab: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
