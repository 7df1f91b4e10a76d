"""What a person does with the lab: real machines under QEMU, behind real BMCs, deployed with the playbooks."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import dataclasses
import json
import os
import ssl
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

ROOT = Path(__file__).resolve().parents[1]
NODE = "node01"


@dataclasses.dataclass
class Run:
    """One command that has ended."""

    code: int
    output: str

    @property
    def text(self) -> str:
        """The output with folded lines joined."""
        return " ".join(self.output.split())


def address_of(node: str) -> str:
    """Return a machine's IPv4 address."""
    return f"198.18.77.{100 + int(node[-2:])}"


class Lab:
    """What a person does with the lab."""

    def make(self, *arguments: str) -> Run:
        """Run make, showing what it says."""
        process = subprocess.Popen(
            ["make", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        lines = []
        for line in process.stdout or ():
            sys.stderr.write(line)
            lines.append(line)
        return Run(process.wait(), "".join(lines))

    def start(self, *, limit: str = NODE, **variables: t.Any) -> t.Any:
        """Start playbooks/deploy.yml for nodes; keyword arguments are extra variables."""
        command = ["ansible-playbook", "playbooks/deploy.yml", "-i", "inventory/lab", "-l", limit]
        command += ["-e", json.dumps(variables)] if variables else []
        environment = {**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}
        environment.pop("ANSIBLE_COLLECTIONS_PATH", None)
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def deploy(self, *, seconds: float = 900, **variables: t.Any) -> Run:
        """Run playbooks/deploy.yml to its end; see start."""
        process = self.start(**variables)
        output, dummy = process.communicate(timeout=seconds)
        return Run(process.returncode, output)

    def playbook(self, name: str, *, limit: str = NODE, **variables: t.Any) -> Run:
        """Run another playbook to its end."""
        command = [f"{ROOT}/.venv/bin/ansible-playbook", f"playbooks/{name}.yml", "-i", "inventory/lab", "-l", limit]
        command += ["-e", json.dumps(variables)] if variables else []
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return Run(done.returncode, done.stdout)

    def ssh(self, command: str, *, node: str = NODE, seconds: float = 180, key: Path | None = None) -> str:
        """Log in to the machine and return what a command prints, waiting until it can be run."""
        options = ["-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"]
        options += [
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
            "-i",
            str(key or ROOT / ".lab" / "ssh" / "id_ed25519"),
        ]
        deadline = time.monotonic() + seconds
        while True:
            done = subprocess.run(
                ["ssh", *options, f"root@{address_of(node)}", command], capture_output=True, text=True, check=False
            )
            if done.returncode != 255 or time.monotonic() > deadline:
                assert done.returncode != 255, done.stderr
                return done.stdout.strip()
            time.sleep(2)

    def read_disk_head(self) -> bytes:
        """Return the first MiB of the machine's disk; the machine must be off."""
        target = ROOT / ".lab" / "head.raw"
        disk = ROOT / ".lab" / "disks" / f"{NODE}.qcow2"
        command = ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=1", f"if={disk}", f"of={target}"]
        subprocess.run(command, check=True, capture_output=True)
        head = target.read_bytes()
        target.unlink()
        return head

    def _store(self) -> Store:
        return Store(f"sqlite:///{ROOT}/.lab/store.sqlite")

    def record(self, node: str = NODE) -> t.Any:
        """A node's record."""
        store = self._store()
        try:
            return store.get(node)
        finally:
            store.close()

    def history(self, node: str = NODE) -> list[t.Any]:
        """A node's history."""
        store = self._store()
        try:
            return store.history(node)
        finally:
            store.close()

    def evidence(self, node: str = NODE) -> list[dict[str, t.Any]]:
        """What was kept as evidence of erased disks."""
        store = self._store()
        try:
            return [entry["content"] for entry in store.evidence(node)]
        finally:
            store.close()

    def redfish(self, path: str) -> dict[str, t.Any]:
        """Ask a BMC without the driver."""
        context = ssl.create_default_context(cafile=str(ROOT / ".lab" / "tls" / "ca.pem"))
        password = (ROOT / ".lab" / "bmc-password").read_text().strip()
        token = base64.b64encode(f"admin:{password}".encode()).decode()
        request = urllib.request.Request(
            f"https://198.18.77.2:8443/redfish/v1/{path}", headers={"Authorization": f"Basic {token}"}
        )
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return t.cast("dict[str, t.Any]", json.loads(answer.read()))

    def messages(self) -> list[str]:
        """What the history says since the last deployment began."""
        entries = self.history()
        begun = max(i for i, entry in enumerate(entries) if entry.event == "deployment")
        return [f"{entry.event}: {entry.message}" for entry in entries[begun:]]

    def ipmitool(self, node: str, *words: str) -> str:
        """Ask a machine's BMC with another program, which shares nothing with the driver."""
        host = f"198.18.77.{200 + int(node[-2:])}"
        password = str(ROOT / ".lab" / "bmc-password")
        command = ["ipmitool", "-I", "lanplus", "-C", "3", "-H", host, "-U", "admin", "-f", password, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def boot_in_firmware_order(self, node: str) -> None:
        """Start a machine behind IPMI anew, from what its firmware tries first; a reset would keep QEMU's order."""
        self.ssh("sync", node=node)  # its SSH host keys are a minute old, and lost with the power where not on the disk
        self.ipmitool(node, "chassis", "bootdev", "none")
        for state in ("off", "on"):
            self.ipmitool(node, "power", state)
            deadline = time.monotonic() + 30
            while (seen := self.ipmitool(node, "power", "status").strip()) != f"Chassis Power is {state}":
                assert time.monotonic() < deadline, seen
                time.sleep(1)

    def published(self) -> list[str]:
        """What deployments have left on the boot server: nothing, when none is running."""
        www = ROOT / ".lab" / "www"
        own = {"boot.ipxe", "disk.ipxe"}
        return sorted(str(path.relative_to(www)) for path in www.rglob("*") if path.is_file() and path.name not in own)
