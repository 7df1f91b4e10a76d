"""How an action runs its operation: in Ansible's own worker process, without a module's start-up."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils import _host_variables as host_variables
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._play import check_named

# Ansible loads an action before it forks the worker that runs it: what is made here, each worker has.
runner.warm_up()


_LOADED_BY = owners.current_owner(os.getpid())


def run_owner() -> str:
    """Return who this run is: the ansible-playbook process, which has loaded this file and forked the worker.

    It is named before the fork: a worker that outlives it does not go on in the name of who adopts orphans.

    :raises AnsibleError: this worker has loaded the file itself, and its play has ended.
    """
    play = multiprocessing.parent_process()
    if _LOADED_BY.pid != os.getpid() or play is None:
        return str(_LOADED_BY)
    if play.pid != os.getppid():
        raise AnsibleError("The play that this worker belongs to has ended.")
    return str(owners.current_owner(play.pid))


@functools.cache
def validator_of(operation: t.Any) -> ArgumentSpecValidator:
    """Return what checks an operation's options; made once."""
    return ArgumentSpecValidator(operation.ARGUMENT_SPEC)


def without_tags(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return options in plain types: Ansible's tagged ones are dear to copy, and databases don't know them."""
    return t.cast("dict[str, t.Any]", json.loads(json.dumps(options, default=str)))


class OperationAction(ActionBase):
    """Runs ``OPERATION`` in this process, or as a module where the task is delegated or asynchronous."""

    OPERATION: t.Any

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "OPERATION"):
            validator_of(cls.OPERATION)  # for the workers: to make one is dear

    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        owner = self._task.args.get("owner") or run_owner()
        self._task.args = without_tags(self.options(task_vars or {}))
        checked = validator_of(self.OPERATION).validate(self._task.args)
        if checked.error_messages:
            result.update(self.explain(checked.error_messages[0]), failed=True)
            return result
        try:
            check_named(self._task, checked.validated_parameters, task_vars or {}, self._templar.template)
        except InvalidRequestError as exc:
            result.update(exc.to_result(), failed=True)
            return result
        if self._task.delegate_to or self._task.async_val:
            args = {**self._task.args, "owner": owner}
            result.update(
                self._execute_module(module_args=args, task_vars=task_vars, wrap_async=bool(self._task.async_val))
            )
            return result
        result.update(self.act(checked.validated_parameters, owner, task_vars or {}))
        return result

    def options(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the task's options; those that it does not give are the host's variables."""
        spec = self.OPERATION.ARGUMENT_SPEC
        return host_variables.fill(dict(self._task.args), spec, variables, self._templar.template)

    def act(self, params: dict[str, t.Any], owner: str, dummy: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the result of the action; most only run their operation."""
        return self.execute(params, owner)

    def execute(self, params: dict[str, t.Any], owner: str) -> dict[str, t.Any]:
        """Return the result of the operation."""
        return runner.execute(
            self.OPERATION.run,
            params,
            owner=owner,
            check_mode=self._task.check_mode,
            report=lambda text: self.show(f"{params['name']}: {text}"),
        )

    def show(self, text: str) -> None:
        """Show people what goes on."""
        Display().display(text)

    def explain(self, message: str) -> dict[str, t.Any]:
        """Return the failed result for options that Ansible has refused."""
        return runner.explain(self._task.args, message)


class StoreOperationAction(OperationAction):
    """The same for an operation that is about no single node."""

    def node_of(self, name: str) -> Node | None:  # pylint: disable=unused-argument
        """Return a node of the play with what is secret of it; None where it is not known."""
        return None

    def execute(self, params: dict[str, t.Any], owner: str) -> dict[str, t.Any]:
        return runner.execute_on_store(
            self.OPERATION.run,
            params,
            owner=owner,
            check_mode=self._task.check_mode,
            report=self.show,
            node_of=self.node_of,
        )

    def explain(self, message: str) -> dict[str, t.Any]:
        return runner.explain_option(message)
