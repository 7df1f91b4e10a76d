"""How bm_deploy runs the core steps in the ramdisk, between those that its operation runs over the BMC.

As a module, where the task is delegated or asynchronous, it can't: it returns the step as RV(next_step) then.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import root_device, wait
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils import _host_variables as host_variables
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import OperationAction
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._core_steps import CORE_STEPS, Start
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._in_band import PatientAction
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._job import start

Result = dict[str, t.Any]

_RENEW_SECONDS = 60.0
_NOTHING_TOLD: Result = {"waited": {}, "completed_step": None, "step_result": {}, "job": None}
_SUMS = ("bmc_requests", "power_ons")


class _EndedError(Exception):
    """The node has failed already, in an operation of its own."""

    def __init__(self, result: Result) -> None:
        super().__init__()
        self.result = result


class DeployAction(OperationAction, PatientAction):
    """Runs its operation, and core steps in the ramdisk, until it is to be waited, or nothing is left."""

    def options(self, variables: Result) -> Result:
        """Return the task's options; the instance will answer where the host does."""
        args = super().options(variables)
        throttle = variables.get("provision_node_write_throttle") or 0
        args.setdefault("follow", bool(throttle) and int(self._templar.template(throttle)) > 0)
        args.setdefault("instance", host_variables.instance_of(variables, self._templar.template))
        return args

    def act(self, params: Result, owner: str, task_vars: Result) -> Result:
        self._params, self._owner, self._task_vars = params, owner, task_vars
        self._renewed = time.monotonic()
        result = self.execute(params, owner)
        while not result.get("failed"):
            step = result.get("next_step")
            if step and not step["tasks"] and params["ramdisk_steps"]:
                told = self._run_core_step(step, result)
            elif result.get("wait") and params["follow"]:
                told = {"waited": self._wait()}
            else:
                break
            if "ended" in told:
                return _merged(result, told["ended"])
            result = _merged(result, self.execute({**params, **_NOTHING_TOLD, **told}, owner))
        return result

    def while_silent(self) -> None:
        """Prolong the node's reservation: another controller must not take a node that is being worked on."""
        if time.monotonic() - self._renewed > _RENEW_SECONDS:
            runner.renew_reservation(self._params, self._owner)
            self._renewed = time.monotonic()

    def _run_core_step(self, step: Result, result: Result) -> Result:
        """Begin a step, or finish one whose job has ended; return what the operation is to be told."""
        step = {**step, "root_device": result["root_device"]}
        core, found = CORE_STEPS[step["name"]], result.get("step_result")
        ramdisk = _Here(self, self._params, self._owner, self._task_vars, is_real=result["connection"] is not None)
        try:
            if found is None:
                begun = core.begin(ramdisk, step)
                if isinstance(begun, Start):
                    return {"job": self._start(begun)}
                found = begun
            return {"completed_step": step["step"], "step_result": core.finish(ramdisk, step, found)}
        except _EndedError as exc:
            return {"ended": exc.result}
        except BareMetalError as exc:
            failed = {"failed": True, **exc.to_result(), "msg": exc.message}
            return {"completed_step": step["step"], "step_result": failed}

    def _start(self, begun: Start) -> Result:
        """Start a job; return what bm_wait needs to follow it."""
        kind, args, name = begun.kind, begun.args, str(self._params["name"])
        limit, paths = kind.limit_of(args), kind.progress_paths(args, name)
        # A second start is harmless: the module deals with a job that is at it already.
        module = f"baremetal.lifecycle.bm_{kind.act}"
        started = self.patiently(lambda: start(self, module, args, limit, self._task_vars))
        if started.get("failed") or not started.get("results_file"):
            raise BareMetalError.from_result(started, node=name)
        return {"act": kind.act, "limit": limit, "results_file": started["results_file"], "progress_paths": paths}

    def _wait(self) -> Result:
        """Wait here for this node alone."""
        names = ("store", "state_dir", "reservation_timeout")
        params = {"names": [self._params["name"]], **{name: self._params[name] for name in names}}
        done = runner.execute_on_store(wait.run, params, owner=self._owner, report=self.show)
        return done["nodes"][self._params["name"]] if "nodes" in done else {}


class _Here:
    """The ramdisk that the task's connection leads to."""

    def __init__(self, action: DeployAction, params: Result, owner: str, task_vars: Result, *, is_real: bool) -> None:
        self.params = params
        self.is_real = is_real
        self._owner = owner
        self._action = action
        self._task_vars = task_vars

    def run(self, module: str, **args: t.Any) -> Result:
        given = {key: value for key, value in args.items() if value is not None}
        name = f"baremetal.lifecycle.{module}"

        def call() -> Result:
            done = self._action._execute_module(module_name=name, module_args=given, task_vars=self._task_vars)
            if done.get("unreachable"):
                raise AnsibleConnectionFailure(str(done.get("msg")))
            return t.cast(Result, done)

        result = self._action.patiently(call)
        if result.get("failed"):
            raise BareMetalError.from_result(result, node=str(self.params["name"]))
        return result

    def choose_root_device(self, disks: list[Result], hardware: Result) -> Result:
        params = {**self.params, "disks": disks, "hardware": hardware}
        result = runner.execute(root_device.run, params, owner=self._owner)
        if result.get("failed"):
            raise _EndedError(result)
        return result


def _merged(before: Result, after: Result) -> Result:
    """Return the later of two results of one task, with what both of them did."""
    return {
        **after,
        **{name: before.get(name, 0) + after.get(name, 0) for name in _SUMS},
        "transitions": [*before.get("transitions", []), *after.get("transitions", [])],
        "phases": {**before.get("phases", {}), **after.get("phases", {})},
        "previous_provision_state": before.get("previous_provision_state", after.get("previous_provision_state")),
        "changed": bool(before.get("changed") or after.get("changed")),
    }
