"""The one policy for all that is written to a BMC: it is carried through, or known not to be.

Each write may be sent twice without doing something else, and can be read back. A BMC that is busy is asked again when
it says, or after growing pauses. What may have been done (no answer, or an error of the server) is looked at first. A
request that is accepted and goes on is followed to its end.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._errors import BMCAuthenticationError, BMCConnectionError, BMCError, BMCResponseError, BMCTimeoutError
from .answers import Answer
from .errors import hint_for
from .session import Session
from .tasks import place_of, progress_of

LONGEST_PAUSE = 5.0
"""Seconds between two looks at a task."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long a write is tried: ``attempts``, and ``wait`` seconds after the first one, growing; ``seconds`` in all.

    Where the BMC says itself when to come back, only ``seconds`` counts. ``early``: whether a task need not end, once
    what was asked for is so.
    """

    attempts: int = 3
    wait: float = 3.0
    seconds: float = 60.0
    early: bool = True


def carry_through(
    session: Session, doing: str, send: t.Callable[[], object], is_done: t.Callable[[], bool], limits: Limits
) -> bool:
    """Send a write until it is taken, and follow its task; say whether the BMC calls it done.

    False: it was accepted, and nothing more can be learned but by reading; or it was done without being said.

    :param send: sends it through ``session``'s resources; what it raises is translated.
    :param is_done: reads back.
    :raises BMCAuthenticationError: the credentials are refused; they are not sent again.
    :raises BMCTimeoutError: its task did not end in time.
    :raises BMCError: it is refused, or the BMC is away; the last answer is in the message.
    """
    started = time.monotonic()
    attempt = 0
    while True:
        attempt += 1
        if attempt > 1:
            session.fence()
        try:
            accepted = [answer for answer in session.write(doing, send) if answer.status_code == 202]
        except (BMCConnectionError, BMCResponseError) as exc:
            error: BMCError = exc
        else:
            for answer in accepted:
                _follow(session, doing, answer, is_done, started + limits.seconds, early=limits.early)
            return not accepted
        if _reads(is_done, error):
            return False
        told = session.retry_after
        left = started + limits.seconds - time.monotonic()
        if told is None:
            pause, again = min(limits.wait * min(8, 2 ** (attempt - 1)), left), attempt < limits.attempts
        else:
            pause, again = max(told, min(1.0, limits.wait)), told <= left
        if not (error.retryable and again and left > 0):
            raise _with_tries(error, attempt, limits.seconds - left, told)
        time.sleep(pause)
        if _reads(is_done, error):  # it was done meanwhile
            return False


def _follow(
    session: Session, doing: str, answer: Answer, is_done: t.Callable[[], bool], deadline: float, *, early: bool
) -> None:
    """Wait until the task of an accepted request ends, or what was asked for is so.

    :raises BMCResponseError: it has failed; with its own messages.
    :raises BMCTimeoutError: it did not end in time.
    """
    place = place_of(answer)
    pause = 0.5
    while place is not None:
        progress = progress_of(session.look(f"tell what becomes of its task to {doing}", place))
        if progress.failure:
            if _reads(is_done):
                return
            raise BMCResponseError(
                f"The BMC accepted to {doing}, and its task {place} failed: {progress.failure}",
                node=session.node,
                hint=hint_for(progress.failure),
            )
        late = time.monotonic() + pause > deadline
        if progress.has_ended or ((early or late) and _reads(is_done)):
            return
        if late:
            raise BMCTimeoutError(
                f"The BMC accepted to {doing}, and its task {place} did not end in time; last seen: {progress.seen}.",
                node=session.node,
                hint="Look at the task and at the BMC's log, then run again.",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _reads(is_done: t.Callable[[], bool], error: BMCError | None = None) -> bool:
    """Return what reading back says; no where it can't be read now.

    :raises BMCError: ``error``, where the BMC is away: it has been asked more than once by then.
    """
    try:
        return is_done()
    except BMCAuthenticationError:
        raise
    except BMCConnectionError as away:
        if error is not None:
            raise error from away
        return False
    except BMCError:
        return False


def _with_tries(error: BMCError, attempts: int, seconds: float, told: float | None) -> BMCError:
    """Return the error with how often it was asked, and when the BMC wants to be asked again."""
    if not error.retryable or (attempts == 1 and told is None):
        return error
    times = "once" if attempts == 1 else f"{attempts} times"
    again = f"; it wants to be asked again after {told:g} s" if told is not None else ""
    text = f"{error.message.rstrip('.')}. Asked {times} within {seconds:.0f} s{again}."
    return type(error)(text, node=error.node, hint=error.hint, retryable=error.retryable)
