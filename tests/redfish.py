"""A Redfish BMC on loopback that plays faults given as data, and counts what it was asked (DSP0266, DSP2046).

    with Service(faults=[{"act": "insert", "kind": "status", "status": 503, "headers": {"Retry-After": "1"}}]) as bmc:
        ...                      # bm_bmc: bmc.bmc()
    assert (bmc.sessions, bmc.refused) == (0, 0)

``python -m tests.redfish [FAULTS-AS-JSON]`` serves until it is interrupted, and then prints what was counted.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import contextlib
import copy
import http.server
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
import typing as t
from pathlib import Path

Document = dict[str, t.Any]
Answer = tuple[int, t.Any, dict[str, str]]

ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/1"
MANAGER = f"{ROOT}/Managers/1"
DRIVE = f"{MANAGER}/VirtualMedia/Cd"
SESSION_SERVICE = f"{ROOT}/SessionService"
SESSIONS = f"{SESSION_SERVICE}/Sessions"
TASKS = f"{ROOT}/TaskService/Tasks"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
INSERT = f"{DRIVE}/Actions/VirtualMedia.InsertMedia"
EJECT = f"{DRIVE}/Actions/VirtualMedia.EjectMedia"

TYPES = {
    ROOT: "ServiceRoot",
    f"{ROOT}/Systems": "ComputerSystemCollection",
    f"{ROOT}/Managers": "ManagerCollection",
    SYSTEM: "ComputerSystem",
    MANAGER: "Manager",
    f"{MANAGER}/VirtualMedia": "VirtualMediaCollection",
    DRIVE: "VirtualMedia",
}
"""Schemas of the documents, by path."""


def _asks(method: str, path: str, **wanted: str) -> t.Callable[[Service, str, str, Document], bool]:
    """Return what says of a request whether it is this one; ``wanted`` is looked for in its body, or in its Boot."""

    def fits(dummy: Service, asked: str, at: str, body: Document) -> bool:
        given = {**body, **(body.get("Boot") or {})}
        return (asked, at) == (method, path) and all(given.get(key) == value for key, value in wanted.items())

    return fits


ACTS: dict[str, t.Callable[[t.Any, str, str, Document], bool]] = {
    "root": _asks("GET", ROOT),
    "validate": _asks("GET", SYSTEM),
    "log-in": _asks("POST", SESSIONS),
    "log-out": lambda bmc, method, path, body: method == "DELETE" and path.startswith(SESSIONS),
    "power off": _asks("POST", RESET, ResetType="ForceOff"),
    "soft off": _asks("POST", RESET, ResetType="GracefulShutdown"),
    "look at media": _asks("GET", DRIVE),
    "insert": _asks("POST", INSERT),
    "boot device": _asks("PATCH", SYSTEM, BootSourceOverrideTarget="Cd"),
    "power on": lambda bmc, *asked: bmc.power_ons == 0 and _asks("POST", RESET, ResetType="On")(bmc, *asked),
    "ramdisk up": lambda bmc, *asked: bmc.power_ons > 0 and _asks("GET", SYSTEM)(bmc, *asked),
    "eject": _asks("POST", EJECT),
    "boot disk": _asks("PATCH", SYSTEM, BootSourceOverrideTarget="Hdd"),
    "instance on": lambda bmc, *asked: bmc.power_ons > 0 and _asks("POST", RESET, ResetType="On")(bmc, *asked),
    "task": lambda bmc, method, path, body: method == "GET" and path.startswith(TASKS),
    "anything": lambda *dummy: True,
}
"""What a deployment asks of its BMC, by the name that a fault has for it: ``(service, method, path, body)``."""


def _link(path: str) -> Document:
    return {"@odata.id": path}


def make_error(status: int, text: str, code: str = "Base.1.18.GeneralError", **headers: str) -> Answer:
    info = [{"MessageId": code, "Message": text}]
    return status, {"error": {"code": code, "message": text, "@Message.ExtendedInfo": info}}, headers


def make_tree() -> dict[str, Document]:
    """Return what it has: path to document."""
    actions = {"#VirtualMedia.InsertMedia": {"target": INSERT}, "#VirtualMedia.EjectMedia": {"target": EJECT}}
    reset = {"target": RESET, "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown"]}
    boot = {
        "BootSourceOverrideEnabled": "Disabled",
        "BootSourceOverrideTarget": "None",
        "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Cd", "Hdd"],
        "BootSourceOverrideMode": "UEFI",
    }
    system = {"PowerState": "Off", "Boot": boot, "Actions": {"#ComputerSystem.Reset": reset}}
    system |= {"Manufacturer": "Acme", "Links": {"ManagedBy": [_link(MANAGER)]}, "SecureBoot": _link(f"{SYSTEM}/SB")}
    drive = {"MediaTypes": ["CD", "DVD"], "Image": None, "Inserted": False, "Actions": actions}
    tree: dict[str, Document] = {
        ROOT: {
            "RedfishVersion": "1.15.0",
            "Systems": _link(f"{ROOT}/Systems"),
            "Managers": _link(f"{ROOT}/Managers"),
            "SessionService": _link(SESSION_SERVICE),
            "Links": {"Sessions": _link(SESSIONS)},
        },
        SESSION_SERVICE: {"ServiceEnabled": True, "Sessions": _link(SESSIONS)},
        f"{ROOT}/Systems": {"Members": [_link(SYSTEM)]},
        f"{ROOT}/Managers": {"Members": [_link(MANAGER)]},
        SYSTEM: system,
        f"{SYSTEM}/SB": {"SecureBootEnable": False, "SecureBootCurrentBoot": "Disabled", "SecureBootMode": "UserMode"},
        MANAGER: {"ManagerType": "BMC", "FirmwareVersion": "1.0", "VirtualMedia": _link(f"{MANAGER}/VirtualMedia")},
        f"{MANAGER}/VirtualMedia": {"Members": [_link(DRIVE)]},
        DRIVE: drive,
    }
    return {
        path: {
            **_link(path),
            **({"@odata.type": f"#{TYPES[path]}.v1_0_0.{TYPES[path]}"} if path in TYPES else {}),
            "Id": path.rpartition("/")[2],
            "Name": path.rpartition("/")[2],
            **body,
        }
        for path, body in tree.items()
    }


class Service(http.server.ThreadingHTTPServer):
    """A BMC with one System, one Manager and its CD drive, sessions and tasks. The account is admin, password right.

    A fault is a dict: ``act`` (a name of ACTS) or ``method`` and ``path`` (a regular expression); ``nth``: from which
    request of this kind on, 1; ``times``: for how many of them, 1 (None: for good); ``kind``, and what it needs:

    =================  ===========================================================================================
    status             ``status``, ``headers``, ``text``, ``code`` instead of doing it; ``done``: after doing it
    body               ``body`` (bytes, or anything as JSON) as answer with ``status`` 200; ``headers``
    change             ``change``: what is put into the right answer: {"PowerState": None}
    reset, lost        the connection is reset, before or after doing it
    late, drip, cut    ``seconds`` until it is done and answered; ``seconds`` between two bytes (``head``: of the
                       status line, too); half of the answer
    huge, deep         ``size`` bytes, or brackets
    redirect           ``status``, ``location``
    forgotten          answered as if done
    task               202; done after ``seconds``, or ended with ``fails`` (a message, or Messages of any shape);
                       ``location``: where it is said to be (None: nowhere); ``monitor``: it answers the outcome itself
    logged out         all sessions are forgotten first
    rotated            all sessions are forgotten first, and the password is another one from now on
    gone               nothing answers from now on
    =================  ===========================================================================================

    ``power_seconds``: how long a change of power takes. ``session_limit``: how many sessions it has.
    ``offers_sessions``, ``takes_basic``: False for a service without. ``certificate``: files of a certificate and
    its key; the service is https then.

    ``acts`` is what it did, ``doubles`` what it was asked to do although it was so already, or on its way there.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        faults: t.Iterable[Document] = (),
        *,
        certificate: tuple[Path, Path] | None = None,
        power_seconds: float = 0.0,
        session_limit: int = 16,
        offers_sessions: bool = True,
        takes_basic: bool = True,
        power: str = "Off",
        port: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.tree = make_tree()
        if not offers_sessions:
            for key in ("SessionService", "Links"):
                del self.tree[ROOT][key]
        self.system["PowerState"] = self._wanted_power = power
        self.lock = threading.RLock()
        self.played: list[Document] = []
        self.arm(faults)
        self.password = "right"
        self.tokens: dict[str, str] = {}
        self.peak = self.logins = self.refused = self.power_ons = 0
        self.requests: list[tuple[str, str]] = []
        self.connections = 0
        self.writes: list[tuple[str, str, Document]] = []
        self.acts: list[str] = []
        self.doubles: list[str] = []
        self.tasks: dict[str, Answer] = {}
        self.boots: list[str] = []
        self.passwords = 0
        self.is_gone = False
        self.takes_basic = takes_basic
        self.sessions_place = SESSIONS
        self._offers_sessions, self._session_limit, self._power_seconds = offers_sessions, session_limit, power_seconds
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Service:  # type: ignore[override]
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def bmc(self, **changes: t.Any) -> Document:
        """Return bm_bmc for it, with what a test wants to be different."""
        return {"address": self.url, "username": "admin", "password": "right", **changes}

    def arm(self, faults: t.Iterable[Document] = ()) -> None:
        """Play these faults from now on, and no others: counted from the next request."""
        self.faults = [{"nth": 1, "times": 1, "seen": 0, **fault} for fault in faults]

    @property
    def sessions(self) -> int:
        """How many sessions are open now; ``peak``: how many were at most."""
        return len(self.tokens)

    @property
    def system(self) -> Document:
        return self.tree[SYSTEM]

    @property
    def drive(self) -> Document:
        return self.tree[DRIVE]

    def counts(self) -> Document:
        """Return what was counted, as one document: ``refused`` is how often wrong credentials were sent."""
        names = ("sessions", "peak", "logins", "refused", "passwords", "power_ons", "acts", "boots", "doubles")
        return {**{name: getattr(self, name) for name in names}, "requests": len(self.requests)}

    def handle_error(self, *dummy: object) -> None:
        """A client that has gone is no news."""

    def fault_for(self, method: str, path: str, body: Document) -> Document | None:
        """Return the fault that is played on this request; each counts what it fits."""
        found = None
        for fault in self.faults:
            if "act" in fault:
                fits = ACTS[fault["act"]](self, method, path, body)
            else:
                fits = method == fault["method"] and re.search(fault["path"], path) is not None
            fault["seen"] += fits
            last = fault["nth"] - 1 + (fault["times"] if fault["times"] is not None else sys.maxsize)
            if fits and found is None and fault["nth"] <= fault["seen"] <= last:
                found = fault
        if found is not None:
            self.played.append(found)
        return found

    def answer(self, method: str, path: str, body: Document, headers: t.Any) -> Answer:
        """Do what a request asks, and return status, body and headers of the answer."""
        if self.is_entry(method, path):
            return self._log_in(body)
        if not self.is_allowed(path, headers):
            return make_error(401, "There is no valid session.", "Base.1.18.NoValidSession")
        if method == "GET":
            return self.answer_get(path)
        if method == "DELETE":
            return self._log_out(path)
        self.writes.append((method, path, body))
        if (method, path) == ("PATCH", SYSTEM):
            return self._set_boot(body.get("Boot") or {})
        if (method, path) == ("PATCH", f"{SYSTEM}/SB"):
            self.tree[path].update(body)
            self.acts.append(f"secure boot {body['SecureBootEnable']}")
            return 204, None, {}
        action = {RESET: self._reset, INSERT: self._insert, EJECT: self._eject}.get(path)
        return action(body) if action else make_error(405, "Not allowed.")

    def is_entry(self, method: str, path: str) -> bool:
        """Say whether a request is a log-in."""
        return method == "POST" and path == self.sessions_place and self._offers_sessions

    def is_allowed(self, path: str, headers: t.Any) -> bool:
        """Say whether a request may be answered: the root to everybody; what was refused is counted."""
        return path == ROOT or self._is_known(headers)

    def answer_get(self, path: str) -> Answer:
        """Return the answer to a GET."""
        if path == self.sessions_place:
            members = [_link(f"{self.sessions_place}/{number}") for number in self.tokens.values()]
            return 200, {**_link(SESSIONS), "Name": "Sessions", "Members": members}, {}
        if path in self.tasks:
            return self.tasks[path]
        found = self.tree.get(path)
        return (200, copy.deepcopy(found), {}) if found is not None else make_error(404, "No such thing.")

    def _is_known(self, headers: t.Any) -> bool:
        if headers.get("X-Auth-Token") in self.tokens:
            return True
        kind, dummy, coded = (headers.get("Authorization") or "").partition(" ")
        if kind != "Basic":
            return False
        self.passwords += 1
        with contextlib.suppress(binascii.Error):
            if self.takes_basic and base64.b64decode(coded) == f"admin:{self.password}".encode():
                return True
        self.refused += 1
        return False

    def _log_in(self, body: Document) -> Answer:
        self.passwords += 1
        if (body.get("UserName"), body.get("Password")) != ("admin", self.password):
            self.refused += 1
            return make_error(401, "Wrong user name or password.", "Base.1.18.NoValidSession")
        if len(self.tokens) >= self._session_limit:
            return make_error(503, "Too many sessions.", "Base.1.18.SessionLimitExceeded")
        self.logins += 1
        token, place = f"token-{self.logins}", f"{self.sessions_place}/{self.logins}"
        self.tokens[token] = str(self.logins)
        self.peak = max(self.peak, len(self.tokens))
        return 201, {**_link(place), "Id": str(self.logins)}, {"X-Auth-Token": token, "Location": place}

    def _log_out(self, path: str) -> Answer:
        token = next((key for key, number in self.tokens.items() if path == f"{self.sessions_place}/{number}"), None)
        if token is None:
            return make_error(404, "No such session.")
        del self.tokens[token]
        return 204, None, {}

    def _set_boot(self, boot: Document) -> Answer:
        self.system["Boot"].update(boot)
        if boot.get("BootSourceOverrideEnabled") == "Disabled":
            self.system["Boot"]["BootSourceOverrideTarget"] = "None"
        now = self.system["Boot"]
        self.acts.append(f"boot {now['BootSourceOverrideTarget']} {now['BootSourceOverrideEnabled']}")
        return 204, None, {}

    def _reset(self, body: Document) -> Answer:
        wanted = {"On": "On", "ForceOff": "Off", "GracefulShutdown": "Off"}[body["ResetType"]]
        if self._wanted_power == wanted:
            self.doubles.append(f"power {wanted.lower()}")
            return make_error(409, f"The machine is {wanted} already.", "Base.1.18.NoOperation")
        self._wanted_power = wanted
        if self._power_seconds:
            threading.Timer(self._power_seconds, self._power, (wanted,)).start()
        else:
            self._power(wanted)
        return 204, None, {}

    def _power(self, wanted: str) -> None:
        with self.lock:
            self.system["PowerState"] = wanted
            self.acts.append(f"power {wanted.lower()}")
            if wanted == "On":
                self.power_ons += 1
                boot = self.system["Boot"]
                self.boots.append(
                    self.drive["Image"] or "nothing" if boot["BootSourceOverrideTarget"] == "Cd" else "disk"
                )
                if boot["BootSourceOverrideEnabled"] == "Once":
                    boot.update(BootSourceOverrideEnabled="Disabled", BootSourceOverrideTarget="None")

    def _insert(self, body: Document) -> Answer:
        if self.drive["Inserted"]:
            self.doubles.append("insert")
            return make_error(409, "Something is inserted.", "Base.1.18.ResourceInUse")
        self.drive.update(Image=body["Image"], Inserted=True)
        self.acts.append("insert")
        return 204, None, {}

    def _eject(self, body: Document) -> Answer:
        if not self.drive["Inserted"]:
            self.doubles.append("eject")
            return make_error(500, "Nothing is inserted.")
        self.drive.update(Image=None, Inserted=False)
        self.acts.append("eject")
        return 204, None, {}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        with self.server.lock:
            self.server.connections += 1
        self.request.settimeout(60)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def log_message(self, *dummy: object) -> None:
        """Be quiet."""

    def answer_all(self) -> None:
        bmc, length = self.server, int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        body = json.loads(raw) if raw else {}
        path = self.path.rstrip("/")
        with bmc.lock:
            bmc.requests.append((self.command, path))
            fault = bmc.fault_for(self.command, path, body)
            if bmc.is_gone:
                return self.drop()
            if fault is None:
                return self.send(*bmc.answer(self.command, path, body, self.headers))
        play = getattr(self, f"play_{fault['kind'].replace(' ', '_')}")
        asked, headers = self.command, self.headers  # the next request on this connection has others
        return play(fault, lambda: self.do(asked, path, body, headers))

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer_all  # noqa: N815

    def do(self, *asked: t.Any) -> Answer:
        with self.server.lock:
            return self.server.answer(*asked)

    def send(self, status: int, body: t.Any = None, headers: t.Mapping[str, str] = {}, share: float = 1.0) -> None:  # pylint: disable=dangerous-default-value
        """Answer; with a share of the body only, if it is less than 1."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content[: int(len(content) * share)])
        if share < 1:
            self.close_connection = True

    def drop(self) -> None:
        """Reset the connection."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.wfile = open("/dev/null", "wb")  # noqa: SIM115 what is flushed at the end goes nowhere

    def play_status(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        if fault.get("done"):
            do()
        status, body, dummy = make_error(
            fault["status"], fault.get("text", "injected fault"), fault.get("code", "Fault")
        )
        self.send(status, body, fault.get("headers", {}))

    def play_body(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.send(fault.get("status", 200), fault["body"], fault.get("headers", {}))

    def play_change(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        status, body, headers = do()
        self.send(status, {**body, **fault["change"]}, headers)

    def play_reset(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.drop()

    def play_lost(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        do()
        self.drop()

    def play_late(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        answer = do()
        time.sleep(fault["seconds"])
        self.send(*answer)

    def play_drip(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        status, body, dummy = do()
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        self.close_connection = True
        with contextlib.suppress(OSError):
            if not fault.get("head"):
                self.wfile.write(head)
            for byte in (head if fault.get("head") else b"") + content:
                self.wfile.write(bytes([byte]))
                time.sleep(fault["seconds"])

    def play_cut(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.send(*do(), share=0.5)

    def play_huge(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        """Without a length, so that only reading shows it; until the other side has had enough."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"Id": "')
            for number in range(fault["size"] // 65536):
                self.wfile.write(b"x" * 65536)
                fault["sent"] = number * 65536
            self.wfile.write(b'"}')

    def play_deep(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.send(200, b"[" * fault["size"])

    def play_redirect(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.send(fault["status"], None, {"Location": fault["location"]})

    def play_forgotten(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.send(204)

    def play_logged_out(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.server.tokens.clear()
        self.send(*do())

    def play_rotated(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.server.password = "another"
        self.play_logged_out(fault, do)

    def play_gone(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        self.server.is_gone = True
        self.drop()

    def play_task(self, fault: Document, do: t.Callable[[], Answer]) -> None:
        bmc, place, fails = self.server, f"{TASKS}/{len(self.server.requests)}", fault.get("fails")
        task: Document = {**_link(place), "Id": "1", "Name": "Task", "TaskState": "Running", "Messages": []}
        bmc.tasks[place] = (202 if fault.get("monitor") else 200, task, {})

        def end() -> None:
            if fails is None:
                outcome = do()
                ended = {**task, "TaskState": "Completed", "TaskStatus": "OK"}
            else:
                outcome = make_error(500, str(fails))
                messages = [{"MessageId": "Fault", "Message": fails}] if isinstance(fails, str) else fails
                ended = {**task, "TaskState": fault.get("state", "Exception"), "Messages": messages}
            bmc.tasks[place] = outcome if fault.get("monitor") else (200, ended, {})

        threading.Timer(fault.get("seconds", 0.0), end).start()
        location = fault.get("location", place)
        self.send(202, task if location else None, {"Location": location} if location else {})


def main() -> None:
    """Serve until interrupted; print the URL first, and what was counted last."""
    with Service(json.loads(sys.argv[1]) if len(sys.argv) > 1 else []) as bmc, contextlib.suppress(KeyboardInterrupt):
        print(bmc.url, flush=True)
        threading.Event().wait()
    print(json.dumps(bmc.counts()), flush=True)


if __name__ == "__main__":
    main()
