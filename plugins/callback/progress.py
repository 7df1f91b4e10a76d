"""What goes on, node by node: a live view on a terminal, plain lines elsewhere, and a table at the end."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: A line for each node with what is done to it, and a table at the end
description:
  - Shows of the collection's own tasks what changes, by node; of others what Ansible's default output shows of changes
    and failures. What is skipped, included or only looked at is not shown, but what M(ansible.builtin.debug) says is.
  - That a node has failed is told at once, in a line; its cause and remedy once, below the table at the end.
  - On a terminal, and with the Python library C(rich), there is a live view below the lines, a row for each node that
    is worked on, and how many are done. Without a terminal, and in AWX and CI, there are plain lines alone.
  - To switch it on, set C(stdout_callback) to C(baremetal.lifecycle.progress) in C(ansible.cfg), or
    C(ANSIBLE_STDOUT_CALLBACK) in the environment.
options:
  live:
    description: Whether there is a live view on a terminal.
    type: bool
    default: true
    ini:
      - section: callback_baremetal_progress
        key: live
    env:
      - name: BAREMETAL_PROGRESS_LIVE
extends_documentation_fragment:
  - default_callback
  - result_format_callback
version_added: 1.0.0
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
seealso:
  - plugin: baremetal.lifecycle.summary
    plugin_type: callback
"""

import typing as t

from ansible import constants as ansible_constants
from ansible.plugins.callback.default import CallbackModule as Default

from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._screen import Screen
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._summary import WORK, NodeSummary, Summary, action_of
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import outcome_of

C: t.Any = ansible_constants

ROLE = "baremetal.lifecycle."
"""How the names of the collection's own tasks begin."""


class CallbackModule(Default):
    """Ansible's default output, with less of what nobody needs, and more of what they do."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "baremetal.lifecycle.progress"

    def __init__(self) -> None:
        super().__init__()
        self._summary = Summary()
        self._screen = Screen(self._display, self._summary.nodes)

    def set_options(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Show nothing that neither changes nor fails, but at -v."""
        super().set_options(*args, **kwargs)
        if self._display.verbosity == 0:
            self.set_option("display_ok_hosts", False)
            self.set_option("display_skipped_hosts", False)
        # Below another callback, ansible-runner's, the terminal is that one's: it reads what is written there.
        is_own = C.DEFAULT_STDOUT_CALLBACK.endswith(".progress")
        if is_own and self.get_option("live") and self._display.verbosity == 0:
            self._screen.go_live()

    def v2_playbook_on_include(self, included_file: t.Any) -> None:
        """Show nothing of it."""
        if self._display.verbosity:
            super().v2_playbook_on_include(included_file)

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Note what a node is at."""
        node = self._summary.start(str(host.name), task)
        if node is not None:
            node.doing = str(task.get_name()).rpartition(" : ")[2]
            self._screen.refresh()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Show what has changed."""
        told = outcome_of(result)
        node = self._summary.add(told, failed=False)
        is_quiet = self._display.verbosity == 0
        if is_quiet and action_of(told.task) == "debug" and "msg" in told.result:
            self._say(told)
        elif is_quiet and action_of(told.task).startswith(("include_", "import_")):
            pass
        elif node is None or not self._is_ours(told.task):
            super().v2_runner_on_ok(result)
        elif told.result.get("transitions"):
            self._tell(node, " -> ".join(_states(told.result["transitions"])), C.COLOR_CHANGED)
        self._end(node, told)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Show that a node has failed; why is told once, at the end."""
        told = outcome_of(result)
        before = self._summary.nodes.get(str(told.host.name))
        is_new = before is None or not before.cause
        node = self._summary.add(told, failed=not ignore_errors)
        if node is None or ignore_errors or not self._is_ours(told.task):
            super().v2_runner_on_failed(result, ignore_errors)
        elif is_new:
            node.doing = ""  # else a live view takes the line for what the node is at
            self._tell(node, f"failed: {told.task_name.rpartition(' : ')[2]}", C.COLOR_ERROR)
        elif action_of(told.task) in WORK:  # as the failure is recorded: it is another one
            super().v2_runner_on_failed(result, ignore_errors)
        self._end(node, told)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Show the table, and each failure with its remedy; for hosts that are no nodes, Ansible's recap."""
        self._screen.stop()
        lost = {host for host in stats.processed if stats.failures.get(host) or stats.dark.get(host)}
        if not self._summary.nodes or not lost <= self._summary.nodes.keys():
            super().v2_playbook_on_stats(stats)
        self._display.display("")
        for line in self._summary.table():
            self._display.display(line)
        for node in self._summary.nodes.values():
            if node.name in lost and node.cause:
                self._display.display(f"{node.name}: {node.cause}", color=C.COLOR_ERROR)
                if node.remedy:
                    self._display.display(f"  {node.remedy}")

    def _is_ours(self, task: t.Any) -> bool:
        return action_of(task) in WORK or str(task.get_name()).startswith(ROLE)

    def _say(self, told: t.Any) -> None:
        """Show what a task wants to be shown, as it is: a table is one."""
        said = told.result["msg"]
        lines = [str(line) for line in (said if isinstance(said, list) else str(said).splitlines())]
        named = [f"{told.host.name}: {line}" for line in lines] if len(lines) == 1 else [f"{told.host.name}:", *lines]
        for line in lines if told.task.run_once else named:
            self._display.display(line)

    def _tell(self, node: NodeSummary, text: str, color: str) -> None:
        self._display.display(f"{node.name}: {text}", color=color)

    def _end(self, node: NodeSummary | None, told: t.Any) -> None:
        """Note that a node is at nothing any more."""
        if node is not None and (told.result.get("failed") or told.result.get("goes_on") is False):
            node.doing = ""
            self._screen.refresh()


def _states(transitions: t.Sequence[str]) -> list[str]:
    """Return the states that a node went through: "a -> b", "b -> c" is a, b, c."""
    found = [part for item in transitions for part in str(item).split(" -> ")]
    return [state for i, state in enumerate(found) if i == 0 or state != found[i - 1]]
