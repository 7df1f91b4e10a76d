"""A site without virtual machines: nodes are files, the ramdisk is this machine, images come over real HTTP."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import yaml

from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
MIB = 1024 * 1024


def _run(*command: t.Any) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def make_image(path: Path, *, mib: int = 40) -> Path:
    """Make a bootable-looking disk image: GPT, an EFI system partition with a loader, data and holes."""
    esp = path.with_suffix(".esp")
    with esp.open("wb") as file:
        file.truncate(34 * MIB)
    _run("mkfs.vfat", "-F", "32", esp)
    _run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    loader = path.with_suffix(".efi")
    loader.write_bytes(os.urandom(300_000))
    _run("mcopy", "-i", esp, loader, "::/EFI/BOOT/BOOTX64.EFI")
    with path.open("wb") as file:
        file.truncate(mib * MIB)
    _run("sgdisk", "-n", "1:2048:+34M", "-t", "1:ef00", path)
    with path.open("r+b") as file:
        file.seek(MIB)
        file.write(esp.read_bytes())
    esp.unlink()
    loader.unlink()
    return path


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files; ``/slow/`` in a path means 4 MiB a second, ``/cut/`` that the body ends half way."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/")
        mode, name = path.split("/", 1) if "/" in path else ("", path)
        file = Path(self.server.folder) / name  # type: ignore[attr-defined]
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        start = 0
        if "Range" in self.headers and mode != "cut":
            first, dummy, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else len(content), len(content))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
            content = content[start:end]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self._send(content[: len(content) // 2] if mode == "cut" else content, slow=mode == "slow" and start == 0)

    def _send(self, content: bytes, *, slow: bool) -> None:
        try:
            for offset in range(0, len(content), MIB):
                self.wfile.write(content[offset : offset + MIB])
                if slow:
                    time.sleep(0.25)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *dummy: object) -> None:
        """Be quiet."""


def make_images(folder: Path) -> None:
    """Fill a folder with images: disk.img, other.img, small.img's compressed and wrong relatives."""
    disk = make_image(folder / "disk.img")
    make_image(folder / "other.img")
    _run("zstd", "-q", "-k", disk)
    _run("qemu-img", "convert", "-O", "qcow2", disk, folder / "disk.qcow2")
    _run("qemu-img", "create", "-f", "qcow2", "-b", disk, "-F", "raw", folder / "backed.qcow2")
    names = ("disk.img", "other.img", "disk.img.zst", "disk.qcow2", "backed.qcow2")
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in names]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n")


@contextlib.contextmanager
def serve(folder: Path, port: int = 0) -> t.Iterator[str]:
    """Serve a folder over HTTP on loopback; give its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.folder = folder  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@dataclasses.dataclass
class Run:
    """One run of ansible-playbook."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks changed something, of all hosts."""
        recap = self.output.rpartition("PLAY RECAP")[2]
        return sum(int(part.removeprefix("changed=")) for part in recap.split() if part.startswith("changed="))

    @property
    def text(self) -> str:
        """The output with folded lines joined."""
        return " ".join(self.output.split())


class Site:
    """A folder with an inventory of fake nodes, their machines, disks and store."""

    def __init__(self, folder: Path, image_url: str) -> None:
        self.folder = folder
        self.image_url = image_url
        self.store_url = f"sqlite:///{folder}/state/store.db"
        self.variables: dict[str, t.Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "bm_bmc": {"address": f"fake://{folder}/{{{{ inventory_hostname }}}}.json"},
            "bm_state_dir": str(folder / "state"),
            "bm_devices": [str(folder / "{{ inventory_hostname }}.disk")],
            "bm_image": {"url": f"{image_url}/disk.img", "checksum": f"{image_url}/SHA256SUMS"},
        }

    def disk(self, node: str = "node01") -> Path:
        """The node's disk."""
        return self.folder / f"{node}.disk"

    def make_disk(self, node: str = "node01", *, mib: int = 40) -> bytes:
        """Give a node a disk with old content; return that."""
        content = os.urandom(MIB) * mib
        self.disk(node).write_bytes(content)
        return content

    def machine(self, node: str = "node01") -> dict[str, t.Any]:
        """The node's machine as it is now."""
        path = self.folder / f"{node}.json"
        return t.cast("dict[str, t.Any]", json.loads(path.read_text())) if path.exists() else {"calls": []}

    def script(self, node: str = "node01", **machine: t.Any) -> None:
        """Make the node's machine what is given."""
        (self.folder / f"{node}.json").write_text(json.dumps(machine))

    def start(
        self,
        playbook: str,
        *arguments: str,
        nodes: t.Collection[str] = ("node01",),
        prefix: t.Sequence[str] = (),
        **variables: t.Any,
    ) -> t.Any:
        """Start a playbook of the collection; keyword arguments are host variables, ``nodes`` may have their own.

        :param prefix: a command that runs it.
        """
        inventory = self.folder / "inventory.yml"
        hosts: dict[str, dict[str, t.Any]] = {node: nodes[node] if isinstance(nodes, dict) else {} for node in nodes}
        group = {"vars": {**self.variables, **variables}, "hosts": hosts}
        new = inventory.with_name(".inventory.new")  # plays side by side read it
        new.write_text(yaml.safe_dump({"all": {"children": {"baremetal": group}}}))
        new.replace(inventory)
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_NOCOLOR": "1",
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        play = [str(BIN / "ansible-playbook"), "-i", str(inventory), str(ROOT / "playbooks" / playbook), *arguments]
        return subprocess.Popen(
            [*prefix, *play],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def play(self, playbook: str, *arguments: str, answers: str = "", **options: t.Any) -> Run:
        """Run a playbook to its end; ``answers`` is what is typed meanwhile."""
        process = self.start(playbook, *arguments, **options)
        output, dummy = process.communicate(answers, timeout=300)
        return Run(process.returncode, output)

    def deploy(self, *arguments: str, **options: t.Any) -> Run:
        """Run playbooks/deploy.yml to its end."""
        return self.play("deploy.yml", *arguments, **options)

    def put(self, node: str, state: str, **flags: t.Any) -> None:
        """Bring the store into a state: the node with its flags, and nobody's."""
        (self.folder / "state").mkdir(exist_ok=True)
        store = Store(self.store_url)
        record = store.ensure_node(node, "fake")
        assert store.reserve(node, "me", "test", 60)
        record.provision_state = state
        for flag, value in flags.items():
            setattr(record, flag, value)
        store.save(record, "me")
        if record.maintenance:
            entry = HistoryEntry(node=node, event="maintenance")
            store.set_maintenance(node, True, record.maintenance_reason, entry)
        store.release(node, "me")
        store.close()

    @contextlib.contextmanager
    def store(self) -> t.Iterator[Store]:
        """The store, open."""
        with contextlib.closing(Store(self.store_url)) as store:
            yield store

    def record(self, node: str = "node01") -> t.Any:
        """The node's record in the store, None where it has never been seen."""
        if self.store_url.startswith("sqlite") and not Path(self.store_url.removeprefix("sqlite:///")).exists():
            return None
        with self.store() as store:
            return store.get(node)

    def evidence(self, node: str = "node01") -> list[dict[str, t.Any]]:
        """What is kept of the node's erased disks."""
        with self.store() as store:
            return store.evidence(node)

    def history(self, node: str = "node01") -> list[t.Any]:
        """The node's history."""
        with self.store() as store:
            return store.history(node)
