#!/usr/bin/python
"""Run the steps of a verb's work that go over the BMC."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_deploy
short_description: Run the steps of a verb's work that go over the BMC
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Goes on with the work that M(baremetal.lifecycle.bm_prepare) has started, until it would wait, needs a step of yours in the ramdisk,
    or is done. Deployment, cleaning, service and all other verbs have their steps run by it, as in Ironic's deploy interface.
  - What came of it is said in Ironic's words by RV(provision_state); C(active) is done, C(wait call-back) is waiting, with RV(wait),
    and an error leaves C(deploy failed). Other verbs have their own states for these.
  - It holds no process while a node waits. M(baremetal.lifecycle.bm_wait) waits for all nodes of the batch at once; then it is called again.
  - Between two steps it follows a request to abort or to hold, see M(baremetal.lifecycle.bm_state).
  - Core steps in the ramdisk (image, config drive, boot entry, erase, inspection) are run over the task's own connection. As a
    module, where the task is delegated or asynchronous, it can't, and returns the step as RV(next_step).
  - The role P(baremetal.lifecycle.provision_node#role) calls it until nothing is left to be done.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
  - baremetal.lifecycle.node.work
options:
  waited:
    description:
      - What M(baremetal.lifecycle.bm_wait) has seen of the node. Where it is not ready, nothing is looked at, and RV(wait) is returned again.
      - Without it the node is looked at once.
    type: dict
    default: {}
  follow:
    description:
      - Wait here, for this node alone, holding the process. For C(throttle), which bounds how many nodes are at it.
    type: bool
    default: false
  completed_step:
    description: The in-band step that has just been done, as RV(next_step) named it.
    type: str
  step_result:
    description: What that step has found; the evidence of an erase and the facts of an inspection are kept with the node.
    type: dict
    default: {}
  job:
    description: The job that was started in the ramdisk for the current step; C(act), C(limit), C(results_file) and C(progress_paths).
    type: dict
  ramdisk_steps:
    description: Run core steps in the ramdisk; else they are left for the next call, whose connection leads there.
    type: bool
    default: true
  instance:
    description:
      - Where the deployed system will answer on SSH, C(address) and C(port), for M(baremetal.lifecycle.bm_wait).
      - As an action, by default where the host's own variables say.
    type: dict
  instance_timeout:
    description: Limit in seconds for the deployed system to answer on SSH after the node is C(active); V(0) does not wait for it.
    type: float
    default: 0
  lldp_timeout:
    description: For an inspection, seconds to listen for LLDP neighbours.
    type: float
    default: 0
  rescue_ssh_keys:
    description: For a rescue, public keys of operators.
    type: list
    elements: str
    default: []
  rescue_password:
    description:
      - For a rescue, the password of root. Never stored and never shown.
      - Where neither it nor a key is given, one is made. It is in the file C(rescue_password) in the node's folder below
        O(state_dir), for the owner of the run only, until the ramdisk is gone.
    type: str
    default: ''
  report_dir:
    description: Folder on the controller for the evidence and the report of each erase.
    type: str
    default: ''
  report_operator:
    description: Name of the operator in that report.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Go on with the deployment
  baremetal.lifecycle.bm_deploy:
    name: node01
    bmc:
      address: fake:///tmp/node01.json
    deploy_interface: noop
  register: deployed

- name: Go on after bm_wait, with the node's own variables
  baremetal.lifecycle.bm_deploy:
    waited: "{{ waited.nodes[inventory_hostname] }}"
"""

RETURN = r"""
provision_state:
  description: The node's provision state now; null where the store has never seen it.
  returned: always
  type: str
  sample: active
previous_provision_state:
  description: Its state before.
  returned: when the node was held
  type: str
  sample: available
transitions:
  description: Each change of state, in order.
  returned: always
  type: list
  elements: str
  sample: ["deploying -> wait call-back", "wait call-back -> deploying", "deploying -> active"]
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
  description: Requests that were sent to the BMC.
  returned: always
  type: int
  sample: 12
power_ons:
  description: How often the machine was switched on.
  returned: always
  type: int
  sample: 1
phases:
  description: Seconds that each step took.
  returned: always
  type: dict
  sample: {"deploy.deploy": 41.2}
error:
  description: What kind of error; C(type), C(retryable) and C(hint).
  returned: failure
  type: dict
  sample: {"type": "BMCConnectionError", "retryable": true, "hint": "Check bm_bmc.address, the BMC's network and its power."}
wait:
  description:
    - What is to be waited for; null where nothing is. C(for) is V(ramdisk), V(job), V(power_off), V(pause) or V(instance), C(since) when it
      began, C(limit) for how many seconds.
  returned: success
  type: dict
  sample: {"for": "ramdisk", "since": 1795700000.0, "limit": 1800}
goes_on:
  description: Whether it is to be called again, after RV(wait) or RV(next_step).
  returned: success
  type: bool
next_step:
  description: The step that is to be run in the ramdisk now; null at the end, and where the work is held or waits.
  returned: success
  type: dict
  sample: {"step": "deploy.make_raid", "name": "make_raid", "tasks": "/srv/site/raid.yml"}
connection:
  description: How to reach the ramdisk; null where there is none.
  returned: success
  type: dict
  sample: {"address": "192.0.2.11", "port": 22}
disk:
  description: The disk that was chosen, with name, size and serial number; null before that.
  returned: success
  type: dict
  sample: {"name": "/dev/sda", "size_bytes": 480103981056, "serial": "S4EWNX0R"}
root_device:
  description: Path of the disk that was chosen; null before that.
  returned: success
  type: str
  sample: /dev/disk/by-path/pci-0000:05:00.0
held:
  description: Whether the work stopped at a step hold, or on request; the node is in the verb's hold state then.
  returned: success
  type: bool
work:
  description: The whole work in figures, over all runs that it took; C(verb), C(bmc_requests), C(power_ons), C(phases) and C(seconds).
  returned: success
  type: dict
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import deploy


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(deploy.run, deploy.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
