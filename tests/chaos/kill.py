"""SIGKILL at every act of every verb; then the same command again, at once."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from tests.chaos import acts, reference
from tests.chaos.cells import Cell
from tests.chaos.ground import Ground
from tests.chaos.scenes import SCENES

MATRIX = "kill"
EXPECTED = "the same command at once leads to what an undisturbed run does: nothing lost, left over or done twice"

WHOM = {"all": "everything", "play": "ansible-playbook alone", "group": "its process group"}

LESS = {"play": 9, "group": 11}
"""Of so many acts one, by whom is killed there; everything is at each."""

LIKE_DEPLOY = ("deploy with config drive", "deploy with cleaning", "deploy with a step", "rebuild")
"""Scenes that have most acts in common with a deployment or a cleaning: of those acts, one of three."""

QUICK = {
    ("deploy", "commit prepared ready for the steps"),
    ("deploy", "bmc set_power_state power on"),
    ("deploy", "exec sgdisk"),
    ("deploy", "commit step deploy.tear_down_agent done"),
    ("clean", "commit insert evidence + evidence 1 disks + step deploy.erase_devices done"),
    ("undeploy", "commit delete active deleting"),
}


def scenes(only: str, *, quick: bool) -> list[str]:
    """Return the scenes whose undisturbed runs say which cells there are."""
    known = {name for name, dummy in QUICK} if quick else set(SCENES)
    named = {name for name in known if only.startswith(f"{MATRIX}: {name}, ")}
    return sorted(named or known)


def cells(bases: Path) -> t.Iterator[Cell]:
    """Yield the cells of those scenes whose undisturbed run is there."""
    for name in SCENES:
        if not (bases / f"{name}.json").exists():
            continue
        sweep = _sweep(bases, name)
        for whom, text in WHOM.items():
            for act in sweep[:: LESS.get(whom, 1)]:
                yield Cell(
                    MATRIX,
                    f"{name}, {text}, before: {act}",
                    EXPECTED,
                    functools.partial(_play, name, act, whom),
                    base=SCENES[name].base,
                    scenes=(name,),
                    quick=whom == "all" and act.nth == 1 and (name, act.label) in QUICK,
                )


def _sweep(bases: Path, name: str) -> list[acts.Act]:
    """Return the acts of a scene; looks, and renewals of the reservation, are acts of one scene only."""
    found = acts.read(reference.Reference.read(bases, name).acts)
    if name != "deploy":
        found = [act for act in found if act.label not in acts.REPEATED]
    if name in LIKE_DEPLOY and (bases / "deploy.json").exists():
        common = set(reference.Reference.read(bases, "deploy").acts)
        found = [act for number, act in enumerate(found) if act.label not in common or number % 3 == 0]
    return found


def _play(scene: str, act: acts.Act, whom: str, ground: Ground) -> str:
    what = SCENES[scene]
    ground.prepare(what)
    first = ground.start(scene, at=act.to_environment())
    stopped = ground.await_act(first)
    state = ground.glance()
    ground.kill(first, whom, stopped)
    again = ground.play(scene)
    ground.expect(again.code == 0, f"the same command again: rc={again.code}")
    reference.check(ground, what, boots_again=1 if act.boots else 0)
    ground.check_hygiene()
    return f"killed in {state}; then rc={again.code}"
