"""What happens to the store while a run goes on, or before: SQLite and PostgreSQL; then the same command again."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
import time
import typing as t
from pathlib import Path

from tests.chaos import controllers, reference, stores
from tests.chaos.acts import Act
from tests.chaos.cells import Cell
from tests.chaos.ground import FOLDER, Ground
from tests.chaos.scenes import SCENES, Scene
from tests.chaos.special import Then, follow

MATRIX = "store"
SOURCES = (
    "tests/chaos/controllers.py",
    "tests/chaos/proxy.py",
    "tests/chaos/stores.py",
    "tests/postgresql.py",
)
"""What its results depend on besides what all do."""

THROUGH = "carried through; nothing done twice"
GOES_ON = "ends, and says why; the same command goes on; nothing done twice"
REFUSED = "refused, and says why; nothing is touched; the same command does it later"

START, STEP = "from the start", "in a user's step"

MOMENTS = {
    "before a step": Act("rename media.json", 1),
    "in step deploy": Act("bmc insert_media", 1),
    "waiting for the ramdisk": Act("bmc look", 2, ("bmc set_power_state power on", 1)),
    "as the image is written": Act("open disk", 2),
    "at the end": Act("bmc set_power_state power on", 2),
}
"""When, by name; beside these there are START and STEP."""

IMAGE, END = "as the image is written", "at the end"


@dataclasses.dataclass(frozen=True)
class Case:
    """``trouble`` begins at ``moment``, and lasts so many ``seconds``, None for as long as the run.

    ``code``: how the run ends, and what it ``says``. ``then``: what is played next; the same command always follows.
    ``boots``: how many starts of the machine more are right. ``is_lost``: what the store knew is lost, so that the end
    is that the machine was not touched.
    """

    place: t.Callable[[Ground], t.Any]
    trouble: stores.Trouble
    moment: str = START
    seconds: float | None = None
    code: int = 0
    says: str = ""
    then: tuple[Then, ...] = ()
    base: str = "new"
    boots: int = 0
    arguments: tuple[str, ...] = ()
    is_lost: bool = False
    quick: bool = False

    @property
    def expected(self) -> str:
        """In words."""
        return THROUGH if self.code == 0 else REFUSED if self.moment == START else GOES_ON


def _all(name: str, moments: t.Iterable[str], *arguments: t.Any, **options: t.Any) -> dict[str, Case]:
    """Return a case for each moment."""
    return {f"{name}, {moment}": Case(*arguments, moment=moment, **options) for moment in moments}


_FULL = {"code": 2, "says": "disk is full"}
_AWAY = {"code": 2, "says": "does not answer"}
_ADOPTED = (Then("enroll.yml"), Then("adopt.yml"))
_ANYWAY = Then("deploy.yml", variables={"bm_take_running": True})

SQLITE = {
    **_all("SQLite, full", [START], stores.SmallFile, stores.full, **_FULL, quick=True),
    **_all("SQLite, full", ["in step deploy", IMAGE], stores.SmallFile, stores.full, **_FULL, boots=1),
    **_all("SQLite, full", [END], stores.SmallFile, stores.full, **_FULL, boots=1),
    **_all("SQLite, full", [STEP], stores.SmallFile, stores.full, code=2, says="the room of the file", boots=1),
    **_all("SQLite, read-only", [START], stores.File, stores.read_only, **_AWAY),
    **_all("SQLite, read-only", [IMAGE, STEP], stores.File, stores.read_only, **_AWAY, boots=1),
    "SQLite, deleted when the node is enrolled": Case(stores.File, stores.deleted, base="enrolled"),
    "SQLite, deleted when the node is deployed": Case(
        stores.File, stores.deleted, base="active", code=2, says="adopt.yml", then=_ADOPTED, is_lost=True
    ),
    "SQLite, deleted as the image is written": Case(
        stores.File, stores.deleted, IMAGE, code=2, says="lost or replaced", then=(_ANYWAY,), boots=1
    ),
    **_all("SQLite, locked for 8 s", ["in step deploy", IMAGE], stores.File, stores.locked, seconds=8),
    **_all("SQLite, locked for good", ["in step deploy"], stores.File, stores.locked, **_AWAY, boots=1),
    "SQLite, an older version's (0001)": Case(stores.File, stores.older("0001"), base="enrolled"),
    "SQLite, an older version's (0003)": Case(stores.File, stores.older("0003"), base="enrolled"),
    "SQLite, an older version's (0002)": Case(stores.File, stores.older("0002"), base="enrolled"),
    "SQLite, a newer version's": Case(
        stores.File, stores.newer, base="enrolled", code=2, says="a newer collection", quick=True
    ),
    "SQLite, no database": Case(stores.File, stores.no_database, base="enrolled", code=2, says="is not a database"),
    "SQLite, the tail of the WAL is torn": Case(
        stores.File, stores.torn("store.db-wal", lambda wal: wal + os.urandom(2000)), IMAGE, code=-9, boots=1
    ),
    "SQLite, the last change in the WAL is cut": Case(
        stores.File, stores.torn("store.db-wal", lambda wal: wal[:-2000]), IMAGE, code=-9, boots=1
    ),
    "SQLite, the index of the WAL is torn": Case(
        stores.File, stores.torn("store.db-shm", lambda shm: os.urandom(len(shm))), IMAGE, code=-9, boots=1
    ),
}

POSTGRESQL = {
    **_all(
        "PostgreSQL, restarted for half a second", [*MOMENTS, STEP, START], stores.Server, stores.stopped, seconds=0.5
    ),
    **_all("PostgreSQL, stopped for good", [START], stores.Server, stores.stopped, **_AWAY),
    **_all(
        "PostgreSQL, stopped for good", [IMAGE], stores.Server, stores.stopped, **_AWAY, boots=1, arguments=("-vvv",)
    ),
    **_all(
        "PostgreSQL, its table locked for 6 s", ["in step deploy", END], stores.Server, stores.table_locked, seconds=6
    ),
    **_all("PostgreSQL, slow", [START], stores.Proxied, stores.slow),
    **_all("PostgreSQL, a transaction cut", ["before a step", IMAGE, END], stores.Server, stores.cut, seconds=0),
    **_all(
        "PostgreSQL, the answer to a commit lost",
        ["before a step", IMAGE, END],
        stores.Proxied,
        stores.answer_lost,
        seconds=0,
    ),
    **_all("PostgreSQL, no connection left for 5 s", ["in step deploy"], stores.SmallServer, stores.crowded, seconds=5),
    "PostgreSQL, no connection left": Case(stores.SmallServer, stores.crowded, code=2, says="max_connections"),
    "PostgreSQL, an older version's (0001)": Case(stores.Server, stores.older("0001")),
}


def cells(dummy: Path) -> t.Iterator[Cell]:
    """Yield the cells."""
    for name, case in {**SQLITE, **POSTGRESQL}.items():
        scenes = (_scene(case.moment).name, *reference.BASES[case.base])
        play = functools.partial(_play, case)
        yield Cell(MATRIX, name, case.expected, play, case.base, scenes, case.quick)
    yield from controllers.cells(MATRIX)


def _scene(moment: str) -> Scene:
    return SCENES["deploy with a step" if moment == STEP else "deploy"]


def _play(case: Case, ground: Ground) -> str:
    place, scene = case.place(ground), _scene(case.moment)
    calls = ground.site.machine()["calls"]
    with contextlib.ExitStack() as trouble:
        first = _begin(case, ground, lambda: trouble.enter_context(case.trouble(place, ground)))
        if case.seconds is None:
            run = ground.end(first)
        time.sleep(case.seconds or 0)
    if case.seconds is not None:
        run = ground.end(first)
    ground.expect(run.code == case.code, f"rc={run.code}, not {case.code}")
    ground.expect(case.says in run.text, f"it does not say '{case.says}'")
    if case.is_lost or (case.code and case.moment == START):
        ground.expect(ground.site.machine()["calls"] == calls, "the machine was touched")
    begun = len((FOLDER / "trace.step").read_text().splitlines()) if case.moment == STEP else 1
    codes = [follow(ground, then) for then in case.then]
    again = ground.play(scene)
    ground.expect(again.code == 0, f"the same command again: rc={again.code}")
    ground.expect(bool(again.changed) == bool(case.code and not case.then), f"changed={again.changed} at last")
    ground.expect(begun == 1, f"the user's step was begun {begun} times")
    if case.is_lost:
        ground.expect(ground.site.machine()["calls"] == calls, "the machine was touched")
        record = ground.site.record()
        ground.expect(record and record.provision_state == "active", f"the store knows {record}")
    else:
        base = "new" if case.trouble is stores.deleted else case.base  # what was done before is known there
        reference.check(ground, dataclasses.replace(scene, base=base), boots_again=case.boots)
    stores.check(ground)
    return f"rc={run.code}; then rc={[*codes, again.code]}"


def _begin(case: Case, ground: Ground, trouble: t.Callable[[], object]) -> t.Any:
    """Start the run, and the trouble in its moment."""
    scene = _scene(case.moment)
    if case.moment == START:
        trouble()
        return ground.start(scene, *case.arguments)
    if case.moment == STEP:
        ground.write_step(f"while ! [ -e {FOLDER}/go ]; do sleep 0.1; done")
        first = ground.start(scene, *case.arguments)
        ground.await_true((FOLDER / "trace.step").exists, first)
        trouble()
        (FOLDER / "go").touch()
        return first
    first = ground.start(scene, *case.arguments, at=MOMENTS[case.moment].to_environment())
    stopped = ground.await_act(first)
    trouble()
    with contextlib.suppress(ProcessLookupError):
        os.kill(stopped, signal.SIGCONT)
    return first
