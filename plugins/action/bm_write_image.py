"""Runs bm_write_image in the background on the node, shows its progress, and survives a broken connection."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import posixpath
import shlex
import time
import typing as t

from ansible.errors import AnsibleError
from ansible.utils.display import Display

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import (
    BareMetalError,
    InvalidRequestError,
    StepError,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband._progress import get_shell_paths
from ansible_collections.baremetal.lifecycle.plugins.module_utils._runner import renew_reservation
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import run_owner
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._in_band import InBandAction

Result = dict[str, t.Any]

_DEFAULT_TIME_LIMIT = 3600
_FIRST_POLLS = (0.5, 1.0, 1.5)  # a small image is done soon
_POLL_SECONDS = 3.0
_SHOW_SECONDS = 15.0
_SHOW_PERCENT = 10
_RENEW_SECONDS = 60.0
_KILL_MARGIN = 30  # the job's own limit on the node is later: for a controller that can't reach it any more
_LOST_POLLS = 3  # a job without a process for so many polls in a row has no result to wait for
_NO_ANSWER = "No start of json char found"  # async_wrapper's words for a module that printed nothing
_MARK = "--baremetal-lifecycle--"
_ASYNC_KEYS = ("ansible_job_id", "results_file", "started", "finished")


class ActionModule(InBandAction):
    """Start, follow, collect."""

    def run_in_band(self, task_vars: Result) -> Result:
        """Return the result of the module; in check mode without the background job."""
        self._reservation = self._task.args.pop("reservation", None)  # stays here: the store's URL may hold a password
        if self._task.check_mode:
            return super().run_in_band(task_vars)
        return self._run_job(task_vars)

    def _run_job(self, task_vars: Result) -> Result:
        limit = _parse_limit(self._task.args.get("time_limit", _DEFAULT_TIME_LIMIT))
        device = str(self._task.args.get("device", ""))
        paths = get_shell_paths(device)
        if self._task.args.get("progress_path"):
            paths = [shlex.quote(str(self._task.args["progress_path"]))]
        started = self._start_job(task_vars, limit + _KILL_MARGIN)
        if started.get("failed") or not started.get("ansible_job_id"):
            return started
        job = _Job(str(started["ansible_job_id"]), str(started["results_file"]), paths)
        reporter = _Reporter(str(task_vars.get("inventory_hostname", "node")))
        try:
            self._follow(job, reporter, limit)
        except BareMetalError:
            self._kill(job)
            raise
        result = self.patiently(lambda: self._async_status(job, "status", task_vars))
        with contextlib.suppress(AnsibleError):
            self._async_status(job, "cleanup", task_vars)
        if result.get("failed") and _NO_ANSWER in str(result.get("msg")):
            said = " ".join(str(result.get("stderr", "")).split())[-300:] or "no message"
            raise StepError(
                f"The writer on {reporter.host} died without an answer ({said}); last seen: {reporter.last}.",
                hint="Was it killed, or the ramdisk out of memory? Look at dmesg there. The disk is not bootable.",
                retryable=True,
            )
        return {key: value for key, value in result.items() if key not in _ASYNC_KEYS}

    def _start_job(self, task_vars: Result, limit: int) -> Result:
        # async_val is what the job's supervisor on the node is told; the task itself stays an ordinary one.
        self._task.async_val = limit
        try:
            return t.cast(Result, self._execute_module(task_vars=task_vars, wrap_async=True))
        finally:
            self._task.async_val = 0

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
        renewed = time.monotonic()
        pauses = iter(_FIRST_POLLS)
        while True:
            time.sleep(next(pauses, _POLL_SECONDS))
            finished = self.patiently(lambda: self._look(job))
            reporter.show(job.progress)
            if time.monotonic() - renewed > _RENEW_SECONDS:
                self._renew_reservation()
                renewed = time.monotonic()
            if finished:
                return
            if job.polls_without_process >= _LOST_POLLS:
                raise StepError(
                    f"The write of {reporter.host} ended without a result; last seen: {reporter.last}.",
                    hint="Did the node reboot, or run out of memory? Look at its console, then run again.",
                    retryable=True,
                )
            if time.monotonic() > deadline:
                raise StepError(
                    f"The image was not written within {limit} s; last seen: {reporter.last}.",
                    hint="Raise time_limit, or find out why the network or the disk is so slow.",
                )

    def _renew_reservation(self) -> None:
        """Prolong the node's reservation: another controller must not take a node that is being written."""
        if self._reservation:
            renew_reservation(self._reservation, run_owner())

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
        # A progress file that is older than the job belongs to an earlier write.
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
    """Shows a line at each tenth, or every quarter of a minute."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.last = "nothing"
        self._phase = ""
        self._percent = 0
        self._shown = time.monotonic()

    def show(self, progress: Result) -> None:
        """Show the state of the write, if there is news."""
        if not progress:
            return
        done, total, rate = (int(progress.get(key) or 0) >> 20 for key in ("bytes_done", "bytes_total", "rate"))
        phase = str(progress.get("phase"))
        percent = 100 * done // total if total else 0
        amount = f"{percent} %, {done} of {total} MiB" if total else f"{done} MiB"
        self.last = f"{amount}, {rate} MiB/s ({phase})"
        news = phase != self._phase or percent >= self._percent + _SHOW_PERCENT
        if news or time.monotonic() - self._shown >= _SHOW_SECONDS:
            self._phase, self._percent, self._shown = phase, percent, time.monotonic()
            Display().display(f"{self.host}: write_image {self.last}")


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
