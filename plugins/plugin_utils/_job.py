"""How an action runs its module as a job on the node: started, followed with its progress, found again, collected.

The connection is only needed to look. So the work may take hours, and outlives a connection that breaks.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import abc
import contextlib
import json
import posixpath
import shlex
import time
import typing as t
from dataclasses import dataclass

from ansible.errors import AnsibleError
from ansible.utils.display import Display

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import renew_reservation
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import (
    BareMetalError,
    InvalidRequestError,
    StepError,
)
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import run_owner
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._in_band import InBandAction

Result = dict[str, t.Any]

_FIRST_POLLS = (0.5, 1.0, 1.5)  # what is small is done soon
_POLL_SECONDS = 3.0
_SHOW_PERCENT = 10
_RENEW_SECONDS = 60.0
_KILL_MARGIN = 30  # the job's own limit on the node is later: for a controller that can't reach it any more
_LOST_POLLS = 3  # a job without a process for so many polls in a row has no result to wait for
_NO_ANSWER = "No start of json char found"  # async_wrapper's words for a module that printed nothing
_MARK = "--baremetal-lifecycle--"
_ASYNC_KEYS = ("ansible_job_id", "results_file", "started", "finished")


@dataclass(frozen=True)
class View:
    """What a progress file tells: ``phase`` and ``percent`` decide what is news, ``text`` is shown."""

    phase: str
    percent: int
    text: str


class JobAction(InBandAction):
    """Start, follow, collect."""

    ACT: str
    """What is done, in a word: it begins each line."""
    TIME_LIMIT: int
    """Default of the option ``time_limit``, in seconds."""
    SHOW_SECONDS: float
    """A line is shown that often, even without news."""
    LIMIT_HINT: str
    DIED_HINT: str

    @abc.abstractmethod
    def get_progress_paths(self) -> list[str]:
        """Return where the progress file may be, as words for the node's shell."""

    @abc.abstractmethod
    def describe(self, progress: Result) -> View:
        """Return what the progress file tells."""

    def salvage(self, _progress: Result) -> Result:
        """Return what of the last progress belongs to the result of a job that failed."""
        return {}

    def run_in_band(self, task_vars: Result) -> Result:
        """Return the result of the module; in check mode without the background job."""
        self._reservation = self._task.args.pop("reservation", None)  # stays here: the store's URL may hold a password
        self._renewed = time.monotonic()
        self._host = str(task_vars.get("inventory_hostname", "node"))
        if self._task.check_mode:
            return super().run_in_band(task_vars)
        return self._run_job(task_vars)

    def while_silent(self) -> None:
        """Prolong the node's reservation: another controller must not take a node that is being worked on."""
        if self._reservation and time.monotonic() - self._renewed > _RENEW_SECONDS:
            renew_reservation(self._reservation, run_owner())
            self._renewed = time.monotonic()

    def _run_job(self, task_vars: Result) -> Result:
        limit = _parse_limit(self._task.args.get("time_limit", self.TIME_LIMIT))
        paths = self.get_progress_paths()
        # A second start is harmless: the module deals with a job that is at it already.
        started = self.patiently(lambda: self._start_job(task_vars, limit + _KILL_MARGIN))
        if started.get("failed") or not started.get("ansible_job_id"):
            return started
        job = _Job(str(started["ansible_job_id"]), str(started["results_file"]), paths)
        reporter = _Reporter(f"{self._host}: {self.ACT}", self.SHOW_SECONDS)
        try:
            self._follow(job, reporter, limit)
        except BareMetalError as exc:
            self._kill(job)
            return {"failed": True, **exc.to_result(), **self.salvage(job.progress)}
        try:
            result = self._collect(job, reporter, task_vars)
        except BareMetalError as exc:
            return {"failed": True, **exc.to_result(), **self.salvage(job.progress)}
        return {**self.salvage(job.progress), **result} if result.get("failed") else result

    def _start_job(self, task_vars: Result, limit: int) -> Result:
        # async_val is what the job's supervisor on the node is told; the task itself stays an ordinary one.
        self._task.async_val = limit
        try:
            return t.cast(Result, self._execute_module(task_vars=task_vars, wrap_async=True))
        finally:
            self._task.async_val = 0

    def _collect(self, job: _Job, reporter: _Reporter, task_vars: Result) -> Result:
        """Return the result of a job that has ended.

        :raises StepError: the job left none, or the node stays out of reach.
        """
        result = self.patiently(lambda: self._async_status(job, "status", task_vars))
        with contextlib.suppress(AnsibleError):
            self._async_status(job, "cleanup", task_vars)
        if result.get("failed") and _NO_ANSWER in str(result.get("msg")):
            said = " ".join(str(result.get("stderr", "")).split())[-300:] or "no message"
            raise StepError(
                f"{self.ACT} died on {self._host} without an answer ({said}); last seen: {reporter.last}.",
                hint=f"Was it killed, or the ramdisk out of memory? Look at dmesg there. {self.DIED_HINT}",
                retryable=True,
            )
        return {key: value for key, value in result.items() if key not in _ASYNC_KEYS}

    def _async_status(self, job: _Job, mode: str, task_vars: Result) -> Result:
        args: Result = {"jid": job.number, "mode": mode, "_async_dir": posixpath.dirname(job.results_file)}
        return t.cast(
            Result, self._execute_module("ansible.legacy.async_status", module_args=args, task_vars=task_vars)
        )

    def _follow(self, job: _Job, reporter: _Reporter, limit: int) -> None:
        """Wait for the end of the job.

        :raises StepError: the time limit, a node that stays out of reach, or a job that died.
        :raises NodeLockedError: the reservation was lost to another run.
        """
        deadline = time.monotonic() + limit
        pauses = iter(_FIRST_POLLS)
        while True:
            time.sleep(next(pauses, _POLL_SECONDS))
            finished = self.patiently(lambda: self._look(job))
            if job.progress:
                reporter.show(self.describe(job.progress))
            self.while_silent()
            if finished:
                return
            if job.polls_without_process >= _LOST_POLLS:
                raise StepError(
                    f"{self.ACT} on {self._host} ended without a result; last seen: {reporter.last}.",
                    hint="Did the node reboot, or run out of memory? Look at its console, then run again.",
                    retryable=True,
                )
            if time.monotonic() > deadline:
                raise StepError(
                    f"{self.ACT} on {self._host} was not done within {limit} s; last seen: {reporter.last}.",
                    hint=f"Raise time_limit, or find out why {self.LIMIT_HINT} so slow.",
                )

    def _look(self, job: _Job) -> bool:
        output = self._low_level_execute_command(job.get_look_command())
        return job.take(output["stdout"])

    def _kill(self, job: _Job) -> None:
        pid = job.progress.get("pid")
        if isinstance(pid, int):
            with contextlib.suppress(AnsibleError):
                self._low_level_execute_command(f"kill -KILL {pid}")


