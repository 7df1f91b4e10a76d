"""What a deployment looks like: with Ansible's own output, and with the callback progress, on a terminal and off it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import sys
import typing as t

import pytest

TABLE = re.compile(r"node01 +(\S.*?) +(\d+ s|\d+ min \d+ s) +(\d+) +(\d+)$")
TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@pytest.fixture
def progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "baremetal.lifecycle.progress")


def lines_of(run: t.Any) -> list[str]:
    return [line for line in run.output.splitlines() if line.strip()]


def wrong(site: t.Any) -> dict[str, t.Any]:
    """Return options of a deployment whose image is another one than was announced."""
    return {"bm_image": {"url": f"{site.image_url}/disk.img", "checksum": f"sha256:{'0' * 64}"}}


def test_ansible_s_own_output_is_short_and_ends_in_a_table(site: t.Any) -> None:
    site.make_disk()
    run = site.deploy()
    assert run.code == 0, run.output
    assert len(run.output.splitlines()) <= 40, run.output
    row = TABLE.match(lines_of(run)[-1])
    assert row, run.output
    assert row[1] == "active"
    assert int(row[3]) >= site.record().driver_internal_info["bmc_requests"] > 10
    assert row[4] == "2"


def test_ansible_s_own_output_of_a_failure_tells_the_cause_once(site: t.Any) -> None:
    site.make_disk()
    run = site.deploy(**wrong(site))
    assert run.code == 2
    shown = run.output.splitlines()
    # Of these, 20 are what Ansible makes of two errors.
    assert len(shown) <= 62, run.output
    cause = site.record().last_error
    told = [line for line in shown if cause[:60] in line]
    assert 1 <= len(told) <= 2, "by Ansible, as an error and as a result, and by nobody else"
    assert "the node is 'deploy failed'." in run.output
    row = TABLE.match(lines_of(run)[-1])
    assert row
    assert row[1] == "deploy failed"


def test_progress_shows_states_and_the_table(site: t.Any, progress: None) -> None:
    site.make_disk()
    run = site.deploy()
    assert run.code == 0, run.output
    shown = lines_of(run)
    assert "TASK" not in run.output, run.output
    assert any(line.startswith("node01: ") and line.endswith("-> active") for line in shown), run.output
    row = TABLE.match(shown[-1])
    assert row
    assert row[1] == "active"


def test_progress_tells_a_failure_once_with_its_remedy(site: t.Any, progress: None) -> None:
    site.make_disk()
    run = site.deploy(**wrong(site))
    assert run.code == 2
    cause = site.record().last_error
    assert run.output.count(cause[:60]) == 1, run.output
    assert "node01: failed: " in run.output


def test_progress_shows_what_a_step_of_the_user_says_and_its_failure_as_ansible_does(
    site: t.Any, progress: None
) -> None:
    step = site.folder / "mine.yml"
    step.write_text(
        "- name: Tell\n  ansible.builtin.debug:\n    msg: aloud\n"
        "- name: Look\n  ansible.builtin.command: echo quiet\n  changed_when: false\n"
        "- name: Break\n  ansible.builtin.fail:\n    msg: it is broken\n"
    )
    site.make_disk()
    run = site.deploy(bm_deploy_steps=[{"step": "mine", "tasks": str(step), "priority": 50}])
    assert run.code == 2
    assert "node01: aloud" in lines_of(run)
    assert "quiet" not in run.output
    assert run.output.count("it is broken") >= 1
    row = TABLE.match(next(line for line in lines_of(run) if line.startswith("node01  ")))
    assert row
    assert row[1] == "deploy failed"


def test_progress_is_live_on_a_terminal(site: t.Any, progress: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "100", "LINES": "30", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    site.make_disk()
    run = site.play("deploy.yml", prefix=[sys.executable, "-c", TERMINAL])
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", run.output)
    assert run.code == 0, text
    assert "0 of 1 done" in text, text
    assert re.search(r"node01  \d+ s  .*wait call-back", text), "what is told of a node is in its row"
    assert text.rstrip().splitlines()[-1].split()[:2] == ["node01", "active"]


def test_progress_shows_what_a_task_wants_to_be_shown(site: t.Any, progress: None) -> None:
    status = site.play("status.yml")
    assert status.code == 0, status.output
    assert [line.split()[:2] for line in lines_of(status)[1:3]] == [["NODE", "STATE"], ["node01", "unknown"]]
    doctor = site.play("bmc_doctor.yml")
    assert doctor.code == 0, doctor.output
    assert "TASK" not in doctor.output
    assert "node01:" in lines_of(doctor)
    assert any("boot device" in line for line in lines_of(doctor)), doctor.output
