"""The controller loses power at an act: what is on its disk then is all there is; the machine may lose its power, too.

The state folder is a file system of its own. At the act everything stands still, and the device under it is copied as
it is: what only the kernel knew of is lost. The copy is what the same command finds.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from tests.chaos import acts, reference
from tests.chaos.cells import Cell
from tests.chaos.ground import FOLDER, MIB, Ground
from tests.chaos.scenes import SCENES

MATRIX = "power cut"
EXPECTED = "the same command leads to what an undisturbed run does: what the state relies on was on the disk"

GRID = {"deploy with config drive": 2, "clean": 3, "undeploy": 4, "rebuild": 4, "rescue": 4}
"""Scenes, and of how many acts the controller loses power at one."""

RACK = {"deploy": 4, "clean": 6, "undeploy": 8}
"""The same where the machine loses power, too."""

NAMES = {False: "the controller", True: "controller and machine"}

QUICK = {("deploy with config drive", "commit prepared ready for the steps")}

STATE = FOLDER / "state"
DEVICE = FOLDER / "state.img"


def scenes(only: str, *, quick: bool) -> list[str]:
    """Return the scenes whose undisturbed runs say which cells there are."""
    known = {name for name, dummy in QUICK} if quick else {*GRID, *RACK}
    named = {name for name in known if only.startswith(f"{MATRIX}: {name}, ")}
    return sorted(named or known)


def cells(bases: Path) -> t.Iterator[Cell]:
    """Yield the cells of those scenes whose undisturbed run is there."""
    for rack, grid in ((False, GRID), (True, RACK)):
        for name, less in grid.items():
            if not (bases / f"{name}.json").exists():
                continue
            sweep = [
                act for act in acts.read(reference.Reference.read(bases, name).acts) if act.label not in acts.REPEATED
            ]
            quick = [act for act in sweep if not rack and (name, act.label) in QUICK]
            for act in sorted({*sweep[::less], *quick}, key=sweep.index):
                yield Cell(
                    MATRIX,
                    f"{name}, {NAMES[rack]}, before: {act}",
                    EXPECTED,
                    functools.partial(_play, name, act, rack),
                    base=SCENES[name].base,
                    scenes=(name,),
                    quick=act in quick,
                )


def _play(scene: str, act: acts.Act, rack: bool, ground: Ground) -> str:
    _move_state()
    first = ground.start(scene, at=act.to_environment())
    ground.await_act(first)
    for pid in ground.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    survivor = DEVICE.with_suffix(".copy")
    shutil.copyfile(DEVICE, survivor)
    ground.kill(first, "all")
    for dummy in range(20):  # what was killed may take a moment to end
        if subprocess.run(["umount", STATE], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.1)
    else:
        _run("umount", STATE)
    survivor.rename(DEVICE)
    _run("mount", "-o", "loop", DEVICE, STATE)
    if rack:
        machine = ground.site.machine()
        ground.site.script(**{**machine, "power_state": "power off"})
    found = sorted(str(path.relative_to(STATE)) for path in STATE.rglob("*") if path.is_file())
    again = ground.play(scene)
    ground.expect(again.code == 0, f"the same command again: rc={again.code}, with {found}")
    reference.check(ground, SCENES[scene], boots_again=2 if rack else int(act.boots))
    ground.check_hygiene()
    return f"then rc={again.code}"


def _move_state() -> None:
    """Put the state folder on a device of its own, as it is."""
    with DEVICE.open("wb") as file:
        file.truncate(64 * MIB)
    _run("mkfs.ext4", "-q", "-m", "0", DEVICE)
    before = STATE.with_name("before")
    if STATE.exists():
        STATE.rename(before)
    STATE.mkdir()
    _run("mount", "-o", "loop", DEVICE, STATE)
    (STATE / "lost+found").rmdir()
    if before.exists():
        shutil.copytree(before, STATE, dirs_exist_ok=True)
        shutil.rmtree(before)
    _run("sync", "-f", STATE)


def _run(*command: t.Any) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
