"""Several controllers on one store: at the same nodes, at others, with other clocks; and nodes that are released."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from tests.chaos import reference, stores
from tests.chaos.acts import Act
from tests.chaos.cells import Cell
from tests.chaos.ground import FOLDER, Ground
from tests.chaos.scenes import SCENES, Scene

SCENE = SCENES["deploy with a step"]
PLACES = {"SQLite": stores.File, "PostgreSQL": stores.Server}

CLOCK = FOLDER / "clock.so"
"""What gives a controller another clock, made of clock.c."""

TIMEOUT = 6
"""Seconds that a reservation outlives its run, where clocks differ."""


def controller(name: str, clock: int = 0) -> tuple[str, ...]:
    """Return what runs a play on another controller, as far as it can tell; its clock so many seconds ahead."""
    fake = (f"LD_PRELOAD={CLOCK}", f"CHAOS_CLOCK={clock}") if clock else ()
    alone = ("unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
    return (*alone, "sh", "-c", f'hostname {name}; exec "$@"', "sh", "env", *fake)


def _step(ground: Ground) -> None:
    """Have the user's step go on until it may end."""
    ground.write_step(f"while ! [ -e {FOLDER}/go ]; do sleep 0.1; done")


def _steps_begun() -> int:
    trace = FOLDER / "trace.step"
    return len(trace.read_text().splitlines()) if trace.exists() else 0


# At the same nodes, or at others


def _crowd(kind: str, number: int, same: bool, ground: Ground) -> str:
    PLACES[kind](ground)
    _step(ground)
    nodes = [f"node{number:02}" for number in range(1, (4 if same else number) + 1)]
    for node in nodes[1:]:
        shutil.copyfile(ground.site.disk(), ground.site.disk(node))
    plays = [
        ground.start(SCENE, "-l", "all" if same else node, nodes=nodes, prefix=controller(f"c{which}"))
        for which, node in enumerate((nodes * number)[:number])
    ]
    places = [ground.listen(play)[0] for play in plays]
    refusals = (number - 1) * len(nodes) if same else 0
    deadline = time.monotonic() + 120
    while _steps_begun() < len(nodes) or sum(len(_refused(ground.outputs[place])) for place in places) < refusals:
        if time.monotonic() > deadline:
            ground.expect(False, "not all nodes were begun, or refused, in 120 s")
            break
        time.sleep(0.1)
    (FOLDER / "go").touch()
    codes = [play.wait(timeout=120) for play in plays]
    wanted = [2 if _refused(ground.outputs[place]) else 0 for place in places]
    ground.expect(codes == wanted, f"rc={codes}, where {wanted} are right")
    _check_holders(ground, nodes, [_refused(ground.outputs[place]) for place in places])
    again = ground.play(SCENE, nodes=nodes)
    ground.expect((again.code, again.changed) == (0, 0), f"the same again: rc={again.code}, changed={again.changed}")
    _check(ground, *nodes)
    return f"rc={codes}, {sum(len(_refused(ground.outputs[place])) for place in places)} times refused"


def _refused(output: str) -> dict[str, str]:
    """Return the nodes that were refused, with the host name of whom they were said to be reserved by."""
    return dict(re.findall(r"Node (\w+) is reserved by \w+@(\S+) pid=", " ".join(output.split())))


def _check_holders(ground: Ground, nodes: t.Sequence[str], refused: t.Sequence[dict[str, str]]) -> None:
    """Expect that each node had one holder, and that the others were told its name."""
    for node in nodes:
        owners = {str(entry.owner).partition("@")[2].split()[0] for entry in ground.site.history(node) if entry.owner}
        ground.expect(len(owners) == 1, f"{node} was held by {sorted(owners)}")
        told = {one[node] for one in refused if node in one}
        ground.expect(told <= owners, f"{node} was held by {owners}, others were told {told}")
    ground.expect(_steps_begun() == len(nodes), f"{_steps_begun()} steps of the user's, of {len(nodes)} nodes")


def _check(ground: Ground, *nodes: str, boots: int = 0) -> None:
    for node in nodes:
        reference.check(ground, SCENE, boots_again=boots, node=node)
    stores.check(ground, *nodes)


# Clocks

FIVE_MINUTES = 300
CLOCKS = {
    "the other is five minutes ahead": (0, FIVE_MINUTES),
    "the other is five minutes behind": (0, -FIVE_MINUTES),
    "the holder is five minutes ahead": (FIVE_MINUTES, 0),
    "the holder is five minutes behind": (-FIVE_MINUTES, 0),
}


