"""bm_prepare that dies at the worst moment: what it leaves must be the new deployment, not the old one."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.request import Request
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.registry import connect
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import prepare
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store


class DyingStore(Store):
    """A real store whose run dies as soon as one event is saved."""

    def save(self, record: t.Any, owner: str, *entries: t.Any, **more: t.Any) -> None:
        super().save(record, owner, *entries, **more)
        if any(entry.event == "deploy" for entry in entries):
            raise SystemExit("killed")


def test_a_run_that_dies_right_after_the_event_leaves_no_step_of_an_older_deployment(fake_node: t.Any) -> None:
    store = DyingStore(f"sqlite:///{fake_node.folder}/store.db")
    record = store.ensure_node("node01", "fake")
    store.reserve("node01", "older", "deploy", 60)
    record.provision_state = "deploy failed"
    record.steps = [{"step": "deploy.deploy", "priority": 100, "status": "done"}]
    record.instance_info = {"image_url": "the older one"}
    store.save(record, "older")
    store.release("node01", "older")
    params = fake_node.params(prepare.ARGUMENT_SPEC)
    node = Node.from_params(params)
    with connect(node) as driver, pytest.raises(SystemExit):
        prepare.run(Request(node, params, store, driver, "me", False))
    left = store.get("node01")
    assert left is not None
    assert left.provision_state == "deploying"
    assert [entry["status"] for entry in left.steps] == ["todo"]
    assert left.instance_info["deploy_interface"] == "noop"
    assert left.driver_internal_info["deployment"]
    store.close()
