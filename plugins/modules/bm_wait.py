#!/usr/bin/python
"""Wait for many nodes at once, in one process."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_wait
short_description: Wait for many nodes at once, in one process
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Where M(baremetal.lifecycle.bm_deploy) would wait, it returns, and the node is C(wait call-back) in the store (or what its verb has
    for it). This waits for all nodes of the play's batch together, with C(run_once), thousands of them in one process and one fork.
  - It waits for the ramdisk's answer, a job in the ramdisk (image, erase), the end of its power-down, a step C(wait), and the deployed
    system; that is until an SSH server answers where the host is. Each node has its own limit.
  - It keeps the reservations of all these nodes, and lets go a node that is to be aborted or held, was put to maintenance, or is held
    by another run by now. Of a node that waits for nothing it says so at once.
  - It changes nothing, and fails no node. M(baremetal.lifecycle.bm_deploy) judges what was seen, for each node alone.
  - It returns when all nodes are ready; where some are, when these have waited for the others for a while (two seconds, or what a
    round of a batch of that size takes). The others have RV(nodes.ready=false), and are waited for again.
  - Under a strategy in which each host goes its own way (C(free), C(host_pinned)) it waits for its own host alone.
requirements:
  - The Python libraries of the collection's C(requirements.txt), where the task runs.
attributes:
  check_mode:
    description: Can run in check mode, and waits for nothing then.
    support: full
  diff_mode:
    description: Tells what would be or was changed.
    support: none
  action_group:
    description: Belongs to the action group, so that C(module_defaults) sets its options once.
    support: none
    membership: []
    details:
      - It is not about one node, so it does not have the options of the group.
  async:
    description: Supports being used with C(async).
    support: full
options:
  names:
    description:
      - Nodes to wait for; only those that this run has begun something with are.
      - Without it the hosts of the play's batch.
    type: list
    elements: str
    required: true
  store:
    description:
      - SQLAlchemy URL of the state store.
      - Without it a SQLite file C(store.db) in O(state_dir).
    type: str
  state_dir:
    description: Folder on the controller, for the store.
    type: path
    default: ~/.local/state/baremetal.lifecycle
  reservation_timeout:
    description: Seconds that a reservation outlives its run, where that run can't be seen.
    type: float
    default: 900
  owner:
    description: Who holds the reservations; by default this run, that is the ansible-playbook process.
    type: str
"""

EXAMPLES = r"""
- name: Wait for what was begun on the nodes of the batch
  baremetal.lifecycle.bm_wait:
  run_once: true
  register: waited
"""

RETURN = r"""
nodes:
  description: What was seen, by name of the node.
  returned: success
  type: dict
  contains:
    what:
      description: What was waited for.
      type: str
    ready:
      description: Whether the node can be gone on with; else it is to be waited for again.
      type: bool
    done:
      description: Whether what was waited for is there. A node that is ready without has waited for too long, or is to be let go.
      type: bool
    seen:
      description: What was seen last.
      type: str
    at:
      description: When it became ready, in seconds since the epoch.
      type: float
    result:
      description: The result of a job that has ended.
      type: dict
  sample: {"node01": {"what": "ramdisk", "ready": true, "done": true, "seen": "it answers", "at": 1795700000.0, "result": null}}
user_steps:
  description: Whether a node has steps of yours in the ramdisk; all of the batch keep in step then.
  returned: success
  type: bool
error:
  description: What kind of error; C(type), C(retryable) and C(hint).
  returned: failure
  type: dict
  sample: {"type": "StoreError", "retryable": true, "hint": "Check bm_store."}
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import execute_on_store, run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import wait


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(wait.run, wait.ARGUMENT_SPEC, execute=execute_on_store)


if __name__ == "__main__":
    main()
