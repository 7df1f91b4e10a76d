#!/usr/bin/python
# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the UEFI boot entry for the system on a disk, in the deploy ramdisk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bm_boot_entry
short_description: Have one UEFI boot entry for the system on a disk
version_added: 1.0.0
description:
  - Finds the boot loader in the EFI system partition, first by the distribution's C(BOOT*.CSV), then by known names, and
    has one boot entry for it, first in the boot order. The others keep their order.
  - Entries of the same label that point to anything else, such as the system that was on the disk before, are deleted.
  - Where the node boots in BIOS mode it only checks that the disk has boot code in its first sector.
  - Where Secure Boot is on, a boot loader without a signature is refused. Whose signature it is is left to the firmware.
  - Outside of the deploy ramdisk the loader is only reported.
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
extends_documentation_fragment:
  - baremetal.lifecycle.inband
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  device:
    description:
      - Path of the disk.
    type: path
    required: true
  label:
    description:
      - Label of the boot entry. All entries of this label belong to this module.
    type: str
    default: baremetal
  boot_mode:
    description:
      - How the node boots.
    type: str
    choices: [uefi, bios]
    required: true
seealso:
  - module: baremetal.lifecycle.bm_write_image
"""

EXAMPLES = r"""
- name: Make the firmware boot the new system
  baremetal.lifecycle.bm_boot_entry:
    device: /dev/sda
    boot_mode: uefi
"""

RETURN = r"""
device:
  description: The disk, as it was given.
  returned: success
  type: str
  sample: /dev/sda
label:
  description: Label of the boot entry.
  returned: success
  type: str
  sample: baremetal
loader:
  description: Path of the boot loader in the EFI system partition; none in BIOS mode.
  returned: success
  type: str
  sample: \EFI\debian\shimx64.efi
nvram:
  description: Whether the firmware's entries were looked at.
  returned: success
  type: bool
  sample: true
partition:
  description: Number of the EFI system partition.
  returned: in UEFI mode
  type: int
  sample: 1
partition_guid:
  description: GUID of the EFI system partition.
  returned: in UEFI mode
  type: str
  sample: 5a1c0e77-9e4b-4d0e-8a57-5a3f1a4f7c21
deleted:
  description: Numbers of the entries that were, or would be, deleted.
  returned: when the firmware's entries were looked at
  type: list
  elements: str
  sample: ["0004"]
boot_order:
  description: The boot order.
  returned: when the firmware's entries were looked at
  type: list
  elements: str
  sample: ["0005", "0001", "0000"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.boot.entry import (
    DEFAULT_LABEL,
    ensure_boot_entry,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "device": {"type": "path", "required": True},
            "label": {"type": "str", "default": DEFAULT_LABEL},
            "boot_mode": {"type": "str", "choices": ["uefi", "bios"], "required": True},
        },
        supports_check_mode=True,
    )
    run(module, lambda: ensure_boot_entry(**module.params, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
