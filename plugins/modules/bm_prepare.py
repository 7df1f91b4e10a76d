#!/usr/bin/python
"""Bring a node to a verb's working state and make what its work needs."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_prepare
short_description: Bring a node to a verb's working state and make what its work needs
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Takes a node from the state it is in to the working state of O(verb), such as C(deploying); one that the store has never seen
    from C(enroll) on, every transition recorded.
  - A verb that the state, or a flag of the node, does not allow is refused before anything is touched.
  - Builds the boot media, for a deployment also the config drive, and keeps them on the controller until the work ends.
  - Finds that nothing is to be done for a node that is C(active) with the wanted image, config drive and root disk.
  - Goes on with the work of a run that died, at the first step that did not complete.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
  - baremetal.lifecycle.node.work
attributes:
  diff_mode:
    support: full
"""

EXAMPLES = r"""
- name: Prepare a deployment
  baremetal.lifecycle.bm_prepare:
    name: node01
    bmc:
      address: https://192.0.2.10
      username: admin
      password: "{{ bmc_password }}"
      verify: /etc/ssl/bmc-ca.pem
    image:
      url: http://192.0.2.1/debian-12.raw.zst
      checksum: http://192.0.2.1/SHA256SUMS
    root_device:
      serial: S4EWNX0R
    config_drive:
      meta_data:
        hostname: node01
    ramdisk:
      kernel: /srv/ramdisk/vmlinuz
      initrd: /srv/ramdisk/initrd.img
      esp: /srv/ramdisk/esp.img
      root: http://192.0.2.1/ramdisk/root.squashfs
      address: 192.0.2.11
    boot_server:
      path: /srv/www/boot
      url: http://192.0.2.1/boot
  register: prepared

- name: Prepare a machine that is a file, to be marked active only
  baremetal.lifecycle.bm_prepare:
    name: node02
    bmc:
      address: fake:///tmp/node02.json
    deploy_interface: noop
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
  sample: ["available -> deploying"]
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
needed:
  description: Whether a deployment is to be done.
  returned: success
  type: bool
in_band_steps:
  description: The steps that Ansible has to run in the ramdisk, in order.
  returned: success
  type: list
  elements: dict
  sample: [{"step": "deploy.write_image", "name": "write_image", "tasks": null, "priority": 80}]
connection:
  description: How to reach the ramdisk; C(address), C(port), C(key), C(control_path) and C(ssh_args).
  returned: when needed
  type: dict
plan:
  description: What would be done; C(transitions), C(steps), C(bmc_calls), C(image), C(root_device).
  returned: in check mode
  type: dict
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import prepare


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(prepare.run, prepare.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
