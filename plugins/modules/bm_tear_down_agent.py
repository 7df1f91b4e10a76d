#!/usr/bin/python
# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flushes the disks and powers the node off from inside, as the last task in the deploy ramdisk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bm_tear_down_agent
short_description: Flush the disks and power the node off from inside
version_added: 1.0.0
description:
  - Waits until the disks hold all that was written, then powers the node off, soon after the task has returned.
  - Outside of the deploy ramdisk nothing is powered off.
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
extends_documentation_fragment:
  - baremetal.lifecycle.inband
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A second run finds no node to run on.
options:
  devices:
    description:
      - Paths of the disks to flush.
    type: list
    elements: path
    default: []
  power_off:
    description:
      - Whether to power the node off.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Leave the ramdisk
  baremetal.lifecycle.bm_tear_down_agent:
    devices:
      - /dev/sda
"""

RETURN = r"""
flushed:
  description: The disks that were flushed.
  returned: success
  type: list
  elements: str
  sample: [/dev/sda]
powered_off:
  description: Whether the node powers off now.
  returned: success
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.tear_down import tear_down_agent


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "devices": {"type": "list", "elements": "path", "default": []},
            "power_off": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run(module, lambda: tear_down_agent(**module.params, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
