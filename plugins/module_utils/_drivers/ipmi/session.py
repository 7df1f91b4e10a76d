"""The session with a BMC over IPMI: log-in, limits, counting, and the translation of pyghmi's errors.

The only file that knows pyghmi. It runs pyghmi's event loop itself, with callbacks, so that each wait has our limit.
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
    from pyghmi.ipmi import fru as pyghmi_fru
    from pyghmi.ipmi.private import constants as pyghmi_constants
    from pyghmi.ipmi.private import session as pyghmi_session
except ImportError as exc:
    PYGHMI_ERROR: ImportError | None = exc
    PyghmiSession: t.Any = object
else:
    PYGHMI_ERROR = None
    PyghmiSession = pyghmi_session.Session

from ..._contract.node import BMC
from ..._dependency import require
from ..._errors import BMCAuthenticationError, BMCConnectionError, BMCResponseError
from ..._wait import retry
from ..base import Counters
from .address import PRIVILEGE_LEVELS, split_address
from .errors import ONLY_IPMI_15, login_error, malformed, silence, too_short, translate, unreachable

MALFORMED = (struct.error, LookupError, ValueError, TypeError, AssertionError)
"""What pyghmi raises on an answer that is not what the specification says."""

LOOP_INTERVAL = 0.1
"""Seconds that one turn of pyghmi's event loop waits at most: it may sleep over an answer that comes at once."""

SHA1, SHA256 = 1, 256
"""pyghmi's names of the hashes of cipher suites 3 and 17 (table 22-20)."""

HASHES = {None: (SHA256, SHA1), 3: (SHA1,), 17: (SHA256,)}
"""What bm_bmc.cipher_suite allows, best first."""

FIRST_WAIT = 1.0
"""Seconds after which a packet is sent again, at least; doubled with each try to log in, for BMCs that are slow."""


