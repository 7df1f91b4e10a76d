#!/usr/bin/python
"""Read what the store knows of a node."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_node_info
short_description: Read what the store knows of a node
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Returns the node's record, the figures of its last work, its history, the evidence of erased disks, and what inspections have found.
  - The BMC is not asked, and nothing is changed. A node that the store has never seen is no failure, and is not made known by asking.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
options:
  gather:
    description: What to return.
    type: list
    elements: str
    choices: [record, history, work, evidence, inventory]
    default: [record, work]
  history_limit:
    description: How many lines of the history, the newest; V(0) for all.
    type: int
    default: 0
seealso:
  - module: baremetal.lifecycle.bm_bmc_info
    description: Asks the BMC.
  - module: baremetal.lifecycle.bm_state
    description: Changes the state, or waits for one.
"""

EXAMPLES = r"""
- name: Read how long the last deployment took, and its last ten lines of history
  baremetal.lifecycle.bm_node_info:
    name: node01
    bmc:
      address: https://192.0.2.10
    gather: [work, history]
    history_limit: 10
  register: node

- name: Show the seconds of each step
  ansible.builtin.debug:
    msg: "{{ node.work.phases }}"

- name: Read where the hardware contradicts the inventory
  baremetal.lifecycle.bm_node_info:
    name: node01
    bmc:
      address: https://192.0.2.10
    gather: [inventory]
  register: inspected

- name: Show it
  ansible.builtin.debug:
    msg: "{{ inspected.inventory.differences | map(attribute='message') }}"
"""

