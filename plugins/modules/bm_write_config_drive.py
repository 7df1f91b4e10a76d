#!/usr/bin/python
# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the config drive to its partition at the end of the disk, in the deploy ramdisk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bm_write_config_drive
short_description: Write a config drive to the end of a disk
version_added: 1.0.0
description:
  - Makes a partition named C(config-2) at the end of the disk, or uses the one that is there, writes the config drive into
    it and reads it back.
  - Both GPT and MBR partition tables are supported.
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
options:
  device:
    description:
      - Path of the disk. It must have a partition table.
    type: path
    required: true
  content:
    description:
      - The finished ISO 9660 or FAT file system with the label C(config-2), as base64. It may be compressed with gzip.
      - At most 64 MiB.
      - On a disk with 4096-byte sectors it must be FAT with sectors of that size.
    type: str
    required: true
seealso:
  - module: baremetal.lifecycle.bm_write_image
"""

EXAMPLES = r"""
- name: Write the config drive
  baremetal.lifecycle.bm_write_config_drive:
    device: /dev/sda
    content: "{{ lookup('ansible.builtin.file', 'node01.iso.b64') }}"
"""

RETURN = r"""
device:
  description: The disk, as it was given.
  returned: success
  type: str
  sample: /dev/sda
size:
  description: Size of the config drive in bytes.
  returned: success
  type: int
  sample: 376832
sha256:
  description: SHA-256 of the config drive, decompressed.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
partition:
  description: The partition that holds it.
  returned: success
  type: dict
  contains:
    number:
      description: Its number; V(0) in check mode when it would be made.
      type: int
      sample: 3
    start:
      description: Its first byte on the disk.
      type: int
      sample: 480102055936
    size:
      description: Its size in bytes.
      type: int
      sample: 1048576
    label:
      description: Its name.
      type: str
      sample: config-2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.config_drive.config_drive import (
    write_config_drive,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "device": {"type": "path", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    device, content = module.params["device"], module.params["content"]
    run(module, lambda: write_config_drive(device, content, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
