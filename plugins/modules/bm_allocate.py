#!/usr/bin/python
"""Keep available nodes for somebody, or give them back."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_allocate
short_description: Keep available nodes for somebody, or give them back
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Chooses nodes by resource class and traits and keeps them under the name of an allocation; all that are asked for, or none.
  - Any number of plays may do so at once, also on several controllers that share a store. No node is given twice.
  - Only nodes that are C(available) are chosen, by chance among those that fit; never one that is in maintenance, retired,
    allocated already, or reserved by a running play.
  - The same allocation again gets the same nodes, whatever their state is by now. Where it asks for more, the rest is added;
    where it asks for fewer than it has, it fails, and nothing is taken away.
  - An allocation ends when it is given back, and for each node when that node is undeployed.
  - The store alone is asked. A node has the resource class and the traits that its host variables had when its last work began.
requirements:
  - The Python libraries of the collection's C(requirements.txt), where the task runs.
attributes:
  check_mode:
    description: Can run in check mode, and tells then which nodes could be had, without touching the store.
    support: full
    details:
      - Another run may get other nodes, since they are chosen by chance.
  diff_mode:
    description: Tells what would be or was changed.
    support: full
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
  allocation:
    description: Whom the nodes are for, up to 255 characters; the name by which they are found again.
    type: str
    required: true
  resource_class:
    description: Resource class that the nodes have, as in C(bm_resource_class). Without it, any.
    type: str
  traits:
    description: Traits that each node has, as in C(bm_traits); it may have more.
    type: list
    elements: str
    default: []
  count:
    description: How many nodes the allocation is to have, 1 or more.
    type: int
    default: 1
  candidates:
    description:
      - Names of nodes to choose from, typically C(groups['baremetal']). Without it, all that the store knows.
      - What the allocation has already counts, also outside of these.
      - With O(state=absent) the nodes to give back; without it, all.
    type: list
    elements: str
  state:
    description:
      - V(present) sees to it that the allocation has O(count) nodes.
      - V(absent) gives them back. Nothing else is done to them; what is deployed stays deployed.
    type: str
    choices: [absent, present]
    default: present
  store:
    description:
      - SQLAlchemy URL of the state store.
      - Without it a SQLite file C(store.db) in O(state_dir).
    type: str
  state_dir:
    description: Folder on the controller, as in C(bm_state_dir).
    type: path
    default: ~/.local/state/baremetal.lifecycle
  owner:
    description: Who asks, for the history; by default this run, that is the ansible-playbook process.
    type: str
seealso:
  - module: baremetal.lifecycle.bm_state
"""

EXAMPLES = r"""
- name: Keep three nodes with a GPU for the web team
  baremetal.lifecycle.bm_allocate:
    allocation: web
    resource_class: compute
    traits: [CUSTOM_GPU]
    count: 3
    candidates: "{{ groups['baremetal'] }}"
  run_once: true
  register: allocated

- name: Wait while running plays hold too many nodes
  baremetal.lifecycle.bm_allocate:
    allocation: db
    count: 2
  run_once: true
  register: allocated
  until: allocated is success or not allocated.error.retryable
  retries: 10
  delay: 60

- name: Give one of them back
  baremetal.lifecycle.bm_allocate:
    allocation: web
    candidates: [node07]
    state: absent
  run_once: true
"""

RETURN = r"""
allocation:
  description: The allocation's name.
  returned: success
  type: str
  sample: web
nodes:
  description: Names of the nodes that the allocation has now, sorted.
  returned: always, unless the store is away
  type: list
  elements: str
  sample: [node03, node07, node12]
added:
  description: Those of them that it got now.
  returned: success
  type: list
  elements: str
  sample: [node12]
released:
  description: Names of the nodes that were given back now.
  returned: success
  type: list
  elements: str
  sample: []
missing:
  description: How many nodes are missing.
  returned: when there are too few
  type: int
  sample: 2
reasons:
  description:
    - Why nodes can't be had; each of C(unknown) (never enrolled), C(resource_class), C(traits), C(retired), C(maintenance),
      C(allocated), C(state) and C(reserved) that applies.
    - C(nodes) is how many, C(by) how many of which class, lack of traits, allocation or state. A node counts for its first reason.
  returned: when there are too few
  type: dict
  sample: {"allocated": {"nodes": 12, "by": {"db": 2, "shop": 10}}, "reserved": {"nodes": 17, "by": {}}}
error:
  description:
    - What kind of error; C(type), C(retryable) and C(hint).
    - Retryable where the nodes that running plays hold would be enough, or where other plays were faster too often.
  returned: failure
  type: dict
  sample: {"type": "InvalidRequestError", "retryable": false, "hint": "Ask for fewer, or make more nodes available."}
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import execute_on_store, run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import allocate


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(allocate.run, allocate.ARGUMENT_SPEC, execute=execute_on_store)


if __name__ == "__main__":
    main()
