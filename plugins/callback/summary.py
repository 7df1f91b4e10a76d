"""A table at the end of a run: what became of each node."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: aggregate
short_description: A table of the nodes at the end of a run
description:
  - For each node that a run has worked on its state, how long that took, how many requests its BMC got, and how often
    the machine was switched on. It comes after Ansible's own recap.
  - The collection's own playbooks have it. For plays of your own add C(baremetal.lifecycle.summary) to
    C(callbacks_enabled) in C(ansible.cfg).
  - With P(baremetal.lifecycle.progress#callback) as the output, which has a table of its own, it is silent.
version_added: 1.0.0
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
seealso:
  - plugin: baremetal.lifecycle.progress
    plugin_type: callback
"""

import os
import typing as t

from ansible import constants as ansible_constants
from ansible.plugins.callback import CallbackBase

from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._summary import Summary
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import outcome_of

C: t.Any = ansible_constants

OUTPUT = os.environ.get("ORIGINAL_STDOUT_CALLBACK") or C.DEFAULT_STDOUT_CALLBACK
"""Whose output it is; ansible-runner has a callback of its own, which has the output of another one."""


class CallbackModule(CallbackBase):
    """Gathers what the actions return, and shows it at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "baremetal.lifecycle.summary"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._summary = Summary()

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Note when a node's work begins."""
        self._summary.start(str(host.name), task)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Note what came of it."""
        self._summary.add(outcome_of(result), failed=False)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Note what came of it."""
        self._summary.add(outcome_of(result), failed=not ignore_errors)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Show the table, where there is something to show."""
        if self._summary.nodes and not OUTPUT.endswith(".progress"):
            for line in self._summary.table():
                self._display.display(line)
