#!/usr/bin/python
"""Make boot media of the deploy ramdisk for an operator to put into a machine."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_boot_media
short_description: Make boot media that an operator puts into a node
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Writes an ISO with the node's deploy ramdisk into a file, for a CD or the BMC's own web page.
  - It is the media of O(boot_interface=inserted_media), for machines whose BMC has neither virtual media nor a network to boot from.
  - It accepts the key C(ssh_key) of O(ramdisk), which is made if it is not there. The ISO can be used for any number of deployments.
  - Whoever has the ISO has the ramdisk's host key; keep it like a password.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
options:
  dest:
    description: File to write. One that is there is left as it is, unless O(force=true).
    type: path
    required: true
  force:
    description: Make the file anew, after another ramdisk was built or the node's network has changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make a CD for node01
  baremetal.lifecycle.bm_boot_media:
    name: node01
    bmc:
      address: ipmi://192.0.2.10
    boot_interface: inserted_media
    ramdisk:
      kernel: /srv/baremetal/ramdisk/vmlinuz
      initrd: /srv/baremetal/ramdisk/initrd.img
      esp: /srv/baremetal/ramdisk/esp.img
      root: http://192.0.2.1/ramdisk/root.squashfs
      ssh_key: ~/.local/state/baremetal.lifecycle/node01-media-key
      address: 192.0.2.11
    dest: /tmp/node01.iso
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
dest:
  description: The file.
  returned: success
  type: str
  sample: /tmp/node01.iso
ssh_key:
  description: The private key that the media accept.
  returned: success
  type: str
  sample: /srv/baremetal/node01-media-key
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import boot_media


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(boot_media.run, boot_media.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
