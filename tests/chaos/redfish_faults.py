"""The faults of the matrix redfish: data.

Those of tests/unit/plugins/module_utils/_drivers/redfish/test_faults.py, where each is played at more acts.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from tests.redfish import SYSTEM

Data = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Act:
    """Something that the play of a verb asks of the BMC. ``request``: how tests/redfish.py finds it.

    ``state``: the node's, after a failure there. ``touches``: whether the play has touched the machine by then.
    """

    verb: str
    request: Data
    state: str
    touches: bool = True


ACTS = {
    "root": Act("deploy", {"act": "root"}, "none", touches=False),
    "log-in": Act("deploy", {"act": "log-in"}, "none", touches=False),
    "validate": Act("deploy", {"act": "validate"}, "none", touches=False),
    "look at media": Act("deploy", {"act": "look at media"}, "none", touches=False),
    "insert": Act("deploy", {"act": "insert"}, "deploy failed"),
    "boot device": Act("deploy", {"act": "boot device"}, "deploy failed"),
    "power on": Act("deploy", {"act": "power on"}, "deploy failed"),
    "running": Act("deploy", {"act": "ramdisk up"}, "deploy failed"),
    "log-in to end it": Act("undeploy", {"act": "log-in"}, "active", touches=False),
    "look to end it": Act("undeploy", {"act": "validate"}, "active", touches=False),
    "power off": Act("undeploy", {"act": "power off"}, "error"),
    "eject": Act("undeploy", {"act": "eject"}, "error"),
    "boot order": Act("undeploy", {"method": "PATCH", "path": f"{SYSTEM}$"}, "error"),
    "log-out": Act("deploy", {"act": "log-out"}, "none", touches=False),
}
"""The acts by name."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """``what`` tests/redfish.py plays, at each of ``acts``.

    ``says``: the failure's cause; empty: it is carried through. ``left``: what of the machine is otherwise after that
    play than off and with nothing in it, or than it should be. ``sessions``: how many are left in the end, where the
    BMC can't be told of theirs. ``starts``: how often the machine is started in all. ``service``: options of the
    service. ``bmc``: changes of bm_bmc in the play with the fault.
    """

    name: str
    what: Data
    acts: tuple[str, ...]
    says: str = ""
    left: Data = dataclasses.field(default_factory=dict)
    sessions: int = 0
    starts: int = 1
    service: Data = dataclasses.field(default_factory=dict)
    bmc: Data = dataclasses.field(default_factory=dict)

    def on(self, act: Act) -> list[Data]:
        """Return the faults of the service; one that ends a play is there for good."""
        times = {"times": None} if self.says else {}
        return [{**act.request, **times, **self.what}] if self.what else []


def _status(status: int, **more: t.Any) -> Data:
    return {"kind": "status", "status": status, **more}


LATER = {"headers": {"Retry-After": "1"}}
NEXT_DAY = {"headers": {"Retry-After": "86400"}}
AT_A_DATE = {"headers": {"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}}

LOG_INS = ("log-in", "log-in to end it")  # a play logs in once
WRITES = ("insert", "boot device", "power on", "power off", "eject", "boot order")

CARRIED = (
    Fault("nothing", {}, ("root",)),
    Fault(
        "the connection is reset",
        {"kind": "reset"},
        ("root", "log-in", "running", "insert", "power off", "boot order"),
    ),
    Fault("reset twice", {"kind": "reset", "times": 2}, ("validate", "insert")),
    Fault("done, and the answer is lost", {"kind": "lost"}, WRITES),
    Fault("a session is made, and the answer is lost", {"kind": "lost"}, LOG_INS[1:], sessions=1),
    Fault("503", _status(503), ("log-in", "insert", "boot device", "power on", "eject")),
    Fault("503, later", _status(503, **LATER), ("log-in to end it", "insert", "eject")),
    Fault("503, at a date", _status(503, **AT_A_DATE), ("boot device",)),
    Fault("429", _status(429), ("power on",)),
    Fault("409 twice", _status(409, times=2), ("insert", "eject")),
    Fault("500 twice", _status(500, times=2), ("validate", "power off")),
    Fault("done, and 503", _status(503, done=True), ("insert", "eject")),
    Fault("done, and 500", _status(500, done=True), ("boot device",)),
    Fault("not JSON", {"kind": "body", "body": b'{"Id": "1", "Na'}, ("validate", "running")),
    Fault("a page", {"kind": "body", "body": b"<html>busy</html>"}, ("look at media",)),
    Fault("a list", {"kind": "body", "body": []}, ("root", "look to end it")),
    Fault("nothing in it", {"kind": "body", "body": b""}, ("running",)),
    Fault("half of a body", {"kind": "cut"}, ("running",)),
    Fault("no power state", {"kind": "change", "change": {"PowerState": None}}, ("running", "look to end it")),
    Fault("taken and forgotten", {"kind": "forgotten"}, ("boot device", "power on", "power off", "eject")),
    Fault("accepted, done later", {"kind": "task", "seconds": 0.7}, WRITES),
    Fault(
        "accepted, done later, nobody says where",
        {"kind": "task", "seconds": 0.7, "location": None},
        ("insert",),
    ),
    Fault("logged out", {"kind": "logged out"}, ("validate", "insert", "power on", "eject")),
    Fault("too late", {"kind": "late", "seconds": 3.0}, ("insert", "power off"), bmc={"timeout": 1.5}),
    Fault("power takes its time", {}, ("power on",), service={"power_seconds": 1.5}),
    Fault("no sessions", {}, ("log-in",), service={"offers_sessions": False}),
    Fault("one session only", {}, ("log-in",), service={"session_limit": 1}),
    Fault("the override can't be removed", _status(500, times=None), ("boot order",), left={"boot": "Cd Continuous"}),
    Fault("the log-out fails twice", _status(500, times=2), ("log-out",)),
    Fault("the log-out is refused", _status(403, times=None), ("log-out",), sessions=1),
)

CREDENTIALS = "refused the credentials"
STILL_RUNNING = {"power": "On", "media": True, "boot": "Cd Continuous"}
STILL_IN = {"media": True, "boot": "Cd Continuous"}

FAILED = (
    Fault("500 for good", _status(500), ("validate", *LOG_INS, "insert", "boot device", "power on"), "HTTP 500"),
    Fault("500 for good", _status(500), ("power off",), "HTTP 500", STILL_RUNNING),
    Fault("500 for good", _status(500), ("eject",), "HTTP 500", STILL_IN),
    Fault("503, next day", _status(503, **NEXT_DAY), ("insert", "power on"), "asked again after 86400 s"),
    Fault("no licence", _status(400, text="no licence"), ("insert", "boot device"), "no licence"),
    Fault("forbidden", _status(403, text="no licence"), ("validate", "power on"), "HTTP 403: no licence"),
    Fault("gone", {"kind": "gone"}, ("root", "log-in"), "can't be reached"),
    Fault("gone", {"kind": "gone"}, ("insert",), "can't be reached", sessions=1),
    Fault("gone", {"kind": "gone"}, ("power on", "eject"), "can't be reached", STILL_IN, sessions=1),
    Fault("gone", {"kind": "gone"}, ("running",), "can't be reached", STILL_RUNNING, sessions=1, starts=2),
    Fault("not JSON for good", {"kind": "body", "body": b"{"}, ("validate",), "not what Redfish prescribes"),
    Fault("nested", {"kind": "deep", "size": 200_000}, ("look at media",), "nested too deeply"),
    Fault("huge", {"kind": "huge", "size": 64 << 20}, ("root",), "more than 16 MiB"),
    Fault("its task fails", {"kind": "task", "fails": "no space"}, ("insert", "power on"), "no space"),
    Fault("taken and forgotten for good", {"kind": "forgotten"}, ("power on",), "last seen"),
    Fault("taken and forgotten for good", {"kind": "forgotten"}, ("boot device",), "accepted it, and reports"),
    Fault("rotated", {"kind": "rotated"}, ("validate", "insert", "log-in to end it"), CREDENTIALS),
    Fault("rotated", {"kind": "rotated"}, ("power on", "eject"), CREDENTIALS, STILL_IN),
    Fault(
        "elsewhere",
        {"kind": "redirect", "status": 307, "location": "http://192.0.2.7:81/x"},
        ("insert",),
        "another address",
    ),
    Fault(
        "nothing comes",
        {"kind": "late", "seconds": 2.5},
        ("validate",),
        "no answer in time",
        bmc={"timeout": 1.0},
    ),
    Fault("wrong password", {}, ("log-in", "log-in to end it"), CREDENTIALS, bmc={"password": "wrong"}),
)

FAULTS = (*FAILED, *CARRIED)

QUICK = {
    ("done, and the answer is lost", "insert"),
    ("accepted, done later", "power on"),
    ("logged out", "eject"),
    ("no licence", "insert"),
    ("wrong password", "log-in"),
}
