#!/usr/bin/python
"""Put media into a BMC's virtual CD drive, or take them out."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_virtual_media
short_description: Put media into a BMC's virtual CD drive, or take them out
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Makes the BMC fetch an ISO and show it to the machine as a CD, or takes it out. The machine is not rebooted, nor is its boot device set.
  - A BMC without virtual media, as all that speak IPMI, is an error.
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
      - V(inserted) puts O(url) into the drive, after ejecting what else is in it.
      - V(ejected) leaves the drive empty.
    type: str
    required: true
    choices: [inserted, ejected]
  url:
    description:
      - What to insert, for O(state=inserted); a URL that the BMC can reach.
      - User name and password in it are neither shown in the result nor kept, and don't count where two URLs are compared.
    type: str
seealso:
  - module: baremetal.lifecycle.bm_boot_device
    description: Makes the machine boot from it.
  - module: baremetal.lifecycle.bm_boot_media
    description: Makes the media of the deploy ramdisk.
"""

EXAMPLES = r"""
- name: Show a firmware update to the machine
  baremetal.lifecycle.bm_virtual_media:
    name: node01
    bmc:
      address: https://192.0.2.10
      username: admin
      password: "{{ vault_bmc_password }}"
      verify: /etc/ssl/bmc-ca.pem
    state: inserted
    url: http://192.0.2.1/firmware.iso

- name: Take it out
  baremetal.lifecycle.bm_virtual_media:
    name: node01
    bmc:
      address: https://192.0.2.10
      username: admin
      password: "{{ vault_bmc_password }}"
      verify: /etc/ssl/bmc-ca.pem
    state: ejected
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
media:
  description: The URL of what is in the drive now, without user name and password; null for nothing.
  returned: success
  type: str
  sample: http://192.0.2.1/firmware.iso
diff:
  description: C(before) and C(after), each with C(media).
  returned: success
  type: dict
  sample: {"before": {"media": null}, "after": {"media": "http://192.0.2.1/firmware.iso"}}
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import virtual_media


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(virtual_media.run, virtual_media.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
