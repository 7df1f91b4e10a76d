#!/usr/bin/python
"""Find out what a node's BMC does, before anything depends on it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_bmc_doctor
short_description: Find out what a node's BMC does, before anything depends on it
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Looks at all that a deployment needs of a BMC, tells of each whether it works, and which variables suit this BMC.
  - Nothing is changed, unless O(write) is set.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
options:
  write:
    description:
      - Also set a boot device once, and take it back; not where one is set. Nobody should restart the machine meanwhile.
      - A node that another run holds is refused.
    type: bool
    default: false
  media_url:
    description: With O(write), also insert this ISO into the virtual CD drive and eject it, if the drive is empty.
    type: str
  record:
    description:
      - A file on the controller to write what the BMC has answered to, as JSON, path to document. Redfish only.
      - Serial numbers, addresses, names and secrets are replaced, so that it can be given away. Look at it before you do.
    type: path
"""

EXAMPLES = r"""
- name: Find out what the BMC does
  baremetal.lifecycle.bm_bmc_doctor:
    name: node01
    bmc:
      address: https://192.0.2.10
      username: admin
      password: "{{ vault_bmc_password }}"
  register: doctor

- name: Show it
  ansible.builtin.debug:
    msg: "{{ doctor.table }}"
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
findings:
  description: What was found, in order.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: What was looked at.
      type: str
      sample: virtual media
    verdict:
      description: V(ok), V(note) (it works, and something is to be known), V(no) or V(unknown).
      type: str
      sample: ok
    seen:
      description: What was seen.
      type: str
      sample: "takes URLs; now: empty"
    advice:
      description: What to do; empty where nothing is to be done.
      type: str
variables:
  description: Host variables that suit this BMC, by name.
  returned: success
  type: dict
  sample: {"bm_boot_interface": "virtual_media", "bm_boot_mode": "uefi"}
table:
  description: All of it as lines to read.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import bmc_doctor


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(bmc_doctor.run, bmc_doctor.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
