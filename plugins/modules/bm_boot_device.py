#!/usr/bin/python
"""Set what a machine boots from."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_boot_device
short_description: Set what a machine boots from
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Sets the BMC's boot override in the mode that O(boot_mode) names, or clears it, and reads it back. The machine is not rebooted.
  - What is set already is not set again.
  - A node that another live run holds is refused. Maintenance forbids nothing here.
  - What a dead run has left half done stays what it is; its verb can still be gone on with.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
attributes:
  diff_mode:
    support: full
options:
  device:
    description:
      - What the machine boots from next.
      - V(none) clears the override, so that the firmware's own boot order counts.
    type: str
    required: true
    choices: [disk, pxe, cdrom, none]
  persistent:
    description:
      - Whether it counts for each boot from now on, instead of the next one only.
      - A BMC that knows no persistent override is set for the next boot; RV(boot_device) tells.
    type: bool
    default: false
seealso:
  - module: baremetal.lifecycle.bm_power
    description: Reboots the machine.
"""

EXAMPLES = r"""
- name: Boot from the network once
  baremetal.lifecycle.bm_boot_device:
    name: node01
    bmc:
      address: ipmi://192.0.2.10
      username: admin
      password: "{{ vault_bmc_password }}"
    boot_mode: uefi
    device: pxe

- name: Let the firmware decide again
  baremetal.lifecycle.bm_boot_device:
    name: node01
    bmc:
      address: ipmi://192.0.2.10
      username: admin
      password: "{{ vault_bmc_password }}"
    device: none
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
  description: Requests that were sent to the BMC.
  returned: always
  type: int
  sample: 4
power_ons:
  description: How often the machine was switched on by this task.
  returned: always
  type: int
  sample: 0
phases:
  description: Seconds that each step took; none here.
  returned: always
  type: dict
  sample: {}
error:
  description: What kind of error; C(type), C(retryable) and C(hint).
  returned: failure
  type: dict
  sample: {"type": "BMCConnectionError", "retryable": true, "hint": "Check bm_bmc.address, the BMC's network and its power."}
boot_device:
  description: The boot override as the BMC reports it now.
  returned: success
  type: dict
  contains:
    device:
      description: What the machine boots from; null for no override.
      type: str
      sample: pxe
    persistent:
      description: Whether it counts for each boot.
      type: bool
      sample: false
    mode:
      description: The boot mode, C(uefi) or C(bios); null where the BMC does not tell, or there is no override.
      type: str
      sample: uefi
diff:
  description: C(before) and C(after), each with C(boot_device).
  returned: success
  type: dict
  sample:
    before: {"boot_device": {"device": null, "persistent": false, "mode": null}}
    after: {"boot_device": {"device": "pxe", "persistent": false, "mode": "uefi"}}
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import boot_device


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(boot_device.run, boot_device.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
