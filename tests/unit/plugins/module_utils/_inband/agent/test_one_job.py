"""Two processes with the same job: the second waits, and what it gets."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError, StepError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent import one_job as _one_job
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.one_job import run_once

WORKER = """
import sys, pathlib, time
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.one_job import run_once
folder = pathlib.Path(sys.argv[1])
def work():
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    return {"changed": True, "by": "first", "failed": True}
run_once(f"{folder}/lock", f"{folder}/progress", work)
"""


@pytest.fixture
def first(tmp_path: Path, tools: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[subprocess.Popen[bytes]]:
    """A process that is at work until the file ``go`` is there."""
    monkeypatch.setattr(_one_job, "_POLL_SECONDS", 0.02)
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, tmp_path], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    tools.wait_for((tmp_path / "begun").exists, 30)
    yield process
    process.kill()
    process.wait()


def run_second(folder: Path) -> dict[str, t.Any]:
    return run_once(f"{folder}/lock", f"{folder}/progress", lambda: {"by": "second"})


def test_the_second_gets_the_result_of_the_first(first: subprocess.Popen[bytes], tmp_path: Path, tools: t.Any) -> None:
    progress = tmp_path / "progress"
    progress.touch()
    os.utime(progress, (0, 0))
    found: list[dict[str, t.Any]] = []
    waiting = threading.Thread(target=lambda: found.append(run_second(tmp_path)), daemon=True)
    waiting.start()
    tools.wait_for(lambda: progress.stat().st_mtime > 0)  # else a controller would not look at it
    assert found == []
    (tmp_path / "go").touch()
    waiting.join(10)
    assert found == [{"changed": True, "by": "first", "failed": True}]
    assert first.wait(10) == 0
    assert run_second(tmp_path) == {"by": "second"}, "a result is for who waited, not for a later run"


def test_the_second_does_not_begin_anew_where_the_first_is_killed(
    first: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    threading.Timer(0.2, first.kill).start()
    with pytest.raises(StepError, match="ended without a result") as caught:
        run_second(tmp_path)
    assert caught.value.retryable is True


def test_a_failed_job_leaves_no_old_result(tmp_path: Path) -> None:
    def refuse() -> dict[str, t.Any]:
        raise InvalidRequestError("no", hint="no")

    assert run_second(tmp_path) == {"by": "second"}
    with pytest.raises(InvalidRequestError):
        run_once(f"{tmp_path}/lock", f"{tmp_path}/progress", refuse)
    assert (tmp_path / "lock").read_bytes() == b""
