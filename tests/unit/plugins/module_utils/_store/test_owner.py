"""Who a run is, and whether it goes on: on this machine, after its reboot, in containers, elsewhere."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import os
import subprocess
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.owner import INITIAL_NAMESPACE, NONE, Owner


@pytest.fixture(scope="module")
def here() -> Owner:
    """This run, on a machine that is no container."""
    me = owners.current_owner(os.getpid())
    return me._replace(machine=me.machine if me.machine != NONE else "0a1b2c3d")


@pytest.fixture(scope="module")
def living() -> t.Iterator[Owner]:
    """A process that goes on."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield owners.current_owner(process.pid)
        process.kill()


@pytest.fixture(scope="module")
def dead() -> Owner:
    """A process that has ended."""
    with subprocess.Popen(["sleep", "60"]) as process:
        run = owners.current_owner(process.pid)
        process.kill()
    return run


@pytest.fixture(scope="module")
def container() -> t.Iterator[str]:
    """The pid namespace of a container that goes on."""
    command = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "readlink /proc/self/ns/pid; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().strip("pid:[]")
        process.kill()


OTHER = {"boot": "12345678", "machine": "87654321", "host": "elsewhere"}
BOOT = {"boot": "12345678"}
NO_IDS = {"boot": NONE, "namespace": NONE}
INSIDE = {"namespace": "4026999999"}
OUTSIDE = {"namespace": INITIAL_NAMESPACE}

CASES: dict[str, tuple[str, dict[str, t.Any], dict[str, t.Any], bool | None]] = {
    "it goes on": ("living", {}, {}, True),
    "it has ended": ("dead", {}, {}, False),
    "its pid is used again": ("living", {"started": "1"}, {}, False),
    "the machine was renamed": ("living", {"host": "before"}, {}, True),
    "the machine was renamed, and it has ended": ("dead", {"host": "before"}, {}, False),
    "another controller": ("dead", OTHER, {}, None),
    "another controller with the same host name": ("dead", {**OTHER, "host": None}, {}, None),
    "before a reboot of this machine": ("dead", {"boot": "12345678", **OUTSIDE}, OUTSIDE, False),
    "before a reboot, its pid in use again": ("living", {"boot": "12345678", **OUTSIDE}, OUTSIDE, False),
    "before a reboot, of a copy of this machine": ("living", {**BOOT, **OUTSIDE, "host": "copy"}, OUTSIDE, None),
    "before a reboot, of a machine without an id": ("dead", {**BOOT, "machine": NONE}, {"machine": NONE}, None),
    "before a reboot, in a container": ("dead", {"boot": "12345678", **INSIDE}, OUTSIDE, None),
    "in a container that is gone, seen from its machine": ("dead", INSIDE, OUTSIDE, False),
    "in a container that goes on, seen from its machine": ("dead", {"namespace": "container"}, OUTSIDE, None),
    "in a container, seen from another one": ("dead", INSIDE, {"namespace": "4026888888"}, None),
    "on the machine, seen from a container": ("dead", OUTSIDE, INSIDE, None),
    "on a system without boot ids": ("dead", NO_IDS, NO_IDS, False),
    "on another system without boot ids": ("dead", {**OTHER, "boot": NONE}, {"boot": NONE}, None),
}  # fmt: skip


@pytest.mark.parametrize(("process", "change", "seen_from", "expected"), CASES.values(), ids=CASES)
def test_whether_a_run_goes_on(
    request: pytest.FixtureRequest,
    here: Owner,
    container: str,
    process: str,
    change: dict[str, t.Any],
    seen_from: dict[str, t.Any],
    expected: bool | None,
) -> None:
    names = {"container": container}
    given = {key: names.get(value, value) for key, value in change.items() if value is not None}
    run = request.getfixturevalue(process)._replace(machine=here.machine)._replace(**given)
    assert owners.is_alive(str(run), here._replace(**seen_from)) is expected


def _as_a_user_who_sees_no_other(ask: t.Callable[[], object]) -> str:
    """Return the answer in a process of another user, from whom /proc hides those of others."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            assert ctypes.CDLL(None).unshare(0x00020000) == 0  # CLONE_NEWNS (sched.h)
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            subprocess.run(["mount", "-t", "proc", "-o", "hidepid=invisible", "proc", "/proc"], check=True)
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(writer, str(ask()).encode())
        except BaseException as exc:
            os.write(writer, repr(exc).encode())
            raise
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as said:
        return said.read()


@pytest.mark.parametrize(
    ("process", "change", "seen_from", "expected"),
    [("living", {}, {}, None), ("dead", {}, {}, False), ("dead", INSIDE, OUTSIDE, None)],
    ids=["it goes on", "it has ended", "in a container"],
)
def test_a_run_that_is_hidden_is_not_taken_for_dead(
    request: pytest.FixtureRequest,
    here: Owner,
    process: str,
    change: dict[str, t.Any],
    seen_from: dict[str, t.Any],
    expected: bool | None,
) -> None:
    run = request.getfixturevalue(process)._replace(**change)
    assert _as_a_user_who_sees_no_other(lambda: owners.is_alive(str(run), here._replace(**seen_from))) == str(expected)


def test_what_an_older_version_has_written_is_read() -> None:
    assert Owner.parse("root@c1 pid=17 started=99 boot=aa ns=1") == Owner("root", "c1", 17, "99", "aa", "1", NONE)


@pytest.mark.parametrize("text", ["", "somebody", "root@c1 pid=x started=1 boot=a ns=1", "root@c1 pid=1"])
def test_what_is_no_run_can_not_be_seen(here: Owner, text: str) -> None:
    assert Owner.parse(text) is None
    assert owners.is_alive(text, here) is None
