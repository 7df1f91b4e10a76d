"""A job on a node that breaks off, dies or takes too long: the actions are real, and so is the shell they look with."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import types
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display

from ansible_collections.baremetal.lifecycle.plugins.action import bm_erase_devices, bm_write_image
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import NodeLockedError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write import progress as write_progress
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils import _job

RUNNING = {"started": 1, "finished": 0, "ansible_job_id": "j1.2"}
EVIDENCE = {"device": "/dev/sda", "result": "erased", "attempts": [{"method": "overwrite"}]}
NO_PROCESS = 2**22 + 1
BREAKS = "the connection breaks"
LEAVES = "the job is gone"


def erasing(*, pid: int = 0, percent: int | None = 40) -> dict[str, t.Any]:
    working = {"/dev/sdb": {"method": "ata_secure_erase" if percent is None else "overwrite", "percent": percent}}
    return {"disks": 2, "working": working, "evidence": [EVIDENCE], "pid": pid or os.getpid()}


def writing(done: int) -> dict[str, t.Any]:
    return {"phase": "write", "bytes_done": done << 20, "bytes_total": 200 << 20, "rate": 5 << 20, "pid": os.getpid()}


class Node:
    """What the actions see of a node; each look at it finds the next entry of the script.

    An entry is a progress file, a result with ``finished``, BREAKS or LEAVES; the last one stays.
    """

    def __init__(self, folder: Path, script: list[t.Any]) -> None:
        self.results = folder / "async" / "j1.2"
        self.progress = folder / "progress.json"
        self.script = script
        self.starts: list[t.Any] = []
        self.killed: list[str] = []
        self.args: dict[str, t.Any] = {}
        self.now = 1000.0

    def execute_module(
        self, name: str = "", module_args: t.Any = None, wrap_async: bool = False, **_more: t.Any
    ) -> t.Any:
        if wrap_async:
            return self._start()
        if name != "ansible.legacy.async_status":
            return {"changed": True, "plan": []}
        return json.loads(self.results.read_text()) if module_args["mode"] == "status" else {}

    def _start(self) -> dict[str, t.Any]:
        self.starts.append(self.script[0])
        if self.script[0] == BREAKS:
            self.script.pop(0)
            raise AnsibleConnectionFailure("broken pipe")
        self.results.parent.mkdir()
        self.results.write_text(json.dumps(RUNNING))
        os.utime(self.results, (0, 0))
        return {"ansible_job_id": "j1.2", "results_file": str(self.results)}

    def execute_command(self, command: str) -> dict[str, str]:
        if command.startswith("kill"):
            self.killed.append(command)
            return {"stdout": ""}
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if entry == BREAKS:
            raise AnsibleConnectionFailure("broken pipe")
        if entry == LEAVES:
            self.results.unlink(missing_ok=True)
        elif "finished" in entry:
            self.results.write_text(json.dumps(entry))
        else:
            self.progress.write_text(json.dumps(entry))
        return {"stdout": subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout}

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Play:
    """Runs one action against a node; the clock only moves while the action sleeps."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = monkeypatch
        self.lines: list[str] = []
        self.renewals: list[dict[str, t.Any]] = []
        self.renewal_error: Exception | None = None

    def run(self, plugin: t.Any, script: list[t.Any], *, check_mode: bool = False, **args: t.Any) -> tuple[t.Any, Node]:
        node = Node(self._folder, script)
        task = types.SimpleNamespace(args=args, check_mode=check_mode, async_val=0, action="it", diff=False)
        connection = types.SimpleNamespace(reset=lambda: None, _shell=types.SimpleNamespace(tmpdir=None))
        node.args = task.args
        action = plugin.ActionModule(task, connection, types.SimpleNamespace(), None, None, None)
        self._patch.setattr(action, "_execute_module", node.execute_module)
        self._patch.setattr(action, "_low_level_execute_command", node.execute_command)
        self._patch.setattr(write_progress, "get_shell_paths", lambda name: [str(node.progress)])
        self._patch.setattr(_job, "renew_reservation", self._renew)
        self._patch.setattr("time.sleep", node.sleep)
        self._patch.setattr("time.monotonic", lambda: node.now)
        self._patch.setattr(Display, "display", lambda _self, text, **_more: self.lines.append(text))
        return action.run(task_vars={"inventory_hostname": "node01"}), node

    def _renew(self, reservation: dict[str, t.Any], owner: str) -> None:
        assert owner
        self.renewals.append(reservation)
        if self.renewal_error:
            raise self.renewal_error


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    return Play(tmp_path, monkeypatch)


DONE = {"finished": 1, "changed": True, "evidence": [EVIDENCE]}


