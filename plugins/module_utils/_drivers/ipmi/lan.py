"""Sessions over IPMI's LAN interface as pyghmi has them, made to keep our limits. The only file that knows pyghmi.

It runs pyghmi's event loop itself, with callbacks, so that each wait has our limit.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import struct
import time
import typing as t

try:
    from pyghmi import constants, exceptions
    from pyghmi.ipmi import command as pyghmi_command
    from pyghmi.ipmi import console as pyghmi_console
    from pyghmi.ipmi import fru as pyghmi_fru
    from pyghmi.ipmi.private import constants as pyghmi_constants
    from pyghmi.ipmi.private import session as pyghmi_session
except ImportError as exc:
    PYGHMI_ERROR: ImportError | None = exc
    PyghmiSession: t.Any = object
    IpmiException: t.Any = OSError
else:
    PYGHMI_ERROR = None
    PyghmiSession = pyghmi_session.Session
    IpmiException = exceptions.IpmiException

from ..._contract.node import BMC
from .errors import ONLY_IPMI_15

MALFORMED = (struct.error, LookupError, ValueError, TypeError, AssertionError)
"""What pyghmi raises on an answer that is not what the specification says."""

LOOP_INTERVAL = 0.1
"""Seconds that one turn of pyghmi's event loop waits at most: it may sleep over an answer that comes at once."""

CONSOLE_SECONDS = 5.0
"""For a BMC to open a console: others are not heard meanwhile."""

ACTIVATE_PAYLOAD = (0x06, 0x48)
"""Network function and command (section 24.1); bytes 8 and 9 of what it answers are the port of the console."""

SHA1, SHA256 = 1, 256
"""pyghmi's names of the hashes of cipher suites 3 and 17 (table 22-20)."""

HASHES = {None: ((SHA256, SHA1), (SHA1,)), 3: ((SHA1,),), 17: ((SHA256,),)}
"""What bm_bmc.cipher_suite allows: what is proposed, best first, and what instead to a BMC that is silent to it."""

Outcome = dict[str, t.Any]
"""How a log-in ended: ``success``, or ``error``."""


