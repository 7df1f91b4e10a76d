#!/usr/bin/python
"""Choose the disk that gets the image."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_root_device
short_description: Choose the disk that gets the image
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Chooses the one disk that fits all hints, with Ironic's keys and operators.
  - Fails where none fits, or more than one, and lists the disks. A disk not chosen without doubt is never written.
  - The choice is kept with the node.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
options:
  disks:
    description: The node's disks, as M(baremetal.lifecycle.bm_hardware_info) returns them.
    type: list
    elements: dict
    required: true
  hardware:
    description:
      - What M(baremetal.lifecycle.bm_hardware_info) returns as RV(ignore:hardware).
      - Read in the ramdisk, its boot mode and Secure Boot must be what O(boot_mode) and O(secure_boot) say.
    type: dict
"""

EXAMPLES = r"""
- name: Choose the disk with a serial number
  baremetal.lifecycle.bm_root_device:
    name: node01
    bmc:
      address: fake:///tmp/node01.json
    root_device:
      serial: S4EWNX0R
    disks: "{{ hardware.disks }}"
  register: root
"""

RETURN = r"""
provision_state:
  description: The node's provision state now; null where the store has never seen it.
  returned: always
  type: str
  sample: deploying
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
device:
  description: Path of the disk.
  returned: success
  type: str
  sample: /dev/nvme0n1
disk:
  description: All that is known of it.
  returned: success
  type: dict
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import root_device


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(root_device.run, root_device.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