class _Job:
    """The job on the node, as its files there tell."""

    def __init__(self, number: str, results_file: str, progress_paths: list[str]) -> None:
        self.number = number
        self.results_file = results_file
        self.progress: Result = {}
        self.polls_without_process = 0
        self._progress_paths = progress_paths

    def get_look_command(self) -> str:
        """Return the one shell command of a poll: no module, because a slow node needs a second to start Python."""
        results = shlex.quote(self.results_file)
        # A progress file that is older than the job belongs to an earlier one.
        shown = "; ".join(f"test {path} -nt {results} && cat {path}" for path in self._progress_paths)
        pid = self.progress.get("pid")
        alive = f"test -d /proc/{pid} && echo yes" if isinstance(pid, int) else "echo yes"
        return f"cat {results}; echo {_MARK}; {alive}; echo {_MARK}; {shown}; true"

    def take(self, output: str) -> bool:
        """Take in what the command printed; return whether the job is finished."""
        results, alive, progress = [*output.split(_MARK), "", ""][:3]
        self.progress = _parse(progress) or self.progress
        state = _parse(results)
        finished = bool(state) and ("started" not in state or bool(state.get("finished")))
        lost = not finished and (not state or "yes" not in alive)
        self.polls_without_process = self.polls_without_process + 1 if lost else 0
        return finished


class _Reporter:
    """Shows a line at each tenth, at each phase, and from time to time."""

    def __init__(self, prefix: str, seconds: float) -> None:
        self.last = "nothing"
        self._prefix = prefix
        self._seconds = seconds
        self._phase = ""
        self._percent = 0
        self._shown = time.monotonic()

    def show(self, view: View) -> None:
        """Show the state of the job, if there is news."""
        self.last = view.text
        news = view.phase != self._phase or view.percent >= self._percent + _SHOW_PERCENT
        if news or time.monotonic() - self._shown >= self._seconds:
            self._phase, self._percent, self._shown = view.phase, view.percent, time.monotonic()
            Display().display(f"{self._prefix} {view.text}")


def _parse(text: str) -> Result:
    # A file that is being made, or a message of the day around it, is no answer yet.
    with contextlib.suppress(ValueError):
        parsed = json.loads(text[text.index("{") : text.rindex("}") + 1])
        if isinstance(parsed, dict):
            return parsed
    return {}


def _parse_limit(value: t.Any) -> int:
    try:
        limit = int(value)
    except (TypeError, ValueError):
        limit = 0
    if limit <= 0:
        raise InvalidRequestError(f"time_limit is {value!r}.", hint="Give a number of seconds larger than 0.")
    return limit
