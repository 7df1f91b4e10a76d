"""The session with a BMC over IPMI: log-in, limits, counting, and the translation of pyghmi's errors."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import itertools
import time
import typing as t

from ..._contract.node import BMC
from ..._dependency import require
from ..._errors import (
    BareMetalError,
    BMCAuthenticationError,
    BMCConnectionError,
    BMCResponseError,
    UnsupportedOperationError,
)
from ..._wait import retry
from ..base import Counters
from ..memory import Memory
from . import lan
from .address import PRIVILEGE_LEVELS, split_address
from .errors import login_error, malformed, silence, too_short, translate, unreachable

FIRST_WAIT = 1.0
"""Seconds after which a packet is sent again, at least; doubled with each try to log in, for BMCs that are slow."""

PROPOSALS = 3
"""How often a cipher suite is proposed to a BMC that does not say a word to it, before another one is."""

PROPOSAL = "proposal"
"""What is remembered: the hashes that a BMC took which is silent to better ones, so that none waits for it again."""


class Session:
    """One session with one BMC; opened at the first use, always closed.

    :param recall: returns what was learnt of the BMC before.
    """

    def __init__(
        self, bmc: BMC, node: str, counters: Counters, recall: t.Callable[[], t.Mapping[str, t.Any]] = dict
    ) -> None:
        require("pyghmi", lan.PYGHMI_ERROR)
        self._bmc = bmc
        self._node = node
        self._counters = counters
        self._host, self._port = split_address(bmc, node)
        self.credentials = lan.credentials_of(bmc, self._host, self._port)
        self.memory = Memory(recall, of=f"ipmi://{self._host}:{self._port}")
        self._session: t.Any = None
        self._odd: list[Exception] = []
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

    def close(self) -> None:
        """End the session; a BMC that is away is not an error now."""
        session, self._session = self._session, None
        if session is not None:
            lan.end(session)

    @property
    def _name(self) -> str:
        return f"{self._host} (IPMI, port {self._port})"

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
        self._odd.clear()
        answers: list[dict[str, t.Any]] = []
        with self._translated(failed):
            session.raw_command(netfn, command, data=list(data), callback=answers.append)
            lan.run(lambda: bool(answers), time.monotonic() + self._bmc.timeout)
            session.incommand = False
        if not answers or answers[0].get("code") == 0xFFFF:
            raise self._no_answer(failed)
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
        deadline = time.monotonic() + self._bmc.timeout
        proposals, first_wait = itertools.cycle(self._proposals()), FIRST_WAIT
        while True:
            self._begin_command()
            with self._translated(self._stays_out):
                session, outcome = self._log_in(deadline, first_wait, proposal := next(proposals))
            if outcome.get("success"):
                self._session = session
                self._remember(proposal)
                return session
            error = self._failure(outcome)
            is_silent = isinstance(error, BMCConnectionError)
            if not is_silent and not isinstance(error, UnsupportedOperationError):
                raise error
            if not is_silent and self.memory[PROPOSAL]:  # it did that suite once, and may have got other firmware
                self.memory[PROPOSAL] = None
                continue
            # Silence may be over; and who was silent to one suite and refuses the next may do the first.
            if not (is_silent or first_wait > FIRST_WAIT) or time.monotonic() >= deadline:
                raise error
            first_wait *= 2

    @property
    def _stays_out(self) -> str:
        return f"The BMC {self._name} does not let us in"

    def _failure(self, outcome: lan.Outcome) -> BareMetalError:
        """Return the error of a log-in that came to nothing; refused credentials are not sent again."""
        reason = str(outcome.get("error") or "timeout")
        if reason == "timeout":
            return self._no_answer(f"The BMC {self._name} can't be reached")
        error = login_error(reason, self._stays_out, self._node)
        self._refusal = error if isinstance(error, BMCAuthenticationError) else None
        return error

    def _proposals(self) -> list[tuple[int, ...]]:
        """Return what is proposed, in turn: first what the BMC took when it was silent to the best."""
        return sorted(lan.HASHES[self._bmc.cipher_suite], key=lambda hashes: list(hashes) != self.memory[PROPOSAL])

    def _remember(self, proposal: tuple[int, ...]) -> None:
        if proposal != lan.HASHES[self._bmc.cipher_suite][0]:
            self.memory[PROPOSAL] = list(proposal)

    def _log_in(
        self, deadline: float, first_wait: float, hashes: tuple[int, ...]
    ) -> tuple[lan.LanSession, lan.Outcome]:
        """Try to log in; what has begun and came to nothing is ended."""
        outcome: lan.Outcome = {}
        session = self._begin(outcome, hashes=hashes, first_wait=first_wait, deadline=deadline)
        enough = time.monotonic() + PROPOSALS * first_wait
        try:
            lan.run(lambda: bool(outcome) or (session.is_proposing and time.monotonic() > enough), deadline)
        except lan.IpmiException:  # an answer was lost in the middle of it, and pyghmi's own limit is over, not ours
            outcome = {"error": "timeout"}
        finally:
            if not outcome.get("success"):
                lan.end(session)
        return session, outcome

    def begin(self, outcome: lan.Outcome) -> lan.LanSession:
        """Begin to log in, in a session that is another's to run and to end; ``outcome`` tells what came of it.

        :raises BMCError: the BMC can't be sent anything.
        """
        return self._begin(outcome, hashes=self._proposals()[0], first_wait=FIRST_WAIT, deadline=float("inf"))

    def is_refusal(self, reason: str) -> bool:
        """Say whether pyghmi's reason is that the credentials are refused: they are not to be sent again."""
        return isinstance(login_error(reason, "", self._node), BMCAuthenticationError)

    @property
    def timeout(self) -> float:
        """Limit for logging in, in seconds."""
        return self._bmc.timeout

    def _begin(self, outcome: lan.Outcome, **wishes: t.Any) -> lan.LanSession:
        return lan.begin(
            self.credentials,
            outcome,
            privilege=PRIVILEGE_LEVELS.get(self._bmc.privilege_level or ""),
            before_command=self._begin_command,
            malformed=self._odd,
            **wishes,
        )

    def _read(self, read: t.Callable[[t.Any], list[t.Any]], doing: str) -> list[t.Any]:
        """Let pyghmi read what takes many commands, over our session."""
        self._open()
        self._odd.clear()
        with self._translated(f"The BMC {self._name} could not {doing}"):
            return read(lan.command_of(self.credentials))

    @contextlib.contextmanager
    def _translated(self, failed: str) -> t.Iterator[None]:
        """Turn pyghmi's errors into ours."""
        try:
            yield
        except TimeoutError as exc:
            raise self._no_answer(failed) from exc
        except (lan.IpmiException, OSError) as exc:
            raise unreachable(exc, failed, self._node) from exc
        except lan.MALFORMED as exc:
            self.close()
            raise malformed(exc, failed, self._node) from exc

    def _no_answer(self, failed: str) -> BMCConnectionError:
        """Return the error where nothing came, or nothing that could be read."""
        odd = self._odd.pop() if self._odd else None
        if odd is not None:
            self.close()
        return silence(failed, self._node, self._bmc.timeout, self._port, odd)