class _Session(PyghmiSession):  # type: ignore[misc]
    """A session that proposes the wanted cipher suites only, never falls back to IPMI 1.5, and ends at our limit.

    pyghmi's constructor logs in, so what a session is to be like is set on a class that is derived for it.
    """

    hashes: t.ClassVar[tuple[int, ...]]
    first_wait: t.ClassVar[float]
    before_command: t.Any
    deadline: float
    refusal = 0

    @property
    def timeout(self) -> float:
        """Seconds until the packet that is under way is sent again."""
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._timeout = max(seconds, self.first_wait)

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

    def onlogon(self, parameter: dict[str, t.Any]) -> None:
        if "error" in parameter and self.sessioncontext == "ESTABLISHED":
            self.logged = 1  # it is open, though it has not got its privilege level: pyghmi is to close it
        super().onlogon(parameter)

    def raw_command(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        self.before_command()
        return super().raw_command(*args, **kwargs)

    def awaitresponse(self, retry: bool, netfn: int, command: int) -> None:
        # An answer that came before the wait began would else be seen at the next retry only, after up to a second.
        self.process_pktqueue()
        super().awaitresponse(retry, netfn, command)


class Session:
    """One session with one BMC; opened at the first use, always closed."""

    def __init__(self, bmc: BMC, node: str, counters: Counters) -> None:
        require("pyghmi", PYGHMI_ERROR)
        self._bmc = bmc
        self._node = node
        self._counters = counters
        self._host, self._port = split_address(bmc, node)
        self._session: t.Any = None
        self._refusal: BMCAuthenticationError | None = None
        self._last_command = 0.0

    def command(
        self, netfn: int, command: int, data: t.Sequence[int] = (), *, doing: str, length: int = 0
    ) -> t.Sequence[int]:
        """Send one command and return the data of its answer, at least ``length`` bytes.

        A session that has died meanwhile is opened anew, once, and a BMC that is busy is asked again, within a bound:
        each command that is used here may be sent twice.

        :raises BMCError: see ``translate``; BMCResponseError for an answer that is too short.
        """
        failed = f"The BMC {self._name} could not {doing}"
        content = retry(lambda: self._ask_anew(netfn, command, data, failed), on=(BMCResponseError,))
        if len(content) < length:
            raise too_short(content, length, failed, self._node)
        return content

    def read_sensors(self) -> list[t.Any]:
        """Return pyghmi's sensor readings."""
        return self._read(lambda bmc: list(bmc.get_sensor_data()), "read its sensors")

    def read_event_log(self) -> list[t.Any]:
        """Return pyghmi's entries of the system event log."""
        return self._read(lambda bmc: list(bmc.get_event_log()), "read its event log")

    @staticmethod
    def health_name(health: t.Any) -> str:
        """Return ok, warning, critical or failed for pyghmi's health flags: the worst one that is set."""
        flags = constants.Health
        names = {flags.Failed: "failed", flags.Critical: "critical", flags.Warning: "warning"}
        return next((name for flag, name in names.items() if (health or 0) & flag), "ok")

    def close(self) -> None:
        """End the session; a BMC that is away is not an error now."""
        session, self._session = self._session, None
        if session is not None:
            self._log_out(session)

    @property
    def _name(self) -> str:
        return f"{self._host} (IPMI, port {self._port})"

    @property
    def _credentials(self) -> dict[str, t.Any]:
        """What pyghmi finds a session by. As bytes: given as text, it takes a closed session for the new one."""
        return {
            "bmc": self._host,
            "userid": (self._bmc.username or "").encode(),
            "password": (self._bmc.password or "").encode(),
            "port": self._port,
            "kg": bytes.fromhex(self._bmc.kg_key) if self._bmc.kg_key else None,
        }

    def _begin_command(self) -> None:
        """Keep the minimum gap between two commands, count this one, and give it its limit."""
        left = self._last_command + self._bmc.min_command_interval - time.monotonic()
        if left > 0:
            time.sleep(left)
        self._last_command = time.monotonic()
        self._counters.bmc_requests += 1
        if self._session is not None:
            self._session.deadline = self._last_command + self._bmc.timeout

    def _ask_anew(self, netfn: int, command: int, data: t.Sequence[int], failed: str) -> t.Sequence[int]:
        """Send one command, in a new session if this one has died, and return the data of its answer."""
        try:
            answer = self._ask(netfn, command, data, failed)
        except BMCConnectionError:
            if self._session is None:  # it could not even be opened
                raise
            self.close()
            answer = self._ask(netfn, command, data, failed)
        if answer.get("code"):
            raise translate(answer["code"], answer.get("error", ""), failed, self._node)
        return t.cast("t.Sequence[int]", answer.get("data") or ())

    def _ask(self, netfn: int, command: int, data: t.Sequence[int], failed: str) -> dict[str, t.Any]:
        """Send one command and wait for its answer, a dict with ``code``, ``error`` and ``data``."""
        session = self._open()
        answers: list[dict[str, t.Any]] = []
        with self._translated(failed):
            session.raw_command(netfn, command, data=list(data), callback=answers.append)
            self._run(lambda: bool(answers), time.monotonic() + self._bmc.timeout)
            session.incommand = False
        if not answers or answers[0].get("code") == 0xFFFF:
            raise self._silence(failed)
        return answers[0]

    def _open(self) -> t.Any:
        """Return the open session, logging in at the first call; again and again until the BMC's timeout.

        :raises BMCConnectionError: nobody answers.
        :raises BMCAuthenticationError: credentials, privilege level or K_g are refused; not tried again.
        """
        if self._session is not None:
            return self._session
        if self._refusal is not None:  # not sent again, whoever asks
            raise self._refusal
        failed = f"The BMC {self._name} does not let us in"
        deadline = time.monotonic() + self._bmc.timeout
        first_wait = FIRST_WAIT
        while True:
            self._begin_command()
            with self._translated(failed):
                session, outcome = self._log_in(deadline, first_wait)
            if outcome.get("success"):
                self._session = session
                return session
            reason = str(outcome.get("error") or "timeout")
            if reason != "timeout":
                error = login_error(reason, failed, self._node)
                self._refusal = error if isinstance(error, BMCAuthenticationError) else None
                raise error
            if time.monotonic() >= deadline:
                raise self._silence(f"The BMC {self._name} can't be reached")
            first_wait *= 2

    def _log_in(self, deadline: float, first_wait: float) -> tuple[t.Any, dict[str, t.Any]]:
        """Try to log in; what has begun and came to nothing is ended."""
        outcome: dict[str, t.Any] = {}
        wishes = {"hashes": HASHES[self._bmc.cipher_suite], "before_command": self._begin_command}
        session = type("_OurSession", (_Session,), {**wishes, "first_wait": first_wait, "deadline": deadline})(
            **self._credentials,
            onlogon=outcome.update,
            privlevel=PRIVILEGE_LEVELS.get(self._bmc.privilege_level or ""),
        )
        try:
            self._run(lambda: bool(outcome), deadline)
        finally:
            if not outcome.get("success"):
                self._log_out(session)
        return session, outcome

    @staticmethod
    def _log_out(session: t.Any) -> None:
        """Send Close Session, if the session is open; what may be under way is given up, else pyghmi waits for it."""
        session.incommand, session.lastpayload = False, None
        with contextlib.suppress(exceptions.IpmiException, OSError, *MALFORMED):
            session.logout()

    @staticmethod
    def _run(is_done: t.Callable[[], bool], deadline: float) -> None:
        """Run pyghmi's event loop until it is done, or the deadline has come."""
        while not is_done() and (left := deadline - time.monotonic()) > 0:
            _Session.wait_for_rsp(timeout=min(left, LOOP_INTERVAL))

    def _read(self, read: t.Callable[[t.Any], list[t.Any]], doing: str) -> list[t.Any]:
        """Let pyghmi read what takes many commands, over our session."""
        self._open()
        with self._translated(f"The BMC {self._name} could not {doing}"):
            # It finds the open session by address and credentials, and takes it.
            return read(pyghmi_command.Command(**self._credentials))

    @contextlib.contextmanager
    def _translated(self, failed: str) -> t.Iterator[None]:
        """Turn pyghmi's errors into ours."""
        try:
            yield
        except TimeoutError as exc:
            raise self._silence(failed) from exc
        except (exceptions.IpmiException, OSError) as exc:
            raise unreachable(exc, failed, self._node) from exc
        except MALFORMED as exc:
            self.close()
            raise malformed(exc, failed, self._node) from exc

    def _silence(self, failed: str) -> BMCConnectionError:
        return silence(failed, self._node, self._bmc.timeout, self._port)


def parse_fru(content: bytes) -> dict[str, t.Any]:
    """Return the fields of a FRU by pyghmi's names; ValueError for what is none."""
    try:
        return dict(pyghmi_fru.FRU(rawdata=content).info)
    except (exceptions.IpmiException, *MALFORMED) as exc:
        raise ValueError(f"The FRU is malformed: {exc}.") from exc
