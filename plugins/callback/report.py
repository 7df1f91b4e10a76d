"""A page of each run: what became of each node, when it was at what, and why some have failed."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: notification
short_description: One HTML page of each run, and JUnit XML beside it
description:
  - At the end of a run that has worked on nodes it writes an HTML file that needs nothing else, neither a server nor
    the network, and says where it is. It shows each node with its phases on a time axis, failures with their causes,
    what was seen and what to do, requests and power-ons, and how long the same took before, as the store has it.
  - With O(junit) there is a file of JUnit XML beside it, with a test case for each node, which CI systems can show.
  - A node's variables, the arguments of tasks and their output are not in it, nor what is under C(no_log). Of a URL it
    shows neither password nor query.
  - It fails no play. Where the folder can't be written, or the store can't be read, one warning says what is missing,
    and why.
  - A run that is interrupted has no report; the store has its history (M(baremetal.lifecycle.bm_node_info)).
  - To switch it on, add C(baremetal.lifecycle.report) to C(callbacks_enabled) in C(ansible.cfg), or to
    C(ANSIBLE_CALLBACKS_ENABLED) in the environment; after C(baremetal.lifecycle.lost_nodes), where that is there.
options:
  path:
    description:
      - The folder for the files. It is made if it is missing. A relative one is below the folder in which the run
        starts, or below that of C(ansible.cfg) where it is set there.
      - The files are named after the playbook, the time in UTC and the process, as in
        C(deploy-20260301-093000-4711.html).
    type: path
    default: baremetal-reports
    ini:
      - section: callback_baremetal_report
        key: path
    env:
      - name: BAREMETAL_REPORT_PATH
  junit:
    description: Whether JUnit XML is written, too.
    type: bool
    default: true
    ini:
      - section: callback_baremetal_report
        key: junit
    env:
      - name: BAREMETAL_REPORT_JUNIT
version_added: 1.0.0
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
seealso:
  - plugin: baremetal.lifecycle.summary
    plugin_type: callback
"""

import contextlib
import functools
import os
import time
import typing as t
from pathlib import Path

from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as core_version

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _state_files as state_files
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError, last_net
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.gathered import Gathered
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.junit import junit_of
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.page import html_of
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.past import Past
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.report import RunReport, report_of
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import outcome_of


def harmless(method: t.Callable[..., None]) -> t.Callable[..., None]:
    """Make a warning of whatever goes wrong in a method: the deployment counts."""

    @functools.wraps(method)
    def call(self: CallbackModule, *args: t.Any, **kwargs: t.Any) -> None:
        try:
            with last_net("The report"):
                method(self, *args, **kwargs)
        except BareMetalError as exc:
            self.warn("The report of this run is missing, or a part of it", exc.message)

    return call


class CallbackModule(CallbackBase):
    """Gathers what there is to say of the nodes, and writes it down at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "baremetal.lifecycle.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._began = time.gmtime()
        self._gathered = Gathered()
        self._has_warned = False

    def warn(self, what: str, why: str) -> None:
        """Tell what is missing; once, since the rest follows from it."""
        if not self._has_warned:
            self._has_warned = True
            self._display.warning(f"{what}: {why}")

    @harmless
    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Note what is played."""
        self._gathered.playbook = os.path.basename(str(playbook._file_name))

    @harmless
    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Note which play begins."""
        self._gathered.play(play)

    @harmless
    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Note when a node's task begins."""
        self._gathered.start(host, task)

    @harmless
    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Note what came of it."""
        self._gathered.add(outcome_of(result), failed=False)

    @harmless
    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Note what came of it."""
        self._gathered.add(outcome_of(result), failed=not ignore_errors)

    @harmless
    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Note what came of it."""
        told = outcome_of(result)
        self._gathered.add(told, failed=not told.task.ignore_unreachable)

    @harmless
    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Write the report, where there is something to report."""
        lost = {host for host in stats.processed if stats.failures.get(host) or stats.dark.get(host)}
        self._gathered.others = {name: cause for name, cause in self._gathered.others.items() if name in lost}
        if not self._gathered.nodes:
            return
        with contextlib.closing(Past()) as past:
            report = report_of(self._gathered, past.of)
        for reason, number in report.missing.items():
            nodes = "a node" if number == 1 else f"{number} nodes"
            self.warn(f"The report lacks the history of {nodes}", reason)
        self._write(report)

    def _write(self, report: RunReport) -> None:
        """Write the files, each whole or not at all."""
        stem = Path(report.playbook).stem or "run"
        name = f"{stem}-{time.strftime('%Y%m%d-%H%M%S', self._began)}-{os.getpid()}"
        page = Path(self.get_option("path")).absolute() / f"{name}.html"
        try:
            page.parent.mkdir(parents=True, exist_ok=True)
            state_files.write(page, html_of(report, core_version).encode(), mode=state_files.FOR_ALL)
            if self.get_option("junit"):
                state_files.write(page.with_suffix(".xml"), junit_of(report), mode=state_files.FOR_ALL)
        except OSError as exc:
            self.warn("The report of this run is missing", f"{page} can't be written: {exc.strerror}")
        else:
            self._display.display(f"Report: {page}")