def _clocks(clocks: tuple[int, int], dies: bool, ground: Ground) -> str:
    stores.Server(ground)
    _step(ground)
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", CLOCK, source], check=True, capture_output=True)
    mine, others = (controller(name, clock) for name, clock in zip(("mine", "others"), clocks))
    holder = ground.start(SCENE, prefix=mine, bm_reservation_timeout=TIMEOUT)
    ground.await_true(lambda: _steps_begun() == 1, holder)
    if not dies:
        time.sleep(TIMEOUT + 1)
    else:
        ground.kill(holder, "all")
    other = ground.play(SCENE, prefix=others, bm_reservation_timeout=TIMEOUT)
    ground.expect(other.code == 2 and "reserved by root@mine" in other.text, f"the other: rc={other.code}, not refused")
    (FOLDER / "go").touch()
    if dies:
        time.sleep(TIMEOUT)
    run = ground.play(SCENE, prefix=others, bm_reservation_timeout=TIMEOUT) if dies else ground.end(holder)
    ground.expect(run.code == 0, f"rc={run.code}")
    took = any(entry.event == "takeover" for entry in ground.site.history())
    ground.expect(took == dies, f"taken over: {took}")
    ground.expect(_steps_begun() == 1 + dies, f"the user's step was begun {_steps_begun()} times")
    again = ground.play(SCENE)
    ground.expect((again.code, again.changed) == (0, 0), f"the same again: rc={again.code}, changed={again.changed}")
    _check(ground, "node01", boots=int(dies))
    return f"the other rc={other.code}; then rc={run.code}"


# Released while the run goes on

RELEASE = Scene("release", "release.yml", "new", "", None)
RELEASED = {
    "in step deploy": Act("bmc set_boot_device cdrom", 1),
    "as the image is written": Act("open disk", 2),
    "as it is made to boot": Act("bmc eject_media", 1),
    "in a user's step": None,
}


def _release(act: Act | None, kind: str, ground: Ground) -> str:
    PLACES[kind](ground)
    _step(ground)
    scene = SCENES["deploy"] if act else SCENE
    holder = ground.start(scene, at=act.to_environment() if act else None, prefix=controller("mine"))
    stopped = ground.await_act(holder) if act else ground.await_true(lambda: _steps_begun() == 1, holder)
    released = ground.play(RELEASE, "-e", "release_reason=gone")
    ground.expect(released.code == 0, f"release.yml: rc={released.code}")
    before = ground.site.machine()["calls"]
    (FOLDER / "go").touch()
    if stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGCONT)
    run = ground.end(holder)
    ground.expect(run.code == 2, f"the run: rc={run.code}, not 2")
    calls = ground.site.machine()["calls"][len(before) :]
    under_way = [str(act.label).removeprefix("bmc ")] if act and act.label.startswith("bmc ") else []
    ground.expect(calls == under_way, f"after it was released the run did {calls}, where {under_way} was under way")
    again = ground.play(scene)
    ground.expect(again.code == 0, f"the same command again: rc={again.code}")
    reference.check(ground, scene, boots_again=1)
    stores.check(ground)
    return f"rc={run.code}; then rc={again.code}"


def cells(matrix: str) -> t.Iterator[Cell]:
    """Yield the cells."""
    once = "each node is deployed once; who is refused is told who has it"
    for kind in PLACES:
        for number, same in ((2, True), (8, True), (8, False)):
            name = f"{kind}, {number} controllers at {'the same nodes' if same else 'a node each'}"
            play = functools.partial(_crowd, kind, number, same)
            yield Cell(matrix, name, once, play, "new", (SCENE.name,))
    for name, clocks in CLOCKS.items():
        play = functools.partial(_clocks, clocks, False)
        yield Cell(matrix, f"PostgreSQL, {name}", "refused; the holder goes on", play, "new", (SCENE.name,))
    for name in ("the holder is five minutes ahead", "the holder is five minutes behind"):
        play = functools.partial(_clocks, CLOCKS[name], True)
        expected = "refused at once; had when its time is over"
        yield Cell(matrix, f"PostgreSQL, {name}, and dies", expected, play, "new", (SCENE.name,))
    expected = "the run does nothing more, and ends; the same command goes on"
    for name, act in RELEASED.items():
        play = functools.partial(_release, act, "PostgreSQL" if act is None else "SQLite")
        yield Cell(matrix, f"released {name}", expected, play, "new", (SCENE.name, "deploy"))
