"""Nodes that wait for something, and what comes of it: for whom bm_wait says what, and what bm_deploy makes of that."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import deploy, prepare, state, wait
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store
from ansible_collections.baremetal.lifecycle.plugins.module_utils._watch import targets, watcher
from tests.conftest import FakeNode

ME = str(owners.current_owner(os.getpid()))
ANOTHER = str(owners.current_owner(os.getppid()))
NEVER = {"ramdisk": {"answers": False}}
SOON = {"ramdisk": {"after_seconds": 0.3}}


class Batch:
    """Fake nodes with one store, and the operations as the role calls them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(f"sqlite:///{folder}/state/store.db")

    def node(self, name: str) -> FakeNode:
        return FakeNode(self.folder, name)

    def call(self, operation: t.Any, name: str, **options: t.Any) -> dict[str, t.Any]:
        params = self.node(name).params(operation.ARGUMENT_SPEC, **options)
        return runner.execute(operation.run, params, owner=ME)

    def begin(self, name: str, machine: dict[str, t.Any], verb: str = "inspect", **options: t.Any) -> dict[str, t.Any]:
        """Take a node to where it waits for its ramdisk."""
        self.node(name).script(**machine)
        for each in ("enroll", verb):
            more = options if each == verb else {}
            assert not self.call(prepare, name, verb=each, **more).get("failed")
            done = self.call(deploy, name, verb=each, **more)
        assert done["wait"], done
        return done

    def go_on(self, name: str, verb: str = "inspect", **options: t.Any) -> dict[str, t.Any]:
        return self.call(deploy, name, verb=verb, **options)

    def wait(self, *names: str, **options: t.Any) -> dict[str, t.Any]:
        defaults = {key: option.get("default") for key, option in wait.ARGUMENT_SPEC.items()}
        params = {**defaults, "state_dir": str(self.folder / "state"), "names": list(names), **options}
        done = runner.execute_on_store(wait.run, params, owner=ME, report=self.lines.append)
        assert not done.get("failed"), done
        return t.cast("dict[str, t.Any]", done["nodes"])

    def put(self, name: str, **fields: t.Any) -> None:
        """Give a node's record these fields; nobody holds it then."""
        record = dataclasses.replace(self.store.ensure_node(name, "fake"), **fields)
        self.store.reserve(name, ME, "test", 60)
        self.store.save(record, ME, release=True)

    @property
    def lines(self) -> list[str]:
        self._lines = getattr(self, "_lines", [])
        return self._lines

    def state(self, name: str) -> str:
        record = self.store.get(name)
        return record.provision_state if record else "unknown"


@pytest.fixture
def batch(tmp_path: Path) -> t.Iterator[Batch]:
    opened = Batch(tmp_path)
    with contextlib.closing(opened.store):
        yield opened


def later(act: t.Callable[[], object]) -> threading.Timer:
    """Do something while somebody waits."""
    timer = threading.Timer(0.5, act)
    timer.start()
    return timer


def test_who_is_ready_goes_on_and_who_is_not_delays_nobody(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "MIN_PATIENCE", 5.0)  # more than two looks
    for name, machine in (("node01", SOON), ("node02", NEVER), ("node03", SOON)):
        batch.begin(name, machine)
    seen = batch.wait("node01", "node02", "node03", "node04")
    assert {name: told["ready"] for name, told in seen.items()} == {
        "node01": True, "node02": False, "node03": True, "node04": True,
    }  # fmt: skip
    assert seen["node04"]["seen"] == "it waits for nothing"
    assert batch.go_on("node01", waited=seen["node01"])["next_step"]["name"] == "inspect"
    waits = batch.go_on("node02", waited=seen["node02"])
    assert (waits["provision_state"], waits["wait"]["for"]) == ("inspect wait", "ramdisk")
    probes = batch.node("node02").machine["probes"]
    batch.go_on("node02", waited=seen["node02"])
    assert batch.node("node02").machine["probes"] == probes, "what is not ready is not looked at again"


