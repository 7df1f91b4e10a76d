"""What becomes of a request that was accepted and goes on: its task monitor (DSP0266, 12.2; Task, DSP2046)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import urlsplit

from .answers import Answer, MalformedError, message_of, shortened

FAILED = frozenset({"Exception", "Killed", "Cancelled"})
"""Task.TaskState of one that has come to nothing."""

GOING_ON = frozenset({"New", "Starting", "Running", "Suspended", "Interrupted", "Stopping", "Cancelling", "Service"})
"""... of one that goes on. Pending is not among them: such a task waits for the machine's next start."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a task is: ``has_ended``; ``failure``: what it says, if it has failed; ``seen``: in words."""

    has_ended: bool
    failure: str = ""
    seen: str = "unknown"


def place_of(answer: Answer) -> str | None:
    """Return the path of the task monitor, None where the answer tells of none."""
    try:
        body = answer.document()
    except MalformedError:
        body = {}
    told = answer.headers.get("Location") or body.get("TaskMonitor")
    if not told and "TaskState" in body:
        told = body.get("@odata.id")
    path = urlsplit(str(told)).path if told else ""  # some name themselves otherwise than they are reached
    return f"/{path.lstrip('/')}" if path.startswith("/") else None


def progress_of(answer: Answer) -> Progress:
    """Return what a task monitor, or a task, tells; one that can't be read has ended: what came of it is looked at."""
    try:
        task = answer.document()
    except MalformedError:
        task = {}
    if answer.status_code in (404, 405, 410, 501):
        return Progress(True, seen="not found")
    later = answer.status_code in (408, 429, 503)
    if answer.status_code >= 400 and not later:
        return Progress(True, failure=answer.words(), seen=f"HTTP {answer.status_code}")
    state = str(task.get("TaskState") or "")
    if state in FAILED or (state == "Completed" and task.get("TaskStatus") == "Critical"):
        return Progress(True, failure=f"{state}: {_messages(task)}", seen=state)
    goes_on = answer.status_code == 202 or later or state in GOING_ON
    percent = task.get("PercentComplete")
    seen = f"{state or f'HTTP {answer.status_code}'}{f', {percent} %' if percent is not None else ''}"
    return Progress(not goes_on, seen=seen)


def _messages(task: t.Mapping[str, t.Any]) -> str:
    found = task.get("Messages")
    texts = [message_of(item) for item in (found if isinstance(found, list) else [found])]
    return shortened(texts) or "it does not say why"