RETURN = r"""
node:
  description: The node's name.
  returned: always
  type: str
  sample: node01
provision_state:
  description: The node's provision state now; null where the store has never seen it.
  returned: always
  type: str
  sample: active
target_provision_state:
  description: Where the work that goes on, or has failed, leads to; null in a stable state.
  returned: when the store has seen the node
  type: str
transitions:
  description: Each change of state, in order; none here.
  returned: always
  type: list
  elements: str
  sample: []
power_state:
  description: The power state that was seen last.
  returned: always
  type: str
  sample: power on
last_error:
  description: Why the last work failed.
  returned: always
  type: str
bmc_requests:
  description: Requests that were sent to the BMC; none is sent here.
  returned: always
  type: int
  sample: 0
power_ons:
  description: How often the machine was switched on by this task.
  returned: always
  type: int
  sample: 0
phases:
  description: Seconds that each step of the last work took, so far.
  returned: always
  type: dict
  sample: {"deploy.deploy": 81.204, "deploy.write_image": 40.117}
error:
  description: What kind of error; C(type), C(retryable) and C(hint).
  returned: failure
  type: dict
  sample: {"type": "StoreError", "retryable": true, "hint": "Check bm_store, the database server, and the rights and the room of the file."}
known:
  description: Whether the store has seen the node, and its record was not removed.
  returned: success
  type: bool
  sample: true
record:
  description: The node's record in the store, never a secret in it; null of a node that is not known.
  returned: with V(record) in O(gather)
  type: dict
  contains:
    name:
      description: Name of the node.
      type: str
      sample: node01
    driver:
      description: Driver with which it was registered.
      type: str
      sample: redfish
    provision_state:
      description: Provision state.
      type: str
      sample: active
    target_provision_state:
      description: Where the work leads to; null in a stable state.
      type: str
    provision_updated_at:
      description: Since when it is in this state, in seconds since the epoch.
      type: float
      sample: 1767225600.0
    power_state:
      description: The power state that was seen last.
      type: str
      sample: power on
    last_error:
      description: Why the last work failed.
      type: str
    maintenance:
      description: Whether it is set aside.
      type: bool
      sample: false
    maintenance_reason:
      description: Why.
      type: str
    protected:
      description: Whether rebuild, undeploy and delete are refused.
      type: bool
      sample: false
    protected_reason:
      description: Why.
      type: str
    retired:
      description: Whether it is not deployed any more.
      type: bool
      sample: false
    retired_reason:
      description: Why.
      type: str
    reservation:
      description: The run that holds it; null for none.
      type: str
      sample: alice@controller pid=4711 started=123456 boot=0f1e2d3c ns=4026531836
    reservation_is_alive:
      description: Whether that run goes on; null where that can't be seen from here, or nobody holds it.
      type: bool
      sample: true
    reservation_expired:
      description: Whether it has expired, by the clock of the store.
      type: bool
      sample: false
    reservation_purpose:
      description: What for.
      type: str
      sample: deploy
    reservation_since:
      description: Since when, in seconds since the epoch.
      type: float
      sample: 1767225600.0
    reservation_expires:
      description: When it ends by itself, in seconds since the epoch.
      type: float
      sample: 1767226500.0
    owner_controller:
      description: The controller that keeps the keys and files of the last work.
      type: str
      sample: controller
    instance_info:
      description: What was deployed, or is being.
      type: dict
    driver_internal_info:
      description: What the last work keeps for itself.
      type: dict
    steps:
      description: The steps of the last work, in order; C(step), C(priority), C(status) (todo, running, done) and C(seconds).
      type: list
      elements: dict
      sample: [{"step": "deploy.deploy", "priority": 100, "status": "done", "seconds": 81.204}]
    resource_class:
      description: Resource class.
      type: str
      sample: baremetal
    traits:
      description: Traits.
      type: list
      elements: str
      sample: ["CUSTOM_GPU"]
    inventory:
      description: As RV(inventory); empty where nothing was inspected.
      type: dict
    allocation:
      description: For whom the available node is kept; null for nobody.
      type: str
      sample: web
    allocated_at:
      description: Since when, in seconds since the epoch.
      type: float
      sample: 1767225600.0
    requested:
      description: C(abort) or C(hold), which the run that holds the node was asked; null for nothing.
      type: str
    requested_by:
      description: Who has asked.
      type: str
    created_at:
      description: When the store saw it first, in seconds since the epoch.
      type: float
      sample: 1767225600.0
history:
  description: What happened to the node, oldest first; it outlives the record.
  returned: with V(history) in O(gather)
  type: list
  elements: dict
  contains:
    node:
      description: Name of the node.
      type: str
      sample: node01
    at:
      description: When, in seconds since the epoch.
      type: float
      sample: 1767225600.0
    event:
      description: The event of the state machine, or what else was done.
      type: str
      sample: deploy
    from_state:
      description: The state before; null where it did not change.
      type: str
      sample: available
    to_state:
      description: The state afterwards; null where it did not change.
      type: str
      sample: deploying
    seconds:
      description: How long it took, of a change of state how long the state before.
      type: float
      sample: 12.5
    owner:
      description: The run.
      type: str
      sample: alice@controller pid=4711 started=123456 boot=0f1e2d3c ns=4026531836
    message:
      description: What there is to say.
      type: str
work:
  description: The work that goes on, or was done last, in figures, over all runs that it took.
  returned: with V(work) in O(gather)
  type: dict
  contains:
    verb:
      description: Which verb; null where there was none.
      type: str
      sample: deploy
    started_at:
      description: When it began, in seconds since the epoch.
      type: float
      sample: 1767225600.0
    seconds:
      description: How long it took; null where it is not done.
      type: float
      sample: 241.3
    step:
      description: The first step that is not done; null after the last.
      type: str
      sample: deploy.write_image
    phases:
      description: Seconds of each step that is done.
      type: dict
      sample: {"deploy.deploy": 81.204}
    bmc_requests:
      description: Requests to the BMC.
      type: int
      sample: 44
    power_ons:
      description: How often the machine was switched on.
      type: int
      sample: 2
evidence:
  description: What proves that disks were erased, oldest first; it outlives the record.
  returned: with V(evidence) in O(gather)
  type: list
  elements: dict
  contains:
    at:
      description: When, in seconds since the epoch.
      type: float
      sample: 1767225600.0
    step:
      description: The step that left it.
      type: str
      sample: deploy.erase_devices
    content:
      description: One disk, as M(baremetal.lifecycle.bm_erase_devices) returns it.
      type: dict
inventory:
  description: What inspections have found of the hardware; the same keys where there was none.
  returned: with V(inventory) in O(gather)
  type: dict
  contains:
    out_of_band:
      description: What the BMC has told; null where it was not asked.
      type: dict
    in_band:
      description: What the node has told in the ramdisk; null where it was not booted.
      type: dict
    properties:
      description: C(cpus), C(memory_mb), C(local_gb), C(cpu_arch), C(vendor), C(product) and C(serial) from both; null for what nobody knows.
      type: dict
      sample: {"cpus": 80, "memory_mb": 191488}
    differences:
      description: Where that contradicts the host variables; C(variable), C(declared), C(found) and C(message).
      type: list
      elements: dict
      sample: [{"variable": "bm_properties.cpus", "declared": 64, "found": 80, "message": "bm_properties.cpus is 64, and the node has 80."}]
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import node_info


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(node_info.run, node_info.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
