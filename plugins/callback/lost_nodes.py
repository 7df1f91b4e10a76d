"""Fails the nodes that Ansible took out of a play in the middle of their work, with the cause."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lost_nodes
type: notification
short_description: Fail nodes that Ansible took out of a play in the middle of their work
description:
  - A host that becomes unreachable in a step of yours, that ends its play itself (C(meta), C(end_host)), or that fails
    in a handler, is taken out of the play without its C(rescue). Its node is brought into the failed state of its work,
    with the cause as C(last_error), tidied up and released, as after any other failure; at the end of the play, or at
    that of the run where a later play could still have gone on with the node.
  - What a run leaves that was killed or interrupted is not touched, since the same command goes on with it.
  - The collection's own playbooks have it. For plays of your own add C(baremetal.lifecycle.lost_nodes) to
    C(callbacks_enabled) in C(ansible.cfg); without it such a node stays as after a run that was killed.
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
"""

import concurrent.futures
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.request import Request, Result
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import state
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils import _host_variables as host_variables
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import validator_of, without_tags
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import outcome_of

_AT_ONCE = 16
"""How many nodes are tidied up at the same time."""


class CallbackModule(CallbackBase):
    """Follows which nodes are in the middle of work; who is still there at the end of a play was lost to it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "baremetal.lifecycle.lost_nodes"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._play: t.Any = None
        self._at_work: dict[str, _Work] = {}
        self._causes: dict[str, str] = {}

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Deal with who can't go on in this play: a deployment may be prepared in one, and done in the next."""
        self._give_up(self._causes)
        self._play = play

    def v2_playbook_on_stats(self, dummy: t.Any) -> None:
        """Deal with all who are left."""
        self._give_up(self._at_work)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Note whose work goes on, and whose has ended."""
        told = outcome_of(result)
        act = told.task.action.rpartition(".")[2]
        if act == "bm_prepare" and told.result.get("needed") and not told.task.check_mode:
            self._at_work[told.host.name] = _Work(self._play, told.host, told.task)
        elif act == "bm_deploy" and not told.result.get("goes_on"):
            self._at_work.pop(told.host.name, None)
        self._causes.pop(told.host.name, None)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """Note that the host is still in the play."""
        told = outcome_of(result)
        self._causes.pop(told.host.name, None)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Note the cause."""
        told = outcome_of(result)
        if not ignore_errors:
            self._causes[told.host.name] = f"Task '{told.task_name}' failed: {told.result.get('msg')}"

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Note the cause."""
        told = outcome_of(result)
        if told.task.ignore_unreachable:
            return
        said = told.result.get("msg")
        self._causes[told.host.name] = f"The host became unreachable in task '{told.task_name}': {said}"

    def _give_up(self, names: t.Iterable[str]) -> None:
        """Fail those of these nodes that are in the middle of their work."""
        lost = [name for name in names if name in self._at_work]
        if not lost:
            return
        ended = "Ansible ended the play for this node in the middle of its work."
        causes = {name: self._causes.pop(name, ended) for name in lost}
        options = [self._at_work.pop(name).options(cause) for name, cause in causes.items()]
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            for (name, cause), result in zip(causes.items(), pool.map(_fail, options), strict=True):
                if result.get("failed") or result.get("transitions"):
                    self._display.error(f"[{name}]: {cause} {_outcome(result)}")


class _Work(t.NamedTuple):
    """Where a node's work was begun: the task of bm_prepare, whose variables and options go for it."""

    play: t.Any
    host: t.Any
    task: t.Any

    def options(self, cause: str) -> Result:
        """Return the options of bm_state that fail the node, as an action in that task would have them.

        What can't be templated any more, as the item of a loop, ends as any other failure: in a result.
        """
        try:
            return self._options(cause)
        except AnsibleError as exc:
            return {"failed": True, "msg": f"{exc}."}

    def _options(self, cause: str) -> Result:
        variables = self.play.get_variable_manager().get_vars(play=self.play, host=self.host, task=self.task)
        template = Templar(loader=self.play.get_loader(), variables=variables).template
        spec = state.ARGUMENT_SPEC
        own = {name: template(value) for name, value in self.task.args.items() if name in spec}
        return host_variables.fill({**own, "event": "fail", "last_error": cause}, spec, variables, template)


def _fail(options: Result) -> Result:
    """Fail a node that this run still holds; return the result of bm_state, without transitions for another's."""
    if options.get("failed"):
        return options
    checked = validator_of(state).validate(without_tags(options))
    if checked.error_messages:
        return {"failed": True, "msg": checked.error_messages[0]}
    owner = str(owners.current_owner(os.getpid()))
    return runner.execute(_fail_if_held, checked.validated_parameters, owner=owner)


def _fail_if_held(request: Request) -> Result:
    record = request.store.get(request.node.name)
    return state.run(request) if record is not None and record.reservation == request.owner else {}


def _outcome(result: Result) -> str:
    if result.get("failed"):
        return f"The failure could not be recorded: {result.get('msg')} The same command goes on."
    return f"The node is '{result['provision_state']}'."