@pytest.mark.parametrize(
    ("plugin", "script", "lines"),
    [
        (
            bm_erase_devices,
            [erasing(), erasing(percent=41), erasing(percent=None), DONE],
            [
                "node01: erase_devices 1 of 2 disks done: /dev/sdb overwrite 40 %",
                "node01: erase_devices 1 of 2 disks done: /dev/sdb ata_secure_erase",
            ],
        ),
        (
            bm_write_image,
            [writing(10), writing(12), writing(50), DONE],
            [
                "node01: write_image 5 %, 10 of 200 MiB, 5 MiB/s (write)",
                "node01: write_image 25 %, 50 of 200 MiB, 5 MiB/s (write)",
            ],
        ),
    ],
)
def test_news_is_shown_and_the_result_is_the_modules(
    play: Play, plugin: t.Any, script: list[t.Any], lines: t.Any
) -> None:
    result, node = play.run(plugin, script, device="/dev/sda")
    assert (result["changed"], result["evidence"]) == (True, [EVIDENCE])
    assert "finished" not in result
    assert play.lines == lines
    assert (len(node.starts), node.killed) == (1, [])


@pytest.mark.parametrize(
    ("script", "starts"),
    [
        ([erasing(), BREAKS, BREAKS, BREAKS, DONE], 1),
        ([erasing(), *[BREAKS] * 250, DONE], 1),
        ([BREAKS, erasing(), DONE], 2),
    ],
    ids=["while it runs", "for twelve minutes", "at the start"],
)
def test_a_broken_connection_does_not_lose_the_erase(play: Play, script: list[t.Any], starts: int) -> None:
    result, node = play.run(bm_erase_devices, script, level="full")
    assert (result.get("failed"), result["evidence"]) == (None, [EVIDENCE])
    assert (len(node.starts), node.killed) == (starts, [])


def test_the_reservation_is_renewed_also_while_the_node_is_silent(play: Play) -> None:
    reservation = {"name": "node01", "state_dir": "/x", "reservation_timeout": 900}
    script = [*[erasing()] * 100, *[BREAKS] * 100, DONE]
    result, dummy = play.run(bm_erase_devices, script, level="full", reservation=reservation)
    assert result.get("failed") is None
    assert play.renewals == [reservation] * 9  # about ten minutes


FAILED = {"finished": 1, "failed": True, "changed": True, "msg": "1 of 2 disks were not erased", "evidence": [1, 2]}
UNANSWERED = {"finished": 1, "failed": True, "msg": "No start of json char found", "stderr": "Killed"}


@pytest.mark.parametrize(
    ("script", "args", "says", "evidence", "killed"),
    [
        ([erasing(), FAILED], {}, "1 of 2 disks were not erased", [1, 2], False),
        (
            [erasing(), UNANSWERED],
            {},
            "died on node01 without an answer (Killed); last seen: 1 of 2",
            [EVIDENCE],
            False,
        ),
        ([erasing(), LEAVES], {}, "ended without a result; last seen: 1 of 2 disks done", [EVIDENCE], True),
        ([erasing(pid=NO_PROCESS)], {}, "ended without a result", [EVIDENCE], True),
        ([erasing()], {"time_limit": 60}, "was not done within 60 s; last seen: 1 of 2", [EVIDENCE], True),
        ([erasing(), BREAKS], {}, "did not answer for 900 s", [EVIDENCE], True),
        ([LEAVES], {}, "ended without a result; last seen: nothing", [], False),
    ],
)
def test_a_failure_brings_the_evidence_that_there_is(
    play: Play, script: list[t.Any], args: t.Any, says: str, evidence: t.Any, killed: bool
) -> None:
    result, node = play.run(bm_erase_devices, script, level="full", **args)
    assert result["failed"] is True
    assert says in result["msg"]
    assert result["evidence"] == evidence
    assert bool(node.killed) is killed


def test_an_erase_whose_node_was_lost_to_another_run_is_left_to_that(play: Play) -> None:
    play.renewal_error = NodeLockedError("lost", node="node01", hint="Run again.")
    result, node = play.run(bm_erase_devices, [erasing()], level="full", reservation={"name": "node01"})
    assert result["error"]["type"] == "NodeLockedError"
    assert node.killed == []


@pytest.mark.parametrize("limit", ["soon", 0])
def test_a_wrong_time_limit_is_refused_before_the_start(play: Play, limit: t.Any) -> None:
    result, node = play.run(bm_erase_devices, [DONE], time_limit=limit)
    assert result["error"]["type"] == "InvalidRequestError"
    assert node.starts == []


def test_check_mode_makes_no_job(play: Play) -> None:
    result, node = play.run(bm_erase_devices, [DONE], check_mode=True, reservation={"name": "node01"})
    assert result["plan"] == []
    assert node.starts == []


@pytest.mark.parametrize(
    ("other", "same"),
    [({"time_limit": 5}, True), ({"reservation": {"name": "node01"}}, True), ({"level": "metadata"}, False)],
)
def test_the_same_erase_has_the_same_name_in_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, t.Any], same: bool
) -> None:
    names = []
    for number, args in enumerate(({"level": "full"}, {"level": "full", **other})):
        folder = tmp_path / str(number)
        folder.mkdir()
        dummy, node = Play(folder, monkeypatch).run(bm_erase_devices, [DONE], **args)
        names.append(node.args["job"])
    assert (names[0] == names[1]) is same
