"""What is measured: each scenario makes its nodes in a fresh folder and returns the figures of one run."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import time
import typing as t
from pathlib import Path

from tests.bench import bmcs
from tests.bench.figures import Run
from tests.bench.fleet import Checkout, Fleet, RunFailedError
from tests.bench.image import IMAGE_MIB
from tests.bench.process_tree import get_cpu_seconds, get_descendants, get_memory

FORKS = ("--forks", "20")
"""Of noop and direct. Waits are measured with Ansible's default, which is 5."""

BMC_FORKS = ("--forks", "50")
"""Of redfish: a fork waits for its BMC more than it works."""

DEFAULT_FORKS = 5
RAMDISK_SECONDS = 30
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHb9NQAh2Oa4GsSTFTO1nGX4ZVk9dA6pxBzSM1qkTZfv operator"
STALL_SECONDS = 60
"""When no other machine was switched on for so long, no more will be."""

START_LIMIT = 3600
SAMPLES = 30
"""One a second."""


@dataclasses.dataclass(frozen=True)
class Ground:
    """Where a run takes place: a folder that is not there yet, the checkout, how many nodes, the image's server."""

    folder: Path
    checkout: Checkout
    nodes: int
    url: str

    def make_noop(self) -> Fleet:
        """Make nodes that nothing is written to."""
        return Fleet(self.folder, self.checkout, self.nodes, bm_deploy_interface="noop")

    def make_direct(self) -> Fleet:
        """Make nodes with disks that are files, and an image for them."""
        image = {"url": f"{self.url}/disk.img", "checksum": f"{self.url}/SHA256SUMS"}
        fleet = Fleet(self.folder, self.checkout, self.nodes, bm_image=image)
        fleet.make_disks(IMAGE_MIB)
        return fleet


def noop(ground: Ground) -> Run:
    """Deploy all nodes; nothing is written, so what remains is Ansible, the collection, the store and the BMC."""
    return ground.make_noop().play("deploy.yml", *FORKS)


def direct(ground: Ground) -> Run:
    """Deploy all nodes with an image."""
    fleet = ground.make_direct()
    try:
        return fleet.play("deploy.yml", *FORKS)
    finally:
        fleet.remove_locks()


def redfish(ground: Ground) -> Run:
    """Deploy all nodes with an ISO as the instance, over Redfish and TLS; each has a BMC of its own."""
    ground.folder.mkdir()
    image = {"url": f"{ground.url}/disk.img"}
    with bmcs.serve(ground.folder, ground.nodes) as served:
        fleet = Fleet(
            ground.folder, ground.checkout, ground.nodes, served, bm_deploy_interface="ramdisk", bm_image=image
        )
        return fleet.play("deploy.yml", *BMC_FORKS)


def waits_rescue(ground: Ground) -> Run:
    """Rescue all nodes, by a ramdisk that takes a while to come up: with a file for a machine nothing is done in it."""
    fleet = ground.make_noop()
    fleet.play("deploy.yml", *FORKS)
    fleet.script(ramdisk={"answers": True, "after_seconds": RAMDISK_SECONDS})
    return fleet.play("rescue.yml", "-l", "baremetal", "-e", json.dumps({"rescue_node_ssh_keys": [KEY]}))


def waits_deploy(ground: Ground) -> Run:
    """Deploy all nodes with an image, by a ramdisk that takes a while to come up."""
    fleet = ground.make_direct()
    fleet.script(ramdisk={"answers": True, "after_seconds": RAMDISK_SECONDS})
    try:
        return fleet.play("deploy.yml")
    finally:
        fleet.remove_locks()


def nothing(ground: Ground) -> Run:
    """Ask for a node that has the wanted image already."""
    fleet = ground.make_direct()
    try:
        fleet.play("deploy.yml", "-l", fleet.names[0], nodes=1)
        return fleet.play("deploy.yml", "-l", fleet.names[0], nodes=1)
    finally:
        fleet.remove_locks()


def memory(ground: Ground) -> Run:
    """Look at a run of which all nodes wait for a ramdisk that never answers; then interrupt it."""
    fleet = ground.make_direct()
    fleet.script(ramdisk={"answers": False})
    with fleet.running("deploy.yml") as process:
        waiting, seconds, peak = _await_start(fleet, process)
        samples = _sample(process.pid)
        sampled = time.monotonic()
        if process.poll() is not None:
            raise RunFailedError("The run whose nodes were to wait has ended.")
    figures = json.loads((fleet.folder / "figures").read_text())
    return {
        "waiting": waiting,
        "start_seconds": round(seconds, 1),
        "stop_seconds": round(time.monotonic() - sampled, 1),
        "peak_mib": round(max(peak, samples["pss_mib"]), 1),
        "code": figures["code"],
        **samples,
    }


def _await_start(fleet: Fleet, process: subprocess.Popen[bytes]) -> tuple[int, float, float]:
    """Wait until as many machines as will be are switched on.

    :returns: how many, the seconds until the last one, and the most memory in MiB.
    """
    began = changed = time.monotonic()
    on, peak = 0, 0.0
    while on < len(fleet.names):
        now = time.monotonic()
        if (on and now - changed > STALL_SECONDS) or now - began > START_LIMIT or process.poll() is not None:
            break
        time.sleep(2)
        peak = max(peak, get_memory(get_descendants(process.pid)))
        before, on = on, fleet.count_switched_on()
        if on != before:
            changed = time.monotonic()
    time.sleep(10)  # the last one has only just been switched on
    return on, changed - began, peak


def _sample(pid: int) -> dict[str, float]:
    """Look once a second at all processes below one."""
    mib, processes = [], []
    first, began = get_cpu_seconds(get_descendants(pid)), time.monotonic()
    for dummy in range(SAMPLES):
        pids = get_descendants(pid)
        mib.append(get_memory(pids))
        processes.append(len(pids))
        time.sleep(1)
    cpu = get_cpu_seconds(get_descendants(pid)) - first
    return {
        "pss_mib": round(statistics.median(mib), 1),
        "processes": int(statistics.median(processes)),
        "cores": round(max(cpu, 0.0) / (time.monotonic() - began), 3),
    }


SCENARIOS: dict[str, t.Callable[[Ground], Run]] = {
    "noop": noop,
    "direct": direct,
    "redfish": redfish,
    "waits-rescue": waits_rescue,
    "waits-deploy": waits_deploy,
    "memory": memory,
    "nothing": nothing,
}
