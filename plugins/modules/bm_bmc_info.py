#!/usr/bin/python
"""Read what a node's BMC says now."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_bmc_info
short_description: Read what a node's BMC says now
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Asks the BMC for the power state, the boot device, Secure Boot, sensors and the system event log. Nothing is changed.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
options:
  gather:
    description:
      - What to ask for. Sensors and event log take many requests.
      - What the driver does not know is null; V(sensors) and V(event_log) are known to the driver C(ipmi).
    type: list
    elements: str
    choices: [power_state, boot_device, secure_boot, sensors, event_log]
    default: [power_state, boot_device, secure_boot]
"""

EXAMPLES = r"""
- name: Read sensors and event log
  baremetal.lifecycle.bm_bmc_info:
    name: node01
    bmc:
      address: ipmi://192.0.2.10
      username: admin
      password: "{{ vault_bmc_password }}"
    gather: [sensors, event_log]
  register: bmc

- name: Show what is not well
  ansible.builtin.debug:
    msg: "{{ bmc.bmc.sensors | rejectattr('health', 'eq', 'ok') }}"
"""

RETURN = r"""
provision_state:
  description: The node's provision state now; null where the store has never seen it.
  returned: always
  type: str
  sample: deploying
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
bmc:
  description: What the BMC says, by the words in O(gather).
  returned: success
  type: dict
  contains:
    power_state:
      description: The power state.
      type: str
      sample: power on
    boot_device:
      description: The boot override, C(device) (null for none), C(persistent) and C(mode).
      type: dict
      sample: {"device": "pxe", "persistent": false, "mode": "uefi"}
    secure_boot:
      description: Whether Secure Boot is switched on; null where the BMC can't tell.
      type: bool
      sample: true
    sensors:
      description: Sensors with C(name), C(type), C(value), C(units), C(health) (ok, warning, critical, failed) and C(states).
      type: list
      elements: dict
      sample: [{"name": "Ambient", "type": "Temperature", "value": 31.0, "units": "°C", "health": "ok", "states": []}]
    event_log:
      description: System event log, oldest first, with C(timestamp), C(component), C(event) and C(severity).
      type: list
      elements: dict
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import bmc_info


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(bmc_info.run, bmc_info.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
