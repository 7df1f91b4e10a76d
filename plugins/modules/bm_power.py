#!/usr/bin/python
"""Switch a machine on or off, or reboot it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_power
short_description: Switch a machine on or off, or reboot it
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Brings the machine into a power state over its BMC, and waits until it is, at most C(bmc.power_timeout) for each change.
  - The provision state stays as it is; power state and history of the node's record tell what was done.
  - A node that another live run holds is refused. Maintenance forbids nothing here.
  - What a dead run has left half done stays what it is; its verb can still be gone on with.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
attributes:
  diff_mode:
    support: full
options:
  state:
    description:
      - V(on) and V(off) switch the machine on, and off at once.
      - V(soft_off) asks the operating system to power off; where it does not follow in time, the power is cut.
      - V(rebooted) and V(soft_rebooted) switch it off, hard or softly, and on again, whatever it was before; they always change something.
    type: str
    required: true
    choices: ["on", "off", soft_off, rebooted, soft_rebooted]
seealso:
  - module: baremetal.lifecycle.bm_bmc_info
    description: Reads the power state and changes nothing.
"""

EXAMPLES = r"""
- name: Shut a machine down for a repair
  baremetal.lifecycle.bm_power:
    name: node01
    bmc:
      address: https://192.0.2.10
      username: admin
      password: "{{ vault_bmc_password }}"
      verify: /etc/ssl/bmc-ca.pem
    state: soft_off

- name: Reboot a machine that is a file
  baremetal.lifecycle.bm_power:
    name: node02
    bmc:
      address: fake:///tmp/node02.json
    state: rebooted
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
  sample: 1
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
diff:
  description: C(before) and C(after), each with C(power_state). A reboot begins and ends with the same where the machine was on.
  returned: success
  type: dict
  sample: {"before": {"power_state": "power off"}, "after": {"power_state": "power on"}}
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import power


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(power.run, power.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