class LanSession(PyghmiSession):  # type: ignore[misc]
    """A session that proposes the wanted cipher suites only, never falls back to IPMI 1.5, and ends at our limit.

    pyghmi's constructor logs in, so what a session is to be like is set on a class that is derived for it.
    """

    hashes: t.ClassVar[tuple[int, ...]]
    first_wait: t.ClassVar[float]
    before_command: t.Any
    deadline: float
    malformed: list[Exception]
    refusal = 0

    @property
    def timeout(self) -> float:
        """Seconds until the packet that is under way is sent again."""
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._timeout = max(seconds, self.first_wait)

    @property
    def is_proposing(self) -> bool:
        """Whether the cipher suite is proposed, and nothing has come of it yet."""
        return bool(self.sessioncontext == "OPENSESSION")

    def _timedout(self) -> None:
        # Inside pyghmi's own waits, which may go on for minutes, this is the one way to end them.
        if self.lastpayload and time.monotonic() >= self.deadline:
            raise TimeoutError
        super()._timedout()

    def _initsession(self) -> None:
        super()._initsession()
        self.attemptedhash = self.hashes[0]

    def _got_rmcp_response(self, data: t.Any) -> t.Any:
        self.refusal = data[1]
        return super()._got_rmcp_response(data)

    def _open_rmcpplus_request(self) -> None:
        if self.attemptedhash in self.hashes:
            super()._open_rmcpplus_request()
        else:  # after a refusal, whatever it was, pyghmi wants to go on with the next suite
            self.onlogon({"error": pyghmi_constants.rmcp_codes.get(self.refusal, "it refuses the cipher suite")})

    def _get_session_challenge(self) -> None:
        self.onlogon({"error": ONLY_IPMI_15})

    def onlogon(self, parameter: Outcome) -> None:
        if "error" in parameter and self.sessioncontext == "ESTABLISHED":
            self.logged = 1  # it is open, though it has not got its privilege level: pyghmi is to close it
        super().onlogon(parameter)

    def raw_command(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        self.before_command()
        answer = super().raw_command(*args, **kwargs)
        if (kwargs.get("netfn"), kwargs.get("command")) == ACTIVATE_PAYLOAD and len(
            (answer or {}).get("data") or ()
        ) > 9:
            # Through a forwarded port a BMC tells its own, which pyghmi refuses: it comes the way the session went.
            answer["data"][8:10] = self.port.to_bytes(2, "little")
        return answer

    def awaitresponse(self, retry: bool, netfn: int, command: int) -> None:
        # An answer that came before the wait began would else be seen at the next retry only, after up to a second.
        self.process_pktqueue()
        super().awaitresponse(retry, netfn, command)

    def process_pktqueue(self) -> None:
        # What can't be read is no answer, whoever has sent it: what is under way is sent again.
        while self.pktqueue:
            try:
                super().process_pktqueue()
            except MALFORMED as exc:
                self.malformed.append(exc)


def credentials_of(bmc: BMC, host: str, port: int) -> dict[str, t.Any]:
    """Return what pyghmi finds a session by. As bytes: given as text, it takes a closed session for the new one."""
    return {
        "bmc": host,
        "userid": (bmc.username or "").encode(),
        "password": (bmc.password or "").encode(),
        "port": port,
        "kg": bytes.fromhex(bmc.kg_key) if bmc.kg_key else None,
    }


def begin(credentials: dict[str, t.Any], outcome: Outcome, *, privilege: int | None, **wishes: t.Any) -> LanSession:
    """Begin to log in; ``outcome`` is filled once it is known, as the event loop runs.

    :param wishes: ``hashes``, ``first_wait``, ``deadline``, ``before_command``, and the list ``malformed``, which gets
        what was wrong with answers that could not be read.
    """
    kind = type("_OurSession", (LanSession,), wishes)
    return t.cast("LanSession", kind(**credentials, onlogon=outcome.update, privlevel=privilege))


def end(session: t.Any) -> None:
    """Send Close Session, if the session is open; what may be under way is given up, else pyghmi waits for it."""
    session.incommand, session.lastpayload = False, None
    with contextlib.suppress(IpmiException, OSError, *MALFORMED):
        session.logout()


def run(is_done: t.Callable[[], bool], deadline: float) -> None:
    """Run pyghmi's event loop, for all sessions of this process, until it is done, or the deadline has come."""
    while not is_done() and (left := deadline - time.monotonic()) > 0:
        LanSession.wait_for_rsp(timeout=min(left, LOOP_INTERVAL))


def command_of(credentials: dict[str, t.Any]) -> t.Any:
    """Return pyghmi's commands over our open session: it finds it by address and credentials, and takes it."""
    return pyghmi_command.Command(**credentials)


def turn(seconds: float) -> None:
    """Run pyghmi's event loop once, for all sessions of this process. Never raises."""
    with contextlib.suppress(IpmiException, OSError, *MALFORMED):
        LanSession.wait_for_rsp(timeout=seconds)


def console_of(credentials: dict[str, t.Any], session: LanSession, take: t.Callable[[t.Any], None]) -> t.Any:
    """Return pyghmi's console over our open session; ``take`` gets bytes, or a dict with ``error`` or ``info``.

    :raises TimeoutError: the BMC does not open it.
    """
    session.deadline = time.monotonic() + CONSOLE_SECONDS
    try:
        return pyghmi_console.Console(**credentials, iohandler=take)
    finally:
        session.deadline = float("inf")


def health_name(health: t.Any) -> str:
    """Return ok, warning, critical or failed for pyghmi's health flags: the worst one that is set."""
    flags = constants.Health
    names = {flags.Failed: "failed", flags.Critical: "critical", flags.Warning: "warning"}
    return next((name for flag, name in names.items() if (health or 0) & flag), "ok")


def parse_fru(content: bytes) -> dict[str, t.Any]:
    """Return the fields of a FRU by pyghmi's names; ValueError for what is none."""
    try:
        return dict(pyghmi_fru.FRU(rawdata=content).info)
    except (IpmiException, *MALFORMED) as exc:
        raise ValueError(f"The FRU is malformed: {exc}.") from exc