def test_who_never_answers_fails_alone_at_its_own_limit(batch: Batch) -> None:
    batch.begin("node01", NEVER, ramdisk={"timeout": 1})
    batch.begin("node02", {"ramdisk": {"after_seconds": 2}})
    seen = batch.wait("node01", "node02")
    assert (seen["node01"]["ready"], seen["node01"]["done"]) == (True, False)
    failed = batch.go_on("node01", waited=seen["node01"], ramdisk={"timeout": 1})
    assert failed["error"]["type"] == "CallBackTimeoutError"
    assert "did not answer within 1 s; last seen: no answer from the fake ramdisk; power: power on" in failed["msg"]
    assert (batch.state("node01"), batch.state("node02")) == ("inspect failed", "inspect wait")
    assert batch.node("node01").machine["power_state"] == "power off"
    assert batch.wait("node02")["node02"]["done"]


@pytest.mark.parametrize(
    ("kept", "said", "told"),
    [
        (
            "keep",
            "GRUB\r\n\x1b[1mKernel panic\x1b[0m - not syncing\r\n",
            "Its console said:\n  GRUB\n  Kernel panic - not",
        ),
        ("keep", "", "Its console said nothing."),
        ("none", "Kernel panic", None),
    ],
)
def test_what_it_said_last_is_in_the_error_and_in_the_history(
    batch: Batch, kept: str, said: str, told: str | None
) -> None:
    batch.begin("node01", {**NEVER, "console": said}, ramdisk={"timeout": 1}, console=kept)
    seen = batch.wait("node01")["node01"]
    failed = batch.go_on("node01", waited=seen, ramdisk={"timeout": 1}, console=kept)
    noted = [entry.message or "" for entry in batch.store.history("node01")]
    for words in (failed["msg"], next(message for message in noted if "did not answer" in message)):
        assert (told in words) if told else ("onsole said" not in words)


@pytest.mark.parametrize(
    ("act", "seen", "error", "left"),
    [
        (lambda batch: batch.store.request("node01", "abort", "ops@desk"), "abort was requested by ops@desk",
         "AbortedError", ("inspect failed", None)),
        (lambda batch: batch.call(state, "node01", maintenance=True, reason="PSU", owner=ANOTHER), "maintenance: PSU",
         "NodeInMaintenanceError", ("inspect wait", None)),
        (lambda batch: batch.store.take("node01", ANOTHER, "clean", 60, instead_of=ME, only_expired=False),
         "this run holds the node no longer", "NodeLockedError", ("inspect wait", ANOTHER)),
    ],
    ids=["abort", "maintenance", "lost"],
)  # fmt: skip
def test_a_node_that_is_wanted_back_is_let_go(
    batch: Batch, act: t.Any, seen: str, error: str, left: tuple[str, str | None]
) -> None:
    batch.begin("node01", NEVER)
    timer = later(lambda: act(batch))
    told = batch.wait("node01")["node01"]
    timer.join()
    assert (told["ready"], told["done"], told["seen"]) == (True, False, seen)
    assert batch.go_on("node01", waited=told)["error"]["type"] == error
    record = batch.store.get("node01")
    assert record
    assert (record.provision_state, record.reservation) == left


def test_what_maintenance_has_stopped_goes_on_when_it_is_cleared(batch: Batch) -> None:
    batch.begin("node01", NEVER)
    batch.call(state, "node01", maintenance=True, owner=ANOTHER)
    assert batch.go_on("node01", waited=batch.wait("node01")["node01"])["failed"]
    batch.call(state, "node01", maintenance=False)
    batch.node("node01").script(**{**batch.node("node01").machine, "ramdisk": {}})
    assert batch.call(prepare, "node01", verb="inspect")["needed"]
    assert batch.go_on("node01")["wait"]
    assert batch.go_on("node01", waited=batch.wait("node01")["node01"])["next_step"]["name"] == "inspect"


