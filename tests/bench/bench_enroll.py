"""How long many nodes take: python tests/bench/bench_enroll.py [--nodes 300] [--forks 20].

Fake machines, so that what is measured is Ansible, the collection and the store (SQLite), and no BMC.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def write_inventory(folder: Path, nodes: int) -> Path:
    """Write an inventory of fake nodes."""
    variables = {
        "ansible_python_interpreter": sys.executable,
        "bm_bmc": {"address": f"fake://{folder}/{{{{ inventory_hostname }}}}.json"},
        "bm_state_dir": str(folder / "state"),
    }
    hosts: dict[str, dict[str, str]] = {f"node{number:04}": {} for number in range(1, nodes + 1)}
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump({"all": {"children": {"baremetal": {"vars": variables, "hosts": hosts}}}}))
    return path


def play(playbook: str, inventory: Path, forks: int) -> float:
    """Play a playbook for all nodes; return the seconds that it took."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), "--forks", str(forks)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    began = time.monotonic()
    subprocess.run(
        [*command, f"{ROOT}/playbooks/{playbook}.yml"], check=True, stdout=subprocess.DEVNULL, env=environment
    )
    return time.monotonic() - began


def main() -> None:
    """Enroll all nodes, and again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--forks", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="baremetal-lifecycle-bench-") as folder:
        inventory = write_inventory(Path(folder), options.nodes)
        for name, playbook in (("enroll", "enroll"), ("enroll again", "enroll"), ("status", "status")):
            seconds = play(playbook, inventory, options.forks)
            print(f"{name}: {options.nodes} nodes in {seconds:.1f} s, {1000 * seconds / options.nodes:.0f} ms a node")


if __name__ == "__main__":
    main()
