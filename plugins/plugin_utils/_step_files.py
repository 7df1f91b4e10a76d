"""Task files of users' steps are looked through before anything is touched: some would leave their node halfway.

They are loaded as Ansible will load them, whose parser ends the whole run over a file that it can't read. What a
template names can't be seen here, nor what is in a role.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.playbook.block import Block
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.task import Task
from ansible.playbook.task_include import TaskInclude

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError, InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._states.verbs import VERBS
from ansible_collections.baremetal.lifecycle.plugins.module_utils._work import step_lists
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import OperationAction
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._play import play_of

Result = dict[str, t.Any]

ENDS = frozenset({"clear_host_errors", "end_batch", "end_host", "end_play", "end_role"})
"""What C(meta) may not do in a step: the host would leave the play, or the role, and its node stay halfway."""

SSH = frozenset({"smart", "ssh"})
"""Connections that lead to the ramdisk, as the role's variables say."""

OWN = ("provision_node_", "__provision_node_")
"""Prefixes of the variables in which the role keeps how far it is."""


class StepFilesAction(OperationAction):
    """Runs its operation where no step has a task that would leave the node halfway."""

    def act(self, params: Result, owner: str, variables: Result) -> Result:
        files = _files(params)
        reached_by = str(self._templar.template(variables.get("ansible_connection") or self._task.connection))
        if files and _has_ramdisk(params) and reached_by.rpartition(".")[2] not in SSH:
            exc = InvalidRequestError(
                f"The step '{next(iter(files))}' runs in the ramdisk, over ssh, and the connection of this host is"
                f" {reached_by}.",
                node=params["name"],
                hint="Deploy it over ssh (ansible_connection, the play's connection, -c),"
                " and set what its instance needs in other plays.",
            )
            return {**exc.to_result(), "failed": True}
        for step, path in files.items():
            cause = self._judge(path, set())
            if cause:
                problem, hint = cause
                name = f"The task file {path} of the step '{step}'"
                exc = InvalidRequestError(f"{name} {problem}", node=params["name"], hint=hint)
                return {**exc.to_result(), "failed": True}
        return super().act(params, owner, variables)

    def _judge(self, path: Path, seen: set[Path]) -> tuple[str, str] | None:
        """Return what is wrong with a file, or with one that it includes by name, and the remedy; None for nothing."""
        if path in seen or not path.is_file():
            return None  # Ansible says so, as a failure of the step
        seen.add(path)
        try:
            tasks = self._load_tasks(path)
        except AnsibleError as exc:
            return f"can't be loaded: {str(exc).rstrip('.')}.", f"Correct {path}."
        for task in tasks:
            name = str(task.args.get("_raw_params") or task.args.get("file") or "")
            found = _judge_task(task, self._task._role)
            if found is None and isinstance(task, TaskInclude) and "{{" not in name:
                found = self._judge(path.parent / name, seen)
            if found:
                return found
        return None

    def _load_tasks(self, path: Path) -> list[t.Any]:
        """Return all tasks of a file, also those in blocks and in files that are imported.

        :raises AnsibleError: Ansible could not load it.
        """
        play, role = play_of(self._task), self._task._role
        manager = play.get_variable_manager()
        data = self._loader.load_from_file(str(path), trusted_as_template=True)
        if not isinstance(data or [], list):
            raise AnsibleError("included task files must contain a list of tasks")
        include = TaskInclude.load(
            {"ansible.builtin.include_tasks": str(path)}, role=role, variable_manager=manager, loader=self._loader
        )
        include._parent = self._task._parent
        blocks = load_list_of_blocks(
            data, play=play, parent_block=include, role=role, variable_manager=manager, loader=self._loader
        )
        return [task for block in blocks for task in t.cast(Block, block).get_tasks()]


def _judge_task(task: Task, role: t.Any) -> tuple[str, str] | None:
    act = task._get_meta()
    if act in ENDS and not (act == "end_role" and task._role is not role):
        return f"has 'meta: {act}', which would leave the node halfway.", (
            "Let the step fail (ansible.builtin.fail), or leave out what is left by 'when'."
        )
    facts = task.args if task.action.rpartition(".")[2] == "set_fact" else ()
    # What is registered is a name, or names with what is kept under each (ansible-core 2.21).
    registered = [task.register] if isinstance(task.register, str) else task.register or ()
    own = next((name for name in (*registered, *facts) if str(name).startswith(OWN)), None)
    return (f"sets {own}, which is the role's own.", "Choose another name.") if own else None


def _has_ramdisk(params: Result) -> bool:
    """Say whether the machine has a ramdisk of its own; one that is a file has this controller."""
    return params.get("driver") != "fake" and not str(params["bmc"]["address"]).startswith("fake:")


def _files(params: Result) -> dict[str, Path]:
    """Return the files of a verb's steps, by the steps' names; what is wrong with the steps themselves is not ours."""
    found: dict[str, Path] = {}
    wanted = VERBS[params["verb"]]
    for verb in (wanted, VERBS["provide"]) if wanted.kind == "deploy" else (wanted,):
        with contextlib.suppress(BareMetalError):
            node = Node.from_params(params)
            steps = step_lists.steps_of(verb, node, wanted=params["steps"], in_band=params["in_band"])
            found |= {step.step: Path(step.tasks) for step in steps if step.tasks}
    return found
