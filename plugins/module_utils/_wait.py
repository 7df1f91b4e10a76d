"""Waiting and trying again: always bounded, and always telling what was seen last."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

try:
    import tenacity
except ImportError as exc:
    TENACITY_ERROR: ImportError | None = exc
else:
    TENACITY_ERROR = None

from ._dependency import require
from ._errors import BMCError, BMCTimeoutError

T = t.TypeVar("T")

MAX_INTERVAL = 5.0
"""Seconds between two looks, in a wait that has become long."""


def retry(
    function: t.Callable[[], T],
    *,
    on: tuple[type[Exception], ...],
    when: t.Callable[[Exception], bool] = lambda dummy: True,
    attempts: int = 3,
    seconds: float | None = None,
    wait: float = 1.0,
) -> T:
    """Call ``function`` until it succeeds, with growing, jittered pauses; the last error is raised.

    Only errors of the classes ``on`` that call themselves retryable are tried again.

    :param when: says of such an error whether it is tried again.
    :param attempts: the limit, unless ``seconds`` is given.
    :param seconds: the limit: no attempt begins later.
    :param wait: seconds of the first pause; they grow to eight times as much.
    """
    require("tenacity", TENACITY_ERROR)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda exc: isinstance(exc, on) and getattr(exc, "retryable", True) and when(exc)
        ),
        stop=tenacity.stop_after_attempt(attempts) if seconds is None else tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_exponential_jitter(multiplier=wait, max=wait * 8, jitter=wait),
        reraise=True,
    )
    return retrying(function)


def wait_until(
    read: t.Callable[[], str | None],
    wanted: str,
    *,
    what: str,
    node: str,
    timeout: float,
    interval: float = 0.5,
    first_look: float = 0.0,
    ask_again: t.Callable[[], object] | None = None,
) -> None:
    """Read until the answer is ``wanted``. A BMC that is away or busy for a moment does not end the wait.

    :param what: what is read, for the message: "power state".
    :param timeout: limit in seconds.
    :param interval: seconds from the first to the second look; the pauses grow from there.
    :param first_look: seconds to the first look.
    :param ask_again: asks anew for what is awaited, after each fifth of the limit.
    :raises BMCTimeoutError: with the limit and what was seen last.
    """
    started = asked = time.monotonic()
    seen: object = None
    time.sleep(min(first_look, timeout))
    while True:
        try:
            seen = read()
        except BMCError as exc:
            if not exc.retryable:
                raise
            seen = exc.message
        if seen == wanted:
            return
        if time.monotonic() - started >= timeout:
            raise BMCTimeoutError(
                f"The {what} of node {node} did not become '{wanted}' within {timeout:g} s; last seen: {seen!r}.",
                node=node,
                hint="Look at the machine's console and at its BMC's log, then run again.",
            )
        if ask_again and time.monotonic() - asked >= timeout / 5:
            ask_again()
            asked = time.monotonic()
        time.sleep(min(interval, max(0.0, timeout - (time.monotonic() - started))))
        interval = min(interval * 1.5, MAX_INTERVAL)
