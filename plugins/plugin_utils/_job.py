"""How an action runs its module as a job on the node: started, followed with its progress, found again, collected.

The connection is only needed to look. So the work may take hours, and outlives a connection that breaks.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import posixpath
import time
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import renew_reservation
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError, NodeLockedError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._watch.jobs import Job, Kind, View, result_of
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import run_owner
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._in_band import InBandAction

Result = dict[str, t.Any]

_FIRST_POLLS = (0.5, 1.0, 1.5)  # what is small is done soon
_POLL_SECONDS = 3.0
_SHOW_PERCENT = 10
_RENEW_SECONDS = 60.0
_KILL_MARGIN = 30  # the job's own limit on the node is later: for a controller that can't reach it any more


def start(action: ActionBase, module: str, args: Result, limit: int, task_vars: Result) -> Result:
    """Start a module on the node in the background; return its answer, with ``results_file`` where it was started.

    :param limit: seconds after which its supervisor on the node ends it, whoever is there to look.
    """
    # async_val is what that supervisor is told; the task itself stays an ordinary one.
    before, action._task.async_val = action._task.async_val, limit + _KILL_MARGIN
    try:
        return t.cast(
            Result,
            action._execute_module(module_name=module, module_args=args, task_vars=task_vars, wrap_async=True),
        )
    finally:
        action._task.async_val = before


class JobAction(InBandAction):
    """Start, follow, collect."""

    KIND: Kind

    def run_in_band(self, task_vars: Result) -> Result:
        """Return the result of the module; in check mode without the background job."""
        self._reservation = self._task.args.pop("reservation", None)  # stays here: the store's URL may hold a password
        self._renewed = time.monotonic()
        self._host = str(task_vars.get("inventory_hostname", "node"))
        self.silence_seconds = self.KIND.silence_seconds
        if self._task.check_mode:
            return super().run_in_band(task_vars)
        return self._run_job(task_vars)

    def while_silent(self) -> None:
        """Prolong the node's reservation: another controller must not take a node that is being worked on."""
        if self._reservation and time.monotonic() - self._renewed > _RENEW_SECONDS:
            renew_reservation(self._reservation, run_owner())
            self._renewed = time.monotonic()

    def _run_job(self, task_vars: Result) -> Result:
        kind, args = self.KIND, self._task.args
        limit = kind.limit_of(args)
        paths = kind.progress_paths(args, self._host)
        # A second start is harmless: the module deals with a job that is at it already.
        started = self.patiently(lambda: start(self, self._task.action, args, limit, task_vars))
        if started.get("failed") or not started.get("ansible_job_id"):
            return started
        job = Job(str(started["results_file"]), paths)
        reporter = _Reporter(f"{self._host}: {kind.act}", kind.show_seconds)
        try:
            self._follow(job, reporter, limit)
        except BareMetalError as exc:
            if not isinstance(exc, NodeLockedError):  # else it belongs to whoever has the node now
                self._kill(job)
            return {"failed": True, **exc.to_result(), **kind.salvage(job.progress)}
        try:
            result = self._collect(job, reporter, task_vars)
        except BareMetalError as exc:
            return {"failed": True, **exc.to_result(), **kind.salvage(job.progress)}
        return {**kind.salvage(job.progress), **result} if result.get("failed") else result

    def _collect(self, job: Job, reporter: _Reporter, task_vars: Result) -> Result:
        """Return the result of a job that has ended.

        :raises StepError: the job left none, or the node stays out of reach.
        """
        result = self.patiently(lambda: self._async_status(job, "status", task_vars))
        with contextlib.suppress(AnsibleError):
            self._async_status(job, "cleanup", task_vars)
        return result_of(self.KIND, result, self._host, reporter.last)

    def _async_status(self, job: Job, mode: str, task_vars: Result) -> Result:
        folder, number = posixpath.split(job.results_file)
        args: Result = {"jid": number, "mode": mode, "_async_dir": folder}
        return t.cast(
            Result, self._execute_module("ansible.legacy.async_status", module_args=args, task_vars=task_vars)
        )

    def _follow(self, job: Job, reporter: _Reporter, limit: int) -> None:
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
                reporter.show(self.KIND.describe(job.progress))
            self.while_silent()
            if finished:
                return
            if job.is_lost:
                raise self.KIND.lost(self._host, reporter.last)
            if time.monotonic() > deadline:
                raise self.KIND.late(self._host, reporter.last, limit)

    def _look(self, job: Job) -> bool:
        output = self._low_level_execute_command(job.look_command())
        return job.take(output["stdout"])

    def _kill(self, job: Job) -> None:
        command = job.kill_command()
        if command:
            with contextlib.suppress(AnsibleError):
                self._low_level_execute_command(command)


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