def test_a_held_node_stops_waiting(batch: Batch) -> None:
    steps: dict[str, t.Any] = {"steps": [{"step": "erase_devices_metadata"}]}
    batch.begin("node01", NEVER, "clean", **steps)
    timer = later(lambda: batch.store.request("node01", "hold", "ops@desk"))
    told = batch.wait("node01")["node01"]
    timer.join()
    assert batch.go_on("node01", "clean", waited=told, **steps)["held"]
    assert batch.state("node01") == "clean hold"


def test_a_pause_is_waited_for_too(batch: Batch) -> None:
    options: dict[str, t.Any] = {"deploy_steps": [{"step": "wait", "args": {"seconds": 1}, "priority": 200}]}
    batch.node("node01").script()
    assert batch.call(prepare, "node01", verb="deploy", **options)["needed"]
    waits = batch.go_on("node01", "deploy", **options)
    assert (waits["provision_state"], waits["wait"]["for"]) == ("wait call-back", "pause")
    told = batch.wait("node01")["node01"]
    assert told["done"]
    assert batch.go_on("node01", "deploy", waited=told, **options)["provision_state"] == "active"
    assert {"wait call-back"} < {entry.to_state for entry in batch.store.history("node01")}


def test_reservations_are_kept_and_one_line_tells_of_all(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "REPORT_SECONDS", 0.3)
    for name in ("node01", "node02"):
        batch.begin(name, {"ramdisk": {"after_seconds": 1.5}}, reservation_timeout=1)
    batch.wait("node01", "node02", reservation_timeout=600)
    for name in ("node01", "node02"):
        record = batch.store.get(name)
        assert record
        assert (record.reservation_expires or 0) > time.time() + 500
    # Of a machine that is busy with other things the first ramdisk may be up before the second is waited for.
    assert re.search(r"[01] of 2 nodes are ready; node0[12] waits for ramdisk for", batch.lines[0])
    assert "last seen: no answer from the fake ramdisk" in batch.lines[0]


JOB = """
import json, os, sys, time
results, progress, end = sys.argv[1:]
state = {"phase": "write", "bytes_done": 50 << 20, "bytes_total": 100 << 20, "rate": 1 << 20, "pid": os.getpid()}
open(progress, "w").write(json.dumps(state))
time.sleep(float(json.loads(end).pop("seconds", 1)))
if json.loads(end)["answer"]:
    open(results, "w").write(json.dumps(json.loads(end)["answer"]))
"""


@pytest.mark.parametrize(
    ("end", "limit", "request_abort", "says"),
    [
        ({"answer": {"finished": 1, "changed": True, "bytes": 7}}, 60, False, None),
        ({"answer": {"finished": 1, "failed": True, "msg": "wrong digest"}}, 60, False, "wrong digest"),
        ({"answer": None}, 60, False, "ended without a result; last seen: 50 %, 50 of 100 MiB"),
        ({"answer": None, "seconds": 600}, 1, False, "was not done within 1 s; last seen: 50 %"),
        ({"answer": None, "seconds": 600}, 60, True, "Aborted on request of ops@desk"),
    ],
    ids=["done", "failed", "died", "late", "aborted"],
)
def test_a_job_is_followed_to_its_end(
    batch: Batch, end: dict[str, t.Any], limit: int, request_abort: bool, says: str | None, monkeypatch: t.Any
) -> None:
    monkeypatch.setattr(targets.RunningJob, "interval", 0.2)
    steps: dict[str, t.Any] = {"steps": [{"step": "erase_devices_metadata"}]}
    batch.begin("node01", {}, "clean", **steps)
    step = batch.go_on("node01", "clean", **steps)["next_step"]
    results, progress = batch.folder / "results", batch.folder / "progress"
    results.write_text(json.dumps({"started": 1, "finished": 0}))
    os.utime(results, (0, 0))
    with subprocess.Popen([sys.executable, "-c", JOB, str(results), str(progress), json.dumps(end)]) as process:
        job = {"act": "write_image", "limit": limit, "results_file": str(results), "progress_paths": [str(progress)]}
        assert batch.go_on("node01", "clean", job=job, **steps)["provision_state"] == "clean wait"
        threading.Thread(target=process.wait, daemon=True).start()  # what has died is no zombie in the ramdisk either
        timer = later(lambda: batch.store.request("node01", "abort", "ops@desk")) if request_abort else None
        told = batch.wait("node01")["node01"]
        if timer:
            timer.join()
        assert told["ready"]
        done = batch.go_on("node01", "clean", waited=told, **steps)
    if not done.get("failed"):
        found = {"completed_step": step["step"], "step_result": done["step_result"]}
        done = batch.go_on("node01", "clean", **found, **steps)
    assert (says in done["msg"]) if says else done["next_step"]["name"] == "tear_down_agent"
    assert batch.state("node01") == ("clean failed" if says else "cleaning")
    assert process.returncode == (-9 if "seconds" in end else 0), "nothing goes on in the ramdisk that nobody waits for"


