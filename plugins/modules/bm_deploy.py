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
version_added: 0.1.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Goes on with the work that M(baremetal.lifecycle.bm_prepare) has started, up to the next step that Ansible has to run in the ramdisk, or to the end.
  - Deployment, cleaning, service and all other verbs have their steps run by it.
  - Between two steps it follows a request to abort or to hold, see M(baremetal.lifecycle.bm_state).
  - The role P(baremetal.lifecycle.provision_node#role) calls it between those steps.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
  - baremetal.lifecycle.node.work
options:
  completed_step:
    description: The in-band step that has just been done, as RV(next_step) named it.
    type: str
  step_result:
    description: What that step has found; the evidence of an erase and the facts of an inspection are kept with the node.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Boot the ramdisk and wait for it
  baremetal.lifecycle.bm_deploy:
    name: node01
    bmc:
      address: fake:///tmp/node01.json
    deploy_interface: noop
  register: deployed
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
next_step:
  description: The step that is to be run in the ramdisk now; null at the end, and where the work is held.
  returned: success
  type: dict
  sample: {"step": "deploy.write_image", "name": "write_image", "tasks": null}
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
