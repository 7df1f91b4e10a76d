"""The faults of the matrix ipmi: data."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

Data = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Fault:
    """What tests/ipmi_path.py does to packets in the play ``verb``.

    ``says``: the failure's cause; empty: it is carried through. ``state``: the node's then. ``leaves``: the machine's
    power then. ``doubles``: what may be done once more, since the protocol itself sends it again, or the network does.
    ``log_ins``: the attempts to log in, where that play fails (without bm_bmc.privilege_level as administrator, and
    then as operator, where a BMC knows no such user). ``bmc``: changes of bm_bmc in that play.
    ``quick``: whether ``make test`` plays it.
    """

    name: str
    what: tuple[Data, ...] = ()
    verb: str = "deploy"
    says: str = ""
    state: str = "none"
    leaves: bool = False
    doubles: tuple[str, ...] = ()
    log_ins: int | None = None
    bmc: Data = dataclasses.field(default_factory=dict)
    quick: bool = False


def _drop(act: str, *, answer: bool = False, **more: t.Any) -> tuple[Data, ...]:
    return ({"act": act, "answer": answer, "do": "drop", **more},)


def _all(do: str, *, answer: bool, **more: t.Any) -> tuple[Data, ...]:
    return ({"act": "anything", "answer": answer, "do": do, "times": None, **more},)


def _answer(act: str, do: str, **more: t.Any) -> tuple[Data, ...]:
    return ({"act": act, "answer": True, "do": do, **more},)


SILENCE = "no answer within"
CREDENTIALS = "Incorrect password provided"
ON, OFF = ("power on",), ("power off",)

LOST = (
    *(Fault(f"lost: {act}", _drop(act)) for act in ("capabilities", "RAKP 1", "RAKP 3", "status")),
    Fault("lost: power on", _drop("power on"), quick=True),
    Fault("lost: close session", _drop("close session")),
    Fault("lost: boot flags", _drop("boot flags"), "acts"),
    Fault("lost: power off", _drop("power off"), "undeploy"),
    *(
        Fault(f"answer lost: {act}", _drop(act, answer=True))
        for act in ("open session", "RAKP 1", "RAKP 3", "privilege level", "status")
    ),
    Fault("answer lost: power on", _drop("power on", answer=True), doubles=ON, quick=True),
    Fault("answer lost: power off", _drop("power off", answer=True), "undeploy", doubles=OFF),
    Fault("every seventh packet is lost", _drop("anything", times=None, every=7), "enroll", bmc={"timeout": 20.0}),
    Fault(
        "every seventh answer is lost",
        _drop("anything", answer=True, times=None, every=7),
        "undeploy",
        doubles=OFF,
        bmc={"timeout": 20.0},
    ),
)

BENT = (
    Fault("each packet comes twice", _all("twice", answer=False), doubles=ON, quick=True),
    Fault("each answer comes twice", _all("twice", answer=True)),
    Fault("each answer is 0.3 s late", _all("late", answer=True, seconds=0.3)),
    Fault("answer after it was asked again: RAKP 3", _answer("RAKP 3", "late", seconds=1.5)),
    Fault("answer after it was asked again: power on", _answer("power on", "late", seconds=1.5), doubles=ON),
    Fault("answer behind the next one: status", _answer("status", "behind")),
    Fault("a byte of the answer is another: status", _answer("status", "hurt")),
    Fault("a byte is another: power on", ({"act": "power on", "do": "hurt"},)),
    Fault("half of the answer: status", _answer("status", "cut")),
    Fault("garbage before the answer: status", _answer("status", "noise")),
    Fault("garbage before the answer: RAKP 1", _answer("RAKP 1", "noise")),
    Fault("garbage before each answer", _all("noise", answer=True)),
    Fault("the answer comes from elsewhere: status", _answer("status", "elsewhere")),
)

AWAY = (
    Fault("away for 2.5 s: RAKP 1", ({"act": "RAKP 1", "do": "silent", "seconds": 2.5},)),
    Fault("away for 2.5 s: power on", ({"act": "power on", "do": "silent", "seconds": 2.5},)),
    Fault("away for 2.5 s: boot flags", ({"act": "boot flags", "do": "silent", "seconds": 2.5},), "acts"),
    Fault("it restarts: status", ({"act": "status", "do": "restart"},)),
    Fault("it restarts: power on", ({"act": "power on", "do": "restart"},), quick=True),
    Fault("it restarts: power off", ({"act": "power off", "do": "restart"},), "undeploy"),
)

ENDED = (
    Fault("a byte of the answer is another: RAKP 1", _answer("RAKP 1", "hurt"), "deploy", CREDENTIALS, log_ins=1),
    Fault("a byte of the answer is another: RAKP 3", _answer("RAKP 3", "hurt"), "deploy", "integrity", log_ins=1),
    Fault("gone: capabilities", ({"act": "capabilities", "do": "silent"},), "deploy", SILENCE),
    Fault("gone: power on", ({"act": "power on", "do": "silent"},), "deploy", SILENCE, "deploy failed"),
    Fault("gone: power off", ({"act": "power off", "do": "silent"},), "undeploy", SILENCE, "error", leaves=True),
    Fault("all answers are hurt", _all("hurt", answer=True), "enroll", "does not let us in"),
    Fault("no log-in is answered", _drop("RAKP 1", answer=True, times=None), "deploy", SILENCE),
    Fault("wrong password", (), "enroll", CREDENTIALS, log_ins=1, bmc={"password": "another-1"}, quick=True),
    Fault(
        "wrong password at the end", (), "undeploy", CREDENTIALS, "active", True, log_ins=1, bmc={"password": "other-1"}
    ),
    Fault("nobody of that name", (), "deploy", "Unauthorized name", log_ins=2, bmc={"username": "nobody"}),
    Fault(
        "a level that may only look",
        (),
        "deploy",
        "0xd4",
        log_ins=1,
        bmc={"username": "operator", "privilege_level": "user"},
    ),
    Fault("a cipher suite that it has not", (), "deploy", "cipher", log_ins=0, bmc={"cipher_suite": 17}),
)

FAULTS = (Fault("nothing", (), "acts"), *ENDED, *LOST, *BENT, *AWAY)
"""The faults; each is a cell."""
