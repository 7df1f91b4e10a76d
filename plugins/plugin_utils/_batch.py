"""How bm_wait knows for whom it waits: the nodes of the play's batch, or its own host where each goes its own way."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils import _host_variables as host_variables
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils import _play
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import StoreOperationAction, without_tags
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._keeper import keep

Result = dict[str, t.Any]

LOCKSTEP = ("linear", "debug")
"""Strategies in which the nodes of a batch go on together, by the last part of their names."""

_STORE = ("store", "state_dir", "reservation_timeout")


class BatchAction(StoreOperationAction):
    """Runs its operation once for each store that the nodes have, which is nearly always one."""

    def options(self, variables: Result) -> Result:
        """Return the task's options; without names they are those of the batch."""
        return {"names": self._names(variables), **super().options(variables)}

    def node_of(self, name: str) -> Node | None:
        there = self._hostvars.get(name, {})
        if there.get("bm_console") != "keep":
            return None
        # The variables of a host come with their expressions evaluated.
        options = host_variables.fill({}, NODE_SPEC, there, lambda value: value)
        checked = ArgumentSpecValidator(NODE_SPEC).validate(without_tags({**options, "name": name}))
        return None if checked.error_messages else Node.from_params(checked.validated_parameters)

    def act(self, params: Result, owner: str, task_vars: Result) -> Result:
        groups = self._by_store(params, task_vars) if "names" not in self._given else [params]
        if len(groups) == 1:
            results = [self.execute(groups[0], owner)]
        else:
            with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
                results = list(pool.map(lambda group: self.execute(group, owner), groups))
        for group, result in zip(groups, results, strict=True):
            if result.get("user_steps"):
                keep(group, owner)
        if len(groups) == 1:
            return results[0]
        failed = next((result for result in results if result.get("failed")), {})
        nodes = {name: seen for result in results for name, seen in result.get("nodes", {}).items()}
        return {
            **results[0],
            **failed,
            "nodes": nodes,
            "user_steps": any(result.get("user_steps") for result in results),
        }

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        self._given = frozenset(self._task.args)
        self._hostvars = (task_vars or {}).get("hostvars") or {}
        return super().run(tmp, task_vars)

    def _names(self, variables: Result) -> list[str]:
        if _play.strategy_of(self._task).rpartition(".")[2].rpartition("_")[2] in LOCKSTEP:
            return [str(name) for name in variables.get("ansible_play_batch", ())]
        return [str(variables["inventory_hostname"])]

    def _by_store(self, params: Result, task_vars: Result) -> list[Result]:
        """Return the options for each store: a node's own variables may name another one."""
        hostvars = task_vars["hostvars"]
        here = hostvars[task_vars["inventory_hostname"]]
        # What the play or the task sets counts for all of its hosts, and is not among their own variables.
        own = [name for name in _STORE if _same(here.get(f"bm_{name}"), params[name])]
        groups: dict[str, Result] = {}
        for name in params["names"]:
            there = hostvars[name] if own else {}
            store = {option: there.get(f"bm_{option}", params[option]) for option in own}
            group = groups.setdefault(str(store), {**params, **_plain(store), "names": []})
            group["names"].append(name)
        return list(groups.values()) or [params]


def _same(value: t.Any, effective: t.Any) -> bool:
    return value is not None and str(value) == str(effective)


def _plain(options: Result) -> Result:
    """Return options without Ansible's tagged types."""
    return {name: float(value) if name == "reservation_timeout" else str(value) for name, value in options.items()}
