"""Many nodes in one store, whose machines fail at random, for some plays; then without: all of them are home."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import functools
import random
import shutil
import string
import time
import typing as t
from pathlib import Path

from ansible_collections.baremetal.lifecycle.plugins.module_utils._states import machine
from tests.chaos import reference, sandbox, stores
from tests.chaos.cells import Cell
from tests.chaos.ground import MIB, Ground
from tests.chaos.scenes import CLEAN, ISO, Scene
from tests.site import Run

MATRIX = "soak"
SOURCES = (
    "tests/chaos/stores.py",
    "tests/postgresql.py",
)
"""What its results depend on besides what all do."""
EXPECTED = (
    "after each play nobody is reserved or at work; without faults all are active, nothing was done twice, and"
    " the same again changes nothing"
)

KINDS: dict[str, tuple[int, dict[str, t.Any]]] = {
    "noop": (150, {"bm_deploy_interface": "noop"}),
    "ramdisk": (46, {"bm_deploy_interface": "ramdisk", "bm_image": ISO}),
    "direct": (4, CLEAN),
}
"""How many nodes there are of a kind, and their variables."""

NODES = {f"{kind}{number:03}": more for kind, (count, more) in KINDS.items() for number in range(count)}
LIKE = {"noop": "deploy nothing", "ramdisk": "deploy media", "direct": "deploy"}
"""The scene whose undisturbed run a deployment of a kind compares with."""

ARGUMENTS = ("-l", "baremetal", "--forks", "20")
LIMIT = 900.0
"""Seconds for one play."""

DEPLOY = Scene("deploy", "deploy.yml", "new", "active", None)
UNDEPLOY = Scene("undeploy", "undeploy.yml", "new", "available", None)
PLAYS = (DEPLOY, UNDEPLOY, DEPLOY)

SHARE = 0.05
"""Of the acts fail."""

OPERATIONS = (
    *("get_power_state", "set_power_state", "get_boot_device", "set_boot_device", "clear_boot_device"),
    *("get_media", "insert_media", "eject_media", "probe"),
)
ERRORS = ("BMCResponseError", "BMCConnectionError")


def _disturb(ground: Ground, chance: random.Random) -> None:
    """Let the first of each kind of act of each machine fail, or not."""
    for node in NODES:
        faults = [
            {"operation": operation, "error": chance.choice(ERRORS), "times": 1}
            for operation in OPERATIONS
            if chance.random() < SHARE
        ]
        ground.site.script(node, **{**ground.site.machine(node), "faults": faults})


def _mend(ground: Ground) -> None:
    for node in NODES:
        ground.site.script(node, **{**ground.site.machine(node), "faults": []})


def _states(ground: Ground) -> collections.Counter[str]:
    with ground.site.store() as store:
        return collections.Counter(record.provision_state for record in store.records())


def _play(ground: Ground, scene: Scene) -> Run:
    return ground.end(ground.start(scene, *ARGUMENTS, nodes=NODES), limit=LIMIT)


def _kill_in_the_middle(ground: Ground, scene: Scene) -> None:
    """Kill everything when half of those that this play can bring to its end are there."""
    before = _states(ground)[scene.end]
    play = ground.start(scene, *ARGUMENTS, nodes=NODES)
    ground.listen(play)
    half = (before + len(NODES)) // 2
    ground.await_true(
        lambda: play.poll() is not None or _states(ground)[scene.end] >= half, play, pause=0.5, seconds=LIMIT
    )
    sandbox.kill_all(ground.processes)
    play.wait()


def _check_nobody_in_limbo(ground: Ground, name: str) -> None:
    with ground.site.store() as store:
        records = store.records()
    limbo = [
        f"{record.name}: {record.provision_state}, {record.reservation}"
        for record in records
        if record.reservation or machine.is_working(record.provision_state)
    ]
    ground.expect(not limbo, f"{name}: {len(limbo)} in limbo: {limbo[:5]}")


def _check_history(ground: Ground) -> None:
    """Expect that no work has done a step twice, and that each failure has a cause."""
    twice, silent = list[str](), list[str]()
    for node in NODES:
        done = set[str]()
        for entry in ground.site.history(node):
            if entry.event in ("deploy", "delete"):
                done.clear()
            elif entry.event == "step" and str(entry.message).endswith(" done"):
                twice += [f"{node}: {entry.message}"] if entry.message in done else []
                done.add(str(entry.message))
            elif entry.event == "fail" and not entry.message:
                silent.append(node)
    ground.expect(not twice, f"{len(twice)} steps done twice: {twice[:5]}")
    ground.expect(not silent, f"{len(silent)} failures without a cause: {silent[:5]}")


def _check_home(ground: Ground, before: t.Mapping[str, int]) -> None:
    """Expect what an undisturbed deployment comes to, on every node; ``before``: power-ons until then."""
    image = (ground.bases / "images" / "disk.img").read_bytes()
    wanted = {node: reference.Reference.read(ground.bases, LIKE[node.rstrip(string.digits)]) for node in NODES}
    ons = {node: ground.power_ons(node) - before[node] for node in NODES}
    wrong = [f"{node}: {ons[node]}" for node in NODES if ons[node] != wanted[node].power_ons]
    ground.expect(not wrong, f"{len(wrong)} machines were not switched on as in an undisturbed run: {wrong[:5]}")
    for node in NODES:
        found, like = ground.site.machine(node), wanted[node].machine
        left = {name: found.get(name) for name in like}
        ground.expect(left == like, f"{node}: machine {left}, undisturbed {like}")
        if node.startswith("direct"):
            content = ground.site.disk(node).read_bytes()
            ground.expect(content[MIB : len(image) - MIB] == image[MIB:-MIB], f"{node}: other bytes are on the disk")
    files = sorted(name.replace("node01", node) for node in NODES for name in wanted[node].files)
    ground.expect(ground.files() == files, f"files {ground.files()[:5]}, undisturbed {files[:5]}")


def _soak(place: t.Callable[[Ground], t.Any], seed: int, kills: bool, ground: Ground) -> str:
    place(ground)
    for node in NODES:
        if node.startswith("direct"):
            shutil.copyfile(ground.site.disk(), ground.site.disk(node))
    chance, seen, before = random.Random(seed), list[str](), dict[str, int]()
    for number in range(2 * len(PLAYS)):
        scene, is_disturbed = PLAYS[number % len(PLAYS)], number < len(PLAYS)
        (_disturb(ground, chance) if is_disturbed else _mend(ground))
        if kills:
            _kill_in_the_middle(ground, scene)
        before = {node: ground.power_ons(node) for node in NODES}
        began = time.monotonic()
        run = _play(ground, scene)
        seen.append(f"{scene.name} rc={run.code} in {time.monotonic() - began:.0f} s {dict(_states(ground))}")
        _check_nobody_in_limbo(ground, f"play {number + 1}")
        ground.expect(run.code == 0 or number <= len(PLAYS), f"play {number + 1}: rc={run.code}")
    ground.expect(_states(ground) == {"active": len(NODES)}, f"not all are home: {dict(_states(ground))}")
    if not kills:
        _check_home(ground, before)
    again = _play(ground, DEPLOY)
    ground.expect((again.code, again.changed) == (0, 0), f"the same again: rc={again.code}, changed={again.changed}")
    _check_history(ground)
    stores.check(ground, *NODES)
    return "; ".join(seen)


def cells(dummy: Path) -> t.Iterator[Cell]:
    """Yield the cells."""
    for name, place, seed, kills in (
        ("SQLite", stores.File, 1, False),
        ("PostgreSQL", stores.Server, 2, False),
        ("SQLite, each play is killed in its middle", stores.File, 3, True),
    ):
        play = functools.partial(_soak, place, seed, kills)
        yield Cell(MATRIX, f"{len(NODES)} nodes, {name}", EXPECTED, play, scenes=tuple(LIKE.values()), limit=7 * LIMIT)
