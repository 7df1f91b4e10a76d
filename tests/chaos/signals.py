"""Signals, and kills of single processes, in named moments; then the same command again, at once."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
import typing as t
from pathlib import Path

from tests.chaos import reference
from tests.chaos.acts import Act
from tests.chaos.cells import Cell
from tests.chaos.ground import FOLDER, MIB, Ground
from tests.chaos.sandbox import descendants
from tests.chaos.scenes import SCENES, SLOW_IMAGE

MATRIX = "signal"
EXPECTED = "the run ends; the same command at once leads to what an undisturbed run does, with nobody else at it"

PLAIN = ("term", "int", "hup", "worker")
OF_JOB = (*PLAIN, "writer")


@dataclasses.dataclass(frozen=True)
class Moment:
    """When: at an act of a scene; in a step of the user's; or when half of the image is on the disk.

    ``boots``: whether the machine may be started once more. ``fault``: of the machine, so that the run fails before.
    """

    scene: str
    act: Act | None = None
    boots: bool = False
    signals: tuple[str, ...] = PLAIN
    fault: dict[str, t.Any] | None = None
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)


FAULT = {"operation": "set_boot_device", "error": "BMCResponseError", "times": 1}

MOMENTS = {
    "BMC call of step deploy": Moment("deploy", Act("bmc insert_media", 1), boots=True),
    "wait call-back": Moment("deploy", Act("bmc look", 1, ("commit wait deploying wait call-back", 1)), boots=True),
    "image begun": Moment("deploy", Act("open disk", 2), boots=True, signals=OF_JOB),
    "image half written": Moment("deploy", boots=True, signals=OF_JOB, variables={"bm_image": SLOW_IMAGE}),
    "user's step": Moment("deploy with a step"),
    "prepared, no step yet": Moment("deploy", Act("commit prepared ready for the steps", 1)),
    "power on of the instance": Moment("deploy", Act("bmc set_power_state power on", 2), boots=True),
    "tidying up after a failure": Moment(
        "deploy",
        Act("commit tidy up machine powered off, nothing left to boot from", 1),
        boots=True,
        signals=("term", "int", "hup"),
        fault=FAULT,
    ),
    "erase": Moment("clean", Act("open disk", 2), boots=True, signals=OF_JOB),
}

QUICK = {("image begun", "writer"), ("user's step", "int"), ("prepared, no step yet", "worker")}


def cells(dummy: Path) -> t.Iterator[Cell]:
    """Yield the cells."""
    for name, moment in MOMENTS.items():
        for how in moment.signals:
            play = functools.partial(_play, moment, how)
            base = SCENES[moment.scene].base
            yield Cell(MATRIX, f"{name}: {how}", EXPECTED, play, base, (moment.scene,), (name, how) in QUICK)


def _play(moment: Moment, how: str, ground: Ground) -> str:
    scene = SCENES[moment.scene]
    if moment.fault:
        ground.site.script(calls=[], faults=[moment.fault])
    first, stopped = _reach(ground, moment)
    _send(ground, how, first, stopped)
    code = ground.leave(first, stopped).code
    state = ground.site.record().provision_state
    ground.expect(code != 0, f"the run went on to its end: rc={code}")
    ground.write_step("true")
    again = ground.play(scene, **moment.variables)
    ground.expect(again.code == 0, f"the same command again: rc={again.code}")
    reference.check(ground, scene, boots_again=int(moment.boots))
    if moment.act is None and not moment.variables:
        _end_ramdisk(ground)
    ground.check_hygiene()
    return f"rc={code}, {state}; then rc={again.code}"


def _end_ramdisk(ground: Ground) -> None:
    """End what a step of the user's has started in the ramdisk: that was switched off, and is this machine here."""
    for pid in ground.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"ansible-playbook" not in Path("/proc", str(pid), "cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def _reach(ground: Ground, moment: Moment) -> tuple[t.Any, int | None]:
    """Start the run, and return it in the moment, with the process that stands still there, if one does."""
    if moment.act:
        first = ground.start(moment.scene, at=moment.act.to_environment(), **moment.variables)
        return first, ground.await_act(first)
    if moment.variables:
        first = ground.start(moment.scene, **moment.variables)
        image = (ground.bases / "images" / "disk.img").read_bytes()
        ground.await_true(lambda: _begins_with(ground.site.disk(), image[MIB : 3 * MIB]), first)
        return first, None
    ground.write_step("sleep 60")
    first = ground.start(moment.scene)
    ground.await_true((FOLDER / "trace.step").exists, first)
    return first, None


def _begins_with(disk: Path, content: bytes) -> bool:
    with disk.open("rb") as file:
        file.seek(MIB)
        return file.read(len(content)) == content


def _send(ground: Ground, how: str, play: t.Any, stopped: int | None) -> None:
    if how in ("worker", "writer"):
        os.kill(_find(ground, how, play.pid, stopped), signal.SIGKILL)
    elif how == "term":
        play.send_signal(signal.SIGTERM)
    else:  # what a terminal does: to all in the foreground
        os.killpg(play.pid, signal.SIGINT if how == "int" else signal.SIGHUP)


def _find(ground: Ground, how: str, play: int, stopped: int | None) -> int:
    workers = descendants(play, children_only=True)
    if how == "worker":
        return stopped if stopped in workers else workers[0]
    return stopped or next(pid for pid in ground.processes() if _is_writer(pid))


def _is_writer(pid: int) -> bool:
    """Say whether a process has the node's disk open."""
    folder = Path("/proc", str(pid), "fd")
    return any(str(entry.readlink()).endswith(".disk") for entry in folder.iterdir() if entry.is_symlink())
