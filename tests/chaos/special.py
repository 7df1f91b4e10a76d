"""Runs that die, and what has changed before the next: the controller, the owner's name, the image, the machine."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sqlite3
import typing as t
from pathlib import Path

from tests.chaos import reference
from tests.chaos.acts import Act
from tests.chaos.cells import Cell
from tests.chaos.ground import FOLDER, Ground
from tests.chaos.scenes import OTHER_IMAGE, SCENES, Scene

MATRIX = "special"

CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
OTHER_HOST = ("unshare", "--uts", "sh", "-c", 'hostname run-2; exec "$@"', "sh")

WRITTEN = Act("commit disk before # MiB, no partition table, nothing known + step deploy.write_image done", 1)
IN_RAMDISK = Act("commit step deploy.write_image started", 1)
ERASING = Act("open disk", 1)


@dataclasses.dataclass(frozen=True)
class Then:
    """What is played next, how it has to end, and what it has to say; ``scene`` None for a playbook without one."""

    playbook: str
    code: int = 0
    says: str = ""
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Case:
    """A run of ``scene`` is killed at ``act``, something is changed, and plays follow; the last ends as ``end`` does.

    ``end``: the scene whose undisturbed run has left the same; None where the plays' own words are all.
    """

    expected: str
    then: tuple[Then, ...]
    change: t.Callable[[Ground], None] = lambda dummy: None
    scene: str = "deploy"
    act: Act = IN_RAMDISK
    end: str | None = "deploy"
    boots: int = 1
    prefix: tuple[str, ...] = ()
    quick: bool = False


def _store() -> contextlib.closing[sqlite3.Connection]:
    """Return the store's database, which keeps each change at once."""
    return contextlib.closing(sqlite3.connect(FOLDER / "state" / "store.db", isolation_level=None))


def _owner(old: str, new: str) -> t.Callable[[Ground], None]:
    """Return what changes a word of the owner in the store: "boot=" for the word that begins with it."""

    def change(ground: Ground) -> None:
        with _store() as store:
            (text,) = store.execute("SELECT reservation FROM nodes").fetchone()
            words = [new if word.startswith(old) else word for word in text.split()]
            store.execute("UPDATE nodes SET reservation = ?", (" ".join(words),))

    return change


def _renamed(dummy: Ground) -> None:
    _owner("root@", "root@another-name")(dummy)


def _elsewhere(dummy: Ground) -> None:
    _owner("machine=", "machine=0badcafe")(dummy)
    _owner("boot=", "boot=0badcafe")(dummy)


def _unreadable(ground: Ground) -> None:
    with _store() as store:
        store.execute("UPDATE nodes SET reservation = 'somebody'")


def _file(name: str, content: bytes) -> t.Callable[[Ground], None]:
    return lambda ground: ((FOLDER / "state" / "node01" / name).write_bytes(content) and None) or None


def _machine(**changes: t.Any) -> t.Callable[[Ground], None]:
    return lambda ground: ground.site.script(**{**ground.site.machine(), **changes})


AGAIN = Then("deploy.yml")
REASON = ("-e", "release_reason=gone")

