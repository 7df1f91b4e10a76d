"""Fake nodes in a folder of their own, and measured runs of a checkout's playbooks with them."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import yaml

from tests.bench.process_tree import get_busy_seconds

BIN = Path(sys.executable).parent
PARENT = Path(__file__).with_name("parent.py")
LOCKS = Path("/run/baremetal-lifecycle")
"""Where a write of an image leaves its lock file, named by the disk's path."""

Variables = dict[str, t.Any]

_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+) .*unreachable=(\d+)\s+failed=(\d+)\s+skipped=(\d+)", re.MULTILINE)


class RunFailedError(Exception):
    """A run that did not do what is to be measured."""


@dataclasses.dataclass(frozen=True)
class Checkout:
    """A checkout of the collection. ``label``: its column; ``commit``: as git tells it."""

    label: str
    path: Path
    commit: str

    @classmethod
    def at(cls, label: str, path: Path) -> Checkout:
        """Look at a checkout."""
        command = ["git", "-C", str(path), "describe", "--always", "--exclude=*", "--dirty=+"]
        return cls(label, path, subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())

    def link(self, folder: Path) -> Path:
        """Make a collections path for it below a folder."""
        link = folder / "ansible_collections" / "baremetal" / "lifecycle"
        link.parent.mkdir(parents=True)
        link.symlink_to(self.path)
        return folder

    def can_wait(self) -> bool:
        """Return whether its fake machines know a ramdisk that takes some time."""
        return "after_seconds" in (self.path / "plugins/module_utils/_drivers/fake.py").read_text()


class Fleet:
    """Nodes node0001 and so on; keyword arguments of ``variables`` are host variables, ``bmcs`` is bm_bmc of each."""

    def __init__(
        self, folder: Path, checkout: Checkout, nodes: int, bmcs: t.Sequence[Variables] = (), **variables: t.Any
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.checkout = checkout
        self.names = [f"node{number:04}" for number in range(1, nodes + 1)]
        self._log = folder / "output"
        given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "bm_bmc": {"address": f"fake://{folder}/{{{{ inventory_hostname }}}}.json"},
            "bm_state_dir": str(folder / "state"),
            "bm_devices": [str(folder / "{{ inventory_hostname }}.disk")],
            **variables,
        }
        hosts: dict[str, Variables] = {name: {} for name in self.names}
        for name, bmc in zip(self.names, bmcs, strict=False):
            hosts[name]["bm_bmc"] = bmc
        inventory = {"all": {"children": {"baremetal": {"vars": given, "hosts": hosts}}}}
        (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(checkout.link(folder / "collections")),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "home" / "tmp"),
            "ANSIBLE_ASYNC_DIR": str(folder / "home" / "async"),
            "ANSIBLE_NOCOLOR": "1",
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }

    def script(self, **machine: t.Any) -> None:
        """Make each node's machine what is given."""
        for name in self.names:
            (self.folder / f"{name}.json").write_text(json.dumps(machine))

    def make_disks(self, mib: int) -> None:
        """Give each node an empty disk of so many MiB."""
        for name in self.names:
            with (self.folder / f"{name}.disk").open("wb") as file:
                file.truncate(mib * 1024 * 1024)

    def count_switched_on(self) -> int:
        """Return how many machines are switched on."""
        found = 0
        for name in self.names:
            with contextlib.suppress(FileNotFoundError):
                found += '"power on"' in (self.folder / f"{name}.json").read_text()
        return found

    @contextlib.contextmanager
    def running(self, playbook: str, *arguments: str) -> t.Iterator[subprocess.Popen[bytes]]:
        """Start a playbook, give the parent of all of it, and see it ended however this is left."""
        play = [str(BIN / "ansible-playbook"), "-i", str(self.folder / "inventory.yml")]
        play += [str(self.checkout.path / "playbooks" / playbook), *arguments]
        # By this Python: in a copied environment the first line of ansible-playbook names another one.
        command = [sys.executable, str(PARENT), str(self.folder / "figures"), sys.executable, *play]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            stop(process)

    def play(self, playbook: str, *arguments: str, nodes: int | None = None) -> dict[str, t.Any]:
        """Run a playbook to its end and return what it cost; ``nodes``: for how many, all by default.

        :raises RunFailedError: it did not succeed for all of them.
        """
        busy, own, load = get_busy_seconds(), time.process_time(), os.getloadavg()[0]
        with self.running(playbook, *arguments) as process:
            process.wait()
        figures = json.loads((self.folder / "figures").read_text())
        hosts = _RECAP.findall(self._log.read_text())
        good = [host for host in hosts if host[2] == host[3] == "0"]
        if figures["code"] != 0 or len(good) != (len(self.names) if nodes is None else nodes):
            raise RunFailedError(f"{playbook} of {self.checkout.label}:\n{self._log.read_text()[-3000:]}")
        cpu = figures["user"] + figures["system"]
        others = get_busy_seconds() - busy - (time.process_time() - own) - cpu
        return {
            "wall": round(figures["wall"], 3),
            "cpu": round(cpu, 3),
            "system": round(figures["system"], 3),
            "tasks": max(int(host[1]) + int(host[4]) for host in hosts),
            "others": round(max(others, 0.0) / figures["wall"] / (os.cpu_count() or 1), 4),
            "load": [round(load, 2), round(os.getloadavg()[0], 2)],
        }

    def remove_locks(self) -> None:
        """Remove the lock files of this fleet's disks, which lie outside of its folder."""
        mark = str(self.folder.resolve()).strip("/").replace("/", "-")
        if LOCKS.is_dir():
            for path in LOCKS.glob(f"*{mark}*"):
                path.unlink(missing_ok=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a run, if it has not ended, and wait for that; another Ctrl-C meanwhile changes nothing."""
    if process.poll() is None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.send_signal(signal.SIGINT)
        process.wait()
        signal.signal(signal.SIGINT, before)
