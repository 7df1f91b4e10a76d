"""The site of a cell: how plays are started, stopped and killed there, and what has become of it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import yaml

from tests.chaos import sandbox
from tests.chaos.scenes import DISK_MIB, NODE, SCENES, STEP_FILE, Scene
from tests.site import MIB, ROOT, Run, Site, make_images, serve

FOLDER = Path("/tmp/baremetal-lifecycle-chaos")
PORT = 8000
"""Of the images, in a network of the cell's own."""

INJECT = ROOT / "tests" / "chaos" / "inject"
ANSIBLES_OWN = ("ansible-", "ansible_", "pymp-", ".ansible", "sem.")
"""What Ansible and multiprocessing leave in folders for temporary files when they are killed."""

LIMIT = 240.0
"""Seconds for one play."""


class MomentNotMetError(Exception):
    """The run has ended, or time has, before the moment of the cell."""


class Ground:
    """A site with one node or more. ``wrong`` collects what is not as it was stated.

    ``spared``: processes that are the site's, as a database server, with all below them; None where one is stopped.
    """

    def __init__(self, bases: Path) -> None:
        self.bases = bases
        self.wrong: list[str] = []
        self.plays: list[subprocess.Popen[str]] = []
        self.outputs: list[str] = []
        self.spared: list[t.Callable[[], int | None]] = []
        self.site = Site(FOLDER, f"http://127.0.0.1:{PORT}")
        self.site.variables["images"] = self.site.image_url
        self._closing = contextlib.ExitStack()
        os.environ["HOME"] = str(FOLDER / "home")

    def open(self, base: str) -> None:
        """Begin in a state."""
        images = self.bases / "images"
        shutil.copytree(self.bases / base, FOLDER, symlinks=True)
        self._closing.enter_context(serve(images, PORT))

    def make(self) -> None:
        """Make the state new, and the images where there are none."""
        if not (self.bases / "images" / "SHA256SUMS").exists():
            (self.bases / "images").mkdir(exist_ok=True)
            make_images(self.bases / "images")
        (FOLDER / "home").mkdir(parents=True)
        self.site.make_disk(mib=DISK_MIB)
        self.write_step("true")
        self._closing.enter_context(serve(self.bases / "images", PORT))

    def keep(self, base: str) -> None:
        """Keep the site as it is, as a state to begin in."""
        shutil.rmtree(FOLDER / "home")
        (FOLDER / "home").mkdir()
        temporary = self.bases / f".{base}.{os.getpid()}"
        shutil.copytree(FOLDER, temporary, symlinks=True)
        with contextlib.suppress(OSError):
            temporary.rename(self.bases / base)
        shutil.rmtree(temporary, ignore_errors=True)

    def write_step(self, script: str) -> None:
        """Make a step of the user's what the script does."""
        task = {"name": "Work", "ansible.builtin.shell": f"echo begun >> {FOLDER}/trace.step; {script}"}
        (FOLDER / STEP_FILE).write_text(yaml.safe_dump([task]))

    def prepare(self, scene: Scene) -> None:
        """Make the machine what a scene needs it to be."""
        if scene.machine:
            self.site.script(**scene.machine)

    # Plays

    def start(self, scene: str | Scene, *arguments: str, at: str | None = None, **options: t.Any) -> t.Any:
        """Start a scene's command; ``at``: stop everything at an act, "" to note the acts only.

        The first node is worked on, or the ``nodes`` that are given.
        """
        limit = () if "nodes" in options else NODE
        what = SCENES[scene] if isinstance(scene, str) else scene
        traced = {"PYTHONPATH": str(INJECT), "CHAOS_TRACE": f"{FOLDER}/trace", "CHAOS_DISKS": str(FOLDER)}
        with _environment({**traced, "CHAOS_AT": at} if at is not None else {}):
            options = {**what.variables, **options}
            play = self.site.start(what.playbook, *limit, *arguments, **options)
        self.plays.append(play)
        return play

    def end(self, play: t.Any, *, limit: float = LIMIT) -> Run:
        """Let a play end."""
        output, dummy = play.communicate(timeout=limit)
        self.outputs.append(output)
        return Run(play.returncode, output)

    def play(self, scene: str | Scene, *arguments: str, **options: t.Any) -> Run:
        """Play a scene's command to its end."""
        return self.end(self.start(scene, *arguments, **options))

    def await_act(self, play: t.Any) -> int:
        """Wait until everything stands still at the act; return the pid of the process that would do it."""
        hit = FOLDER / "trace.hit"
        self.await_true(lambda: hit.exists() and bool(hit.read_text()), play, pause=0.003)
        pid = int(hit.read_text())
        self.await_true(lambda: sandbox.standing(pid), play, pause=0.003)
        return sandbox.standing(pid)[0]

    def await_true(
        self, condition: t.Callable[[], bool], play: t.Any, *, pause: float = 0.05, seconds: float = 120
    ) -> None:
        """Wait until something is so.

        :raises MomentNotMetError: the play has ended before.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if play.poll() is not None:
                self.end(play)
                raise MomentNotMetError(f"the run ended with {play.returncode} before its moment")
            if time.monotonic() > deadline:
                raise MomentNotMetError(f"the moment did not come in {seconds:g} s")
            time.sleep(pause)

    def processes(self) -> list[int]:
        """Return what lives of the plays and all that they have started."""
        servers = [pid for one in self.spared if (pid := one()) is not None]
        spared = {*servers, *(pid for server in servers for pid in sandbox.descendants(server))}
        return [pid for pid in sandbox.descendants(os.getpid()) if pid not in spared]

    def kill(self, play: t.Any, whom: str, stopped: int | None = None) -> Run:
        """Kill a play: all of it at once, its first process alone, or that one's process group."""
        if whom == "all":
            sandbox.kill_all(self.processes)
        else:
            (os.killpg if whom == "group" else os.kill)(play.pid, signal.SIGKILL)
        return self.leave(play, stopped)

    def leave(self, play: t.Any, stopped: int | None = None) -> Run:
        """Let what stands still go on, and wait for a play alone: what outlives it may hold its output open."""
        if stopped is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stopped, signal.SIGCONT)
        number, reader = self.listen(play)
        play.wait(timeout=LIMIT)
        reader.join(timeout=0.5)
        return Run(play.returncode, self.outputs[number])

    def listen(self, play: t.Any) -> tuple[int, threading.Thread]:
        """Read a play's output as it comes; return its place among the outputs, and who reads."""
        number = len(self.outputs)
        self.outputs.append("")
        reader = threading.Thread(target=self._read, args=(play.stdout, number), daemon=True)
        reader.start()
        return number, reader

    def _read(self, stream: t.Any, number: int) -> None:
        with contextlib.suppress(ValueError):
            for line in stream:
                self.outputs[number] += line

    # What has become of it

    def expect(self, is_so: object, text: str) -> None:
        """Note what is not so."""
        if not is_so:
            self.wrong.append(text)

    def acts(self) -> list[str]:
        """Return the acts that were noted."""
        return (FOLDER / "trace").read_text().splitlines()

    def digest(self, node: str = "node01") -> str:
        """Return what stands for the content of a node's disk."""
        disk = self.site.disk(node)
        return hashlib.sha256(disk.read_bytes()).hexdigest() if disk.exists() else "none"

    def files(self) -> list[str]:
        """Return what is kept on the controller beside the store."""
        found = (path.relative_to(FOLDER / "state") for path in (FOLDER / "state").rglob("*") if path.is_file())
        return sorted(str(path) for path in found if not str(path).startswith("store.db"))

    def events(self, node: str = "node01") -> list[str]:
        """Return a node's history in short."""
        return [f"{entry.event} {entry.message or ''}".strip() for entry in self.site.history(node)]

    def glance(self, node: str = "node01") -> str:
        """Return the node's state as it is in the store's file, which may be half made: nothing waits or is mended."""
        path = FOLDER / "state" / "store.db"
        if not path.exists():
            return "none"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)) as store:
            try:
                row = store.execute("SELECT provision_state FROM nodes WHERE name = ?", (node,)).fetchone()
            except sqlite3.OperationalError:  # no table yet, or a lock
                row = None
        return str(row[0]) if row else "none"

    def steps_done(self, node: str = "node01") -> list[str]:
        """Return the steps that the history has as done, in order."""
        return [text.split()[1] for text in self.events(node) if text.startswith("step ") and text.endswith(" done")]

    def power_ons(self, node: str = "node01") -> int:
        """Return how often a machine was switched on."""
        return int(self.site.machine(node)["calls"].count("set_power_state power on"))

    def await_silence(self, *, seconds: float = 15) -> list[int]:
        """Wait until nothing lives of the plays; return what lives on. Ansible's own supervisors take some seconds."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def check_hygiene(self) -> None:
        """Expect that nothing lives on, and that nothing of ours lies in folders for temporary files."""
        left = self.await_silence()
        told = [Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80] for pid in left]
        self.expect(not left, f"{len(left)} processes live on: {'; '.join(told)}")
        zombies = sandbox.zombies(os.getpid())
        self.expect(not zombies, f"{len(zombies)} zombies")
        found = [Path(path) for path in sandbox.found_in_temporary(FOLDER)]
        ours = [str(path) for path in found if not path.name.startswith(ANSIBLES_OWN)]
        self.expect(not ours, f"left in folders for temporary files: {ours}")
        owners = {"pid=1" if "--pid" in play.args else f"pid={play.pid}" for play in self.plays}
        strange = {entry.owner for entry in self.site.history() if entry.owner and not owners & {*entry.owner.split()}}
        known = self.known_owners()
        self.expect(not strange - known, f"the history has owners that are no run: {sorted(strange - known)}")

    def known_owners(self) -> set[str]:
        """Return the owners of what was there before the cell."""
        path = FOLDER / "owners"
        return set(path.read_text().splitlines()) if path.exists() else set()

    def close(self) -> None:
        """End what was started."""
        sandbox.kill_all(lambda: sandbox.descendants(os.getpid()))
        self._closing.close()


@contextlib.contextmanager
def _environment(more: t.Mapping[str, str]) -> t.Iterator[None]:
    """Have variables in the environment for a moment."""
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


__all__ = ["FOLDER", "MIB", "Ground", "MomentNotMetError"]