@pytest.mark.parametrize(("banner", "answers"), [(b"SSH-2.0-OpenSSH_9.2p1\r\n", True), (b"220 mail\r\n", False)])
def test_an_instance_answers_as_an_ssh_server(batch: Batch, banner: bytes, answers: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].sendall(banner)

        threading.Thread(target=serve, daemon=True).start()
        where = {"for": "instance", "since": time.time(), "limit": 2, "run": ME}
        where |= {"address": "127.0.0.1", "port": server.getsockname()[1]}
        batch.put("node01", provision_state="active", driver_internal_info={"instance": where})
        told = batch.wait("node01")["node01"]
        assert (told["ready"], told["done"]) == (True, answers)
        assert banner[:3].decode() in told["seen"]
        said = batch.call(deploy, "node01", verb="deploy", waited=told, instance_timeout=2)
        assert (said.get("failed", False), said["provision_state"]) == (not answers, "active")
        assert answers or "did not answer on SSH within 2 s; last seen: 127.0.0.1 port" in said["msg"]
        batch.put("node01", driver_internal_info={"instance": {**where, "run": ANOTHER}})
        assert batch.wait("node01")["node01"]["seen"] == "it waits for nothing"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("act", "lives"),
    [
        (lambda batch: batch.store.request("node01", "abort", "ops@desk"), False),
        (lambda batch: batch.store.take("node01", ANOTHER, "inspect", 60, instead_of=ME, only_expired=False), True),
        (lambda batch: batch.call(state, "node01", release=True, reason="moved", owner=ANOTHER), True),
    ],
    ids=["aborted", "taken", "released"],
)
def test_a_job_in_the_ramdisk_belongs_to_whoever_has_the_node(batch: Batch, act: t.Any, lives: bool) -> None:
    batch.begin("node01", SOON)
    begun = batch.go_on("node01", waited=batch.wait("node01")["node01"])
    assert begun["next_step"]["name"] == "inspect"
    results, progress = batch.folder / "results", batch.folder / "progress"
    results.write_text("")
    with subprocess.Popen(["sleep", "60"]) as job:
        time.sleep(0.01)
        progress.write_text(
            json.dumps({"pid": job.pid, "phase": "write", "bytes_done": 1, "bytes_total": 2, "rate": 1})
        )
        told = {"act": "write_image", "limit": 60, "results_file": str(results), "progress_paths": [str(progress)]}
        assert batch.go_on("node01", job=told)["wait"]["for"] == "job"
        timer = later(lambda: act(batch))
        assert batch.wait("node01")["node01"]["ready"]
        timer.join()
        if not lives:
            job.wait(timeout=10)
        assert (job.poll() is None) is lives
        job.kill()
