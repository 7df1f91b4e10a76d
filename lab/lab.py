# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual bare metal: UEFI machines behind a Redfish service, in a network of their own.

    lab.py up [--nodes N]   start what is not running, define machines that are missing
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

import hypervisor
import network
import process
import services
from settings import BMC_URL, MAX_NODES, ROOT, STATE, WEB_URL, machines

DAEMONS = ("nginx", "emulator", "libvirtd")


def step(what: str, action: Callable[[], bool]) -> bool:
    """Do one step, say what came of it and how long it took, and return if it changed."""
    start = time.monotonic()
    changed = action()
    if changed:
        print(f"lab: {what} ({time.monotonic() - start:.1f} s)", flush=True)
    return changed


def up(count: int) -> None:
    """Start the lab, or what is missing of it."""
    start = time.monotonic()
    for name in ("log", "run", "tmp"):
        (STATE / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    if not network.is_up():
        # What may still run of an earlier lab sits in a network that is gone.
        end_processes()
    changes = [
        step("network namespace, bridge and link made", network.ensure_up),
        step("password, certificate and SSH key made", services.ensure_secrets),
        step("web server started", services.ensure_web_server),
        step("libvirtd started", hypervisor.ensure_libvirtd),
    ]
    for machine in machines(count):
        changes.append(
            step(
                f"machine {machine.name} defined, disk empty, power off",
                lambda machine=machine: hypervisor.ensure_machine(machine),
            )
        )
    changes.append(step("Redfish service started", services.ensure_emulator))
    did = "up" if any(changes) else "already up"
    print(f"lab: {did}, {count} machine(s), BMC {BMC_URL} ({time.monotonic() - start:.1f} s)")


def end_processes() -> None:
    """End the services and the machines, also where their network is gone."""
    for name in DAEMONS:
        process.end(name)
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
        print(f"{name:10} {'running, pid ' + str(pid) if pid else 'not running'}")
    print(f"{'Redfish':10} {BMC_URL}\n{'web':10} {WEB_URL}")
    if process.pid_of("libvirtd") is not None:
        power = hypervisor.power_states()
        for machine in machines(MAX_NODES):
            if machine.domain in power:
                print(f"{machine.name:10} power {power[machine.domain]:4} {machine.address}")


def main() -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb_up = verbs.add_parser("up", help="start the lab")
    verb_up.add_argument("--nodes", type=int, default=1, choices=range(1, MAX_NODES + 1), metavar=f"1..{MAX_NODES}")
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
                up(arguments.nodes)
            else:
                {"down": down, "status": status}[arguments.verb]()
        except process.LabError as error:
            print(f"lab: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
