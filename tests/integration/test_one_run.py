"""One run, one machine: what is left of a run that was killed, and of one that can't be seen from here."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import time
import typing as t

import pytest
import yaml

IN_A_CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
"""What runs so can't see processes outside, and is seen only from outside."""

OFF = {"power_state": "power off", "boot_device": None, "media": None, "calls": []}


def await_call(site: t.Any, call: str, *, seconds: float = 60) -> None:
    """Wait until the BMC has got a call."""
    deadline = time.monotonic() + seconds
    while call not in site.machine()["calls"]:
        assert time.monotonic() < deadline, site.machine()
        time.sleep(0.05)


def await_event(site: t.Any, message: str, *, seconds: float = 60) -> None:
    """Wait until the history tells something."""
    deadline = time.monotonic() + seconds
    while not any(message in str(entry.message) for entry in (site.history() if site.record() else ())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def step_that_sleeps(site: t.Any, seconds: float) -> list[dict[str, t.Any]]:
    tasks = site.folder / "step.yml"
    task = {"name": "Work", "ansible.builtin.shell": f"echo begun >> {site.folder}/trace; sleep {seconds}"}
    tasks.write_text(yaml.safe_dump([task]))
    return [{"step": "work", "priority": 90, "tasks": str(tasks)}]


@pytest.mark.parametrize("whom", ["play", "group"])
def test_of_a_run_that_was_killed_nothing_goes_on_at_the_machine(site: t.Any, images: t.Any, whom: str) -> None:
    site.make_disk()
    site.script(**OFF, delays={"set_power_state": 4})
    process = site.start("deploy.yml")
    await_event(site, "off, to boot the ramdisk")
    await_call(site, "insert_media")  # now it waits for the power
    (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    killed = len(site.history())
    calls = site.machine()["calls"]
    time.sleep(6)
    assert len(site.history()) == killed, "the dead run's worker has gone on in the store"
    assert site.machine()["calls"] == calls, "the dead run's worker has gone on at the BMC"
    run = site.deploy()
    assert run.code == 0, run.output
    assert [entry.event for entry in site.history()].count("takeover") == 1
    assert site.machine()["calls"].count("set_power_state power on") <= 3
    assert site.disk().read_bytes() == (images / "disk.img").read_bytes()


def test_a_node_is_kept_while_a_step_of_the_user_runs_longer_than_its_reservation(site: t.Any) -> None:
    site.make_disk()
    variables = {"bm_reservation_timeout": 3, "bm_deploy_steps": step_that_sleeps(site, 9)}
    first = site.start("deploy.yml", **variables)
    deadline = time.monotonic() + 60
    while not (site.folder / "trace").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(4)
    other = site.play("deploy.yml", prefix=IN_A_CONTAINER, **variables)
    assert other.code == 2
    assert "is reserved by" in other.text
    output, dummy = first.communicate(timeout=120)
    assert first.returncode == 0, output
    assert (site.folder / "trace").read_text() == "begun\n"
    assert site.record().reservation is None


def test_what_a_container_has_left_is_released_by_an_operator_and_seen_from_its_machine(site: t.Any) -> None:
    """A play in a container that is gone: another container waits for the reservation, its machine does not."""
    site.make_disk()
    steps = step_that_sleeps(site, 0)
    for way in ("released", "seen"):
        slow = step_that_sleeps(site, 60)
        first = site.start("deploy.yml", prefix=IN_A_CONTAINER, bm_deploy_steps=slow, bm_rebuild=True)
        deadline = time.monotonic() + 60
        while not (site.folder / "trace").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait(timeout=60)
        (site.folder / "trace").unlink()
        steps = step_that_sleeps(site, 0)
        if way == "released":
            refused = site.play("deploy.yml", prefix=IN_A_CONTAINER, bm_deploy_steps=steps)
            assert refused.code == 2
            assert "baremetal.lifecycle.release lets the node go" in refused.text
            unnamed = site.play("release.yml", "-e", "release_reason=gone")
            assert "Say which nodes are meant" in unnamed.text
            silent = site.play("release.yml", "-l", "node01")
            assert "is not said" in silent.text
            assert site.record().reservation is not None
            released = site.play("release.yml", "-l", "node01", "-e", "release_reason=gone")
            assert (released.code, released.changed) == (0, 1), released.output
            again = site.play("release.yml", "-l", "node01", "-e", "release_reason=gone", bm_bmc=None)
            assert again.code != 0 or again.changed == 0
        run = site.play("deploy.yml", prefix=IN_A_CONTAINER if way == "released" else (), bm_deploy_steps=steps)
        assert run.code == 0, run.output
        assert site.record().provision_state == "active"
        (site.folder / "trace").unlink()
        site.variables["bm_image"] = {"url": f"{site.image_url}/other.img", "checksum": f"{site.image_url}/SHA256SUMS"}
    assert [entry.message.endswith("gone") for entry in site.history() if entry.event == "release"] == [True]
