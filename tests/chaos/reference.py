"""What an undisturbed run of each scene comes to: its acts, and what it leaves; other runs have to leave the same."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

from tests.chaos import acts
from tests.chaos.ground import FOLDER, MIB, Ground
from tests.chaos.scenes import BASES, SCENES, SECRET, Scene

_LEFT = ("power_state", "booted_from", "media", "boot_device")
"""What a machine is like in the end."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """An undisturbed run."""

    acts: list[str]
    steps: list[str]
    machine: dict[str, t.Any]
    calls: int
    power_ons: int
    evidence: int
    files: list[str]
    disk: str

    @classmethod
    def read(cls, bases: Path, scene: str) -> Reference:
        """Return what was kept of a scene's run."""
        return cls(**json.loads(_path(bases, scene).read_text()))


def _path(bases: Path, scene: str) -> Path:
    return bases / f"{scene}.json"


def missing(bases: Path, scenes: t.Collection[str]) -> list[list[str]]:
    """Return what is still to be made, in rounds: in each, the scenes do not need each other."""
    rounds: list[list[str]] = []
    made = {name for name in SCENES if _path(bases, name).exists()}
    wanted = {name for scene in scenes for name in (*BASES[SCENES[scene].base], scene)}
    while todo := sorted(wanted - made):
        able = [name for name in todo if made.issuperset(BASES[SCENES[name].base])]
        assert able, todo
        rounds.append(able)
        made.update(able)
    return rounds


def make_new(ground: Ground) -> None:
    """Make the images and the first state."""
    ground.make()
    ground.keep("new")


def make(ground: Ground, scene: Scene) -> None:
    """Run a scene undisturbed, and keep what it came to; where others begin there, the site as well."""
    ground.open(scene.base)
    ground.prepare(scene)
    before = ground.site.machine()
    evidence = len(ground.site.evidence()) if ground.site.record() else 0
    done = len(ground.steps_done()) if ground.site.record() else 0
    disk = ground.digest()
    run = ground.play(scene, at="")
    assert run.code == 0, run.output
    assert ground.site.record().provision_state == scene.end
    if scene.disk == "kept":
        assert ground.digest() == disk
    elif scene.disk == "erased":
        assert not any(ground.site.disk().read_bytes())
    elif scene.disk:
        image = (ground.bases / "images" / scene.disk).read_bytes()
        content = ground.site.disk().read_bytes()  # its partition table is moved to the end of a larger disk
        assert content[MIB : len(image) - MIB] == image[MIB:-MIB], "what is written is the image"
    machine = ground.site.machine()
    reference = Reference(
        acts=ground.acts(),
        steps=ground.steps_done()[done:],
        machine={name: machine.get(name) for name in _LEFT},
        calls=len(machine["calls"]) - len(before["calls"]),
        power_ons=ground.power_ons() - before["calls"].count("set_power_state power on"),
        evidence=len(ground.site.evidence()) - evidence,
        files=ground.files(),
        disk=ground.digest(),
    )
    assert ground.await_silence() == []
    for path in FOLDER.glob("trace*"):
        path.unlink()
    (FOLDER / "owners").write_text("\n".join({str(entry.owner) for entry in ground.site.history()}))
    for base, way in BASES.items():
        if way and way[-1] == scene.name and len(way) == len(BASES[scene.base]) + 1:
            ground.keep(base)
    _path(ground.bases, scene.name).write_text(json.dumps(dataclasses.asdict(reference)))


def check(ground: Ground, scene: Scene, *, boots_again: int = 0, node: str = "node01") -> None:
    """Expect what the undisturbed run has left: nothing lost, nothing left over, nothing done twice.

    :param boots_again: how many starts of the machine more are right, where a ramdisk was gone.
    """
    wanted, site = Reference.read(ground.bases, scene.name), ground.site
    record, machine, expect = site.record(node), site.machine(node), ground.expect
    expect(record is not None and record.provision_state == scene.end, f"state {record and record.provision_state}")
    if record is None:
        return
    expect(record.reservation is None, f"reserved by {record.reservation}")
    expect(not record.last_error, f"last_error {record.last_error}")
    left = {name: machine.get(name) for name in _LEFT}
    expect(left == wanted.machine, f"machine {left}, undisturbed {wanted.machine}")
    before = _before(ground.bases, scene)
    done = ground.steps_done(node)[len(before["steps"]) :]
    twice = sorted({step for step in done if done.count(step) > wanted.steps.count(step)} - set(acts.BOOTING))
    expect(not twice, f"done twice: {twice}")
    expect(set(done) == set(wanted.steps), f"steps {done}, undisturbed {wanted.steps}")
    ons = ground.power_ons(node) - before["power_ons"]
    expect(ons <= wanted.power_ons + boots_again, f"{ons} power-ons, undisturbed {wanted.power_ons}")
    rows = len(site.evidence(node)) - before["evidence"]
    expect(rows == wanted.evidence, f"{rows} rows of evidence, undisturbed {wanted.evidence}")
    expect(ground.files() == wanted.files, f"files {ground.files()}, undisturbed {wanted.files}")
    check_disk(ground, scene, wanted, node)


def check_disk(ground: Ground, scene: Scene, wanted: Reference, node: str = "node01") -> None:
    """Expect the bytes that the undisturbed run has written; a config drive brings its own identifiers."""
    if "bm_config_drive" not in scene.variables:
        ground.expect(ground.digest(node) == wanted.disk, "other bytes are on the disk")
        return
    content, image = ground.site.disk(node).read_bytes(), (ground.bases / "images" / "disk.img").read_bytes()
    ground.expect(content[MIB : 35 * MIB] == image[MIB : 35 * MIB], "other bytes are on the disk")
    ground.expect(content.count(SECRET.encode()) == 1, "the config drive is not on the disk, or twice")


def _before(bases: Path, scene: Scene) -> dict[str, t.Any]:
    """Return what the way to the scene's first state has done already."""
    way = [Reference.read(bases, name) for name in BASES[scene.base]]
    return {
        "steps": [step for one in way for step in one.steps],
        "power_ons": sum(one.power_ons for one in way),
        "evidence": sum(one.evidence for one in way),
    }