CASES = {
    "the controller is rebooted": Case("taken over at once", (AGAIN,), _owner("boot=", "boot=0badcafe"), quick=True),
    "the controller is renamed": Case("taken over at once", (AGAIN,), _renamed),
    "the same command in a container of another name": Case(
        "refused, with the remedy; then its machine takes it over at once",
        (
            Then("deploy.yml", 2, "baremetal.lifecycle.release lets the node go", prefix=(*CONTAINER, *OTHER_HOST)),
            AGAIN,
        ),
    ),
    "its container dies, and another goes on": Case(
        "refused, with the remedy; after release.yml it goes on",
        (
            Then("deploy.yml", 2, "baremetal.lifecycle.release lets the node go", prefix=CONTAINER),
            Then("release.yml", arguments=REASON),
            Then("deploy.yml", prefix=CONTAINER),
        ),
        prefix=CONTAINER,
    ),
    "its container dies, and its machine goes on": Case("taken over at once", (AGAIN,), prefix=CONTAINER),
    "its pid is another process's": Case("taken over at once", (AGAIN,), _owner("started=", "started=1")),
    "its controller is another machine": Case(
        "refused until it expires; release.yml lets it go on",
        (Then("deploy.yml", 2, "is reserved by"), Then("release.yml", arguments=REASON), AGAIN),
        _elsewhere,
    ),
    "the reservation names no run": Case(
        "refused until it expires; release.yml lets it go on",
        (Then("deploy.yml", 2, "is reserved by"), Then("release.yml", arguments=REASON), AGAIN),
        _unreadable,
    ),
    "media.json is empty": Case("goes on", (AGAIN,), _file("media.json", b""), quick=True),
    "media.json is torn": Case("goes on", (AGAIN,), _file("media.json", b'{"url": "fake:ram')),
    "media.json is of another kind": Case("goes on", (AGAIN,), _file("media.json", b"[1, 2]")),
    "abort.yml on what it left": Case(
        "'deploy failed', released; then a deployment as from anew",
        (Then("abort.yml"), AGAIN),
    ),
    "undeploy.yml on what it left": Case(
        "refused with what to do; the deployment goes on",
        (Then("undeploy.yml", 2, "deploy"), AGAIN),
    ),
    "another image is wanted": Case(
        "the other image is on the disk, or refused with the remedy",
        (Then("rebuild.yml", variables={"bm_image": OTHER_IMAGE}),),
        act=WRITTEN,
        end="rebuild",
        boots=2,
    ),
    "undeploy is killed in its cleaning, and deploy follows": Case(
        "deploy is refused with what to do; undeploy ends it",
        (Then("deploy.yml", 2, "Run 'undeploy' again"), Then("undeploy.yml", variables={"bm_automated_clean": True})),
        scene="undeploy",
        act=Act("commit insert evidence + evidence 1 disks + step deploy.erase_devices_metadata done", 1),
        end="undeploy",
    ),
    "clean is killed, and provide follows": Case(
        "provide is refused with what to do; clean ends it",
        (Then("provide.yml", 2, "Run 'clean' again"), Then("clean.yml", variables=dict(SCENES["clean"].variables))),
        scene="clean",
        act=ERASING,
        end="clean",
    ),
    "the machine loses power in the ramdisk": Case(
        "the ramdisk is started again, and what was written is not written again",
        (AGAIN,),
        _machine(power_state="power off"),
        act=WRITTEN,
    ),
    "the machine loses power after prepare_instance_boot": Case(
        "media out, the disk boots from now on, no ramdisk for nothing",
        (AGAIN,),
        _machine(power_state="power off"),
        act=Act("commit step deploy.tear_down_agent started", 1),
        boots=0,
        quick=True,
    ),
    "somebody switches the machine off and on again": Case(
        "the ramdisk is started again", (AGAIN,), _machine(booted_from="disk", media=None), act=WRITTEN
    ),
    "somebody ejects the media": Case("goes on", (AGAIN,), _machine(media=None), act=WRITTEN),
    "somebody sets another boot device": Case(
        "the disk boots from now on",
        (AGAIN,),
        _machine(boot_device={"device": "pxe", "persistent": True, "mode": "uefi"}),
        act=WRITTEN,
    ),
    "the store is lost": Case(
        "refused, as the machine runs and nobody knows it; after it was switched off, as from anew",
        (Then("deploy.yml", 2, "adopt.yml"),),
        lambda ground: ([path.unlink() for path in (FOLDER / "state").glob("store.db*")] and None) or None,
        end=None,
        quick=True,
    ),
}
"""The cases by name."""


def cells(dummy: Path) -> t.Iterator[Cell]:
    """Yield the cells."""
    for name, case in CASES.items():
        scenes = (case.scene, *([case.end] if case.end else []))
        base = SCENES[case.scene].base
        play = functools.partial(_play, case)
        yield Cell(MATRIX, f"{case.scene} is killed; {name}", case.expected, play, base, scenes, case.quick)


def _play(case: Case, ground: Ground) -> str:
    first = ground.start(case.scene, at=case.act.to_environment(), prefix=case.prefix)
    ground.await_act(first)
    calls = ground.site.machine()["calls"]
    ground.kill(first, "all")
    case.change(ground)
    codes = [follow(ground, then) for then in case.then]
    if case.end is None:
        ground.expect(ground.site.machine()["calls"] == calls, "the machine was touched")
    else:
        reference.check(ground, _end_of(case), boots_again=case.boots)
    ground.check_hygiene()
    return f"then rc={codes}"


def _end_of(case: Case) -> Scene:
    """Return the end, with the beginning that the case has."""
    return dataclasses.replace(SCENES[str(case.end)], base=SCENES[case.scene].base)


def follow(ground: Ground, then: Then) -> int:
    """Play what follows; expect how it ends and what it says."""
    scene = Scene(then.playbook, then.playbook, "new", "", None, then.variables)
    run = ground.play(scene, *then.arguments, prefix=then.prefix)
    ground.expect(run.code == then.code, f"{then.playbook}: rc={run.code}, not {then.code}")
    ground.expect(then.says in run.text, f"{then.playbook} does not say '{then.says}'")
    return run.code
