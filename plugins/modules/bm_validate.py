#!/usr/bin/python
"""Say whether a node may and can be deployed."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_validate
short_description: Say whether a node may and can be deployed
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Gives one verdict for each of node, deploy, power, management and boot.
  - Reads the BMC and the beginning of the image, and changes nothing.
  - Fails with the first cause where any verdict is no.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
  - baremetal.lifecycle.node.work
"""

EXAMPLES = r"""
- name: Check a node before a maintenance window
  baremetal.lifecycle.bm_validate:
    name: node01
    bmc:
      address: https://192.0.2.10
      username: admin
      password: "{{ bmc_password }}"
    deploy_interface: noop

- name: Check a machine that is a file
  baremetal.lifecycle.bm_validate:
    name: node01
    bmc:
      address: fake:///tmp/node01.json
    deploy_interface: noop
"""

RETURN = r"""
provision_state:
  description: The node's provision state now; null where the store has never seen it.
  returned: always
  type: str
  sample: available
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
  sample: {}
error:
  description: What kind of error; C(type), C(retryable) and C(hint).
  returned: failure
  type: dict
  sample: {"type": "BMCConnectionError", "retryable": true, "hint": "Check bm_bmc.address, the BMC's network and its power."}
interfaces:
  description: For each interface C(result) and C(reason).
  returned: success
  type: dict
  sample: {"power": {"result": true, "reason": null}}
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import validate


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(validate.run, validate.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
