"""Verbs, acts, faults and deaths in any order: what then holds of store, history and machine."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import deploy, prepare, state, validate
from ansible_collections.baremetal.lifecycle.plugins.module_utils._states import states
from ansible_collections.baremetal.lifecycle.plugins.module_utils._states.machine import is_working
from ansible_collections.baremetal.lifecycle.plugins.module_utils._states.verbs import VERBS
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store
from tests.conftest import FakeNode


def _dead() -> str:
    with subprocess.Popen(["sleep", "60"]) as process:
        run = str(owners.current_owner(process.pid))
        process.kill()
    return run


RUNS = {
    "one": str(owners.current_owner(os.getpid())),
    "another": str(owners.current_owner(os.getppid())),
    "dead": _dead(),
}
LIVING = frozenset({RUNS["one"], RUNS["another"]})
STEPS: dict[str, t.Any] = {"steps": [{"step": "erase_devices_metadata"}], "automated_clean": True}
CALLS = ("get_power_state", "set_power_state", "insert_media", "eject_media", "set_boot_device", "clear_boot_device")
ERRORS = ("BMCConnectionError", "BMCResponseError", "BMCAuthenticationError", "BMCTimeoutError")


class AnyOrder(RuleBasedStateMachine):
    """One fake node with its store, and runs that do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="baremetal-lifecycle-any-order-")
        self.node = FakeNode(Path(self.folder.name))
        self.node.script(power_state="power off", boot_device=None, media=None, calls=[])
        self.store = Store(f"sqlite:///{self.folder.name}/state/store.db")
        self.holder: str | None = None

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def call(self, operation: t.Any, run: str, *, may_take: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Call an operation; whatever it does, it tells, and it takes the node from no living run."""
        params = self.node.params(operation.ARGUMENT_SPEC, **options)
        before = self.holder
        result = runner.execute(operation.run, params, owner=RUNS[run])
        if result.get("failed"):
            assert result["error"]["type"] != "UnexpectedError", result
            assert "node01" in result["msg"]
        record = self.store.get("node01")
        self.holder = record.reservation if record else None
        if before in LIVING and before != RUNS[run] and not may_take:
            assert self.holder == before, result
        return result

    @rule(run=st.sampled_from(list(RUNS)), verb=st.sampled_from(list(VERBS)), calls=st.integers(0, 6))
    def play(self, run: str, verb: str, calls: int) -> None:
        """Play a verb as the role does, up to some call: then the run does no more, as if it had been killed."""
        options: dict[str, t.Any] = {"verb": verb, **STEPS, "steps": STEPS["steps"] if verb == "clean" else []}
        done = self.call(validate, run, **options)
        if not done.get("failed"):
            done = self.call(prepare, run, **options)
        more: dict[str, t.Any] = {}
        for dummy in range(calls if done.get("needed") else 0):
            done = self.call(deploy, run, **options, **more)
            step, more = done.get("next_step"), {}
            if done.get("failed") or not (step or done.get("wait")):
                break
            if step:
                more = {"completed_step": step["step"], "step_result": {"evidence": [{"disk": "sda"}], "hardware": {}}}

    @rule(run=st.sampled_from(["one", "another"]), event=st.sampled_from(state.EVENTS))
    def act(self, run: str, event: str) -> None:
        self.call(state, run, event=event)

    @rule(value=st.booleans())
    def set_aside(self, value: bool) -> None:
        self.call(state, "another", maintenance=value, may_take=True)

    @rule()
    def release(self) -> None:
        self.call(state, "another", release=True, reason="whatever", may_take=True)
        assert self.holder is None

    @rule(operation=st.sampled_from(CALLS), error=st.sampled_from(ERRORS), times=st.integers(1, 3))
    def break_the_bmc(self, operation: str, error: str, times: int) -> None:
        fault = {"operation": operation, "error": error, "message": "of node01", "times": times}
        self.node.script(**{**self.node.machine, "faults": [fault]})

    @rule()
    def lose_the_ramdisk(self) -> None:
        self.node.script(**{**self.node.machine, "power_state": "power off"})

    @invariant()
    def the_history_is_the_way_to_the_state(self) -> None:
        record = self.store.get("node01")
        if record is None:
            return
        way = [(entry.from_state, entry.to_state) for entry in self.store.history("node01") if entry.from_state]
        reached = states.INITIAL_STATE
        for start, end in way:
            assert start == reached
            reached = str(end)
        assert record.provision_state == reached

    @invariant()
    def nobody_holds_a_node_on_which_nobody_works(self) -> None:
        record = self.store.get("node01")
        if record and not is_working(record.provision_state):
            assert record.reservation is None

    @invariant()
    def what_is_failed_says_why(self) -> None:
        record = self.store.get("node01")
        if record and record.provision_state.endswith(" failed"):
            assert record.last_error

    @invariant()
    def what_was_powered_off_is_off(self) -> None:
        said = [entry.message for entry in self.store.history("node01") if entry.event in ("tidy up", "power", "taken")]
        if said and said[-1] == "machine powered off, nothing left to boot from":
            record = self.store.get("node01")
            if record and record.provision_state.endswith(" failed"):
                assert self.node.machine["power_state"] == "power off"
                assert self.node.machine["media"] is None


AnyOrder.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
TestAnyOrder = AnyOrder.TestCase
