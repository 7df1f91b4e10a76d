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

COMMON = 3
"""Of the acts that a scene has in common with those before it, one of so many; a deployment comes first."""

ORDER = sorted(SCENES, key=lambda name: name != "deploy")

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
    known: set[str] = set()
    for name in ORDER:
        if not (bases / f"{name}.json").exists():
            continue
        sweep = _sweep(bases, name, known)
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


def _sweep(bases: Path, name: str, known: set[str]) -> list[acts.Act]:
    """Return the acts of a scene; looks, and renewals of the reservation, are acts of the first scene only.

    :param known: the labels of the acts of scenes before; those of this one are added.
    """
    found = acts.read(reference.Reference.read(bases, name).acts)
    if known:
        found = [act for act in found if act.label not in acts.REPEATED]
    left = [
        act
        for number, act in enumerate(found)
        if act.label not in known or number % COMMON == 0 or (name, act.label) in QUICK
    ]
    known.update(act.label for act in found)
    return left


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
