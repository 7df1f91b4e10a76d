"""How an action runs its module in the ramdisk: a connection that breaks is tried again, and then is a failure.

To Ansible a broken connection is an unreachable host, which no rescue block sees: the node would be left in the
middle of a step. Here it is a failed task, with a cause.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError, StepError

Result = dict[str, t.Any]
T = t.TypeVar("T")

SILENCE_SECONDS = 180.0
"""How long the ramdisk may be out of reach."""

RETRY_SECONDS = 3.0


class PatientAction(ActionBase):
    """Has patience with a ramdisk that is out of reach for a while."""

    silence_seconds = SILENCE_SECONDS

    def while_silent(self) -> None:
        """Do what must go on while the ramdisk is out of reach."""

    def patiently(self, function: t.Callable[[], T]) -> T:
        """Call until the ramdisk answers.

        :raises StepError: it stays silent for too long.
        """
        deadline = time.monotonic() + self.silence_seconds
        while True:
            try:
                return function()
            except AnsibleConnectionFailure as exc:
                if time.monotonic() > deadline:
                    raise StepError(
                        f"The ramdisk did not answer for {self.silence_seconds:g} s: {exc}",
                        hint="Look at the machine's console and its network; the same command goes on from this step.",
                        retryable=True,
                    ) from exc
                Display().v(f"no connection, trying again: {exc}")
            self.while_silent()
            with contextlib.suppress(AnsibleError):
                self._connection.reset()
            time.sleep(RETRY_SECONDS)


class InBandAction(PatientAction):
    """Runs the module of the same name; all in-band modules may be repeated."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        try:
            result.update(self.run_in_band(task_vars or {}))
        except BareMetalError as exc:
            result.update(failed=True, **exc.to_result())
        return result

    def run_in_band(self, task_vars: Result) -> Result:
        """Return the result of the module."""
        return self.patiently(lambda: t.cast(Result, self._execute_module(task_vars=task_vars)))
