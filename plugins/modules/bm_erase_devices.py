#!/usr/bin/python
# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Erases the disks of a node and proves it, in the deploy ramdisk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bm_erase_devices
short_description: Erase the disks of a node, with evidence
version_added: 1.0.0
description:
  - Erases disks, reads them back, and returns for each disk of the node what was done to it.
  - All checks are made before any disk is changed.
  - A disk that fails does not stop the others. At the end the task fails, and its result holds the evidence all the same.
  - Disks that are mounted, swap space, or below an active RAID array, volume or loop device are never erased. They are a failure,
    with result V(guarded). Arrays have to be stopped before.
  - RAID arrays themselves are left alone; their members are erased when the array is not active.
  - A disk that the kernel refuses to write is a failure, with result V(read-only); but a removable one that is not
    named in O(disks), such as virtual media of a BMC, is skipped.
  - Disks that share a WWN are paths of one disk. Unless they are below a multipath device, which is erased then, all but one
    have to be named in O(skip); else they are a failure.
  - Up to four disks are erased at once.
  - Shows its progress while it runs. The erase goes on when the connection to the node breaks, and is found again.
  - An erase with the same options that a killed play left behind on the node is waited for, and its result returned. One
    with other options that is at the same disk is ended first.
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
extends_documentation_fragment:
  - baremetal.lifecycle.inband
attributes:
  check_mode:
    support: full
    details:
      - Returns the plan. The disks are read and asked for what they can, and not changed.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Erases whenever it is run.
options:
  level:
    description:
      - V(metadata) wipes signatures and partition tables, and zeroes the first and last 4 MiB of the disk and of each partition.
        The data between stays where it is.
      - V(express) formats NVMe disks with erasure of the user data, or of their encryption key; other disks, and NVMe disks
        that fail, are erased as with V(metadata).
      - V(full) erases all data.
    type: str
    choices: [metadata, express, full]
    required: true
  method:
    description:
      - How to erase with O(level=full). The other levels have methods of their own, and do not look at it.
      - V(auto) tries on each disk what it can do, in the order of the list below. The next one is tried when one fails.
      - V(nvme_sanitize) is NVMe's Sanitize, as block erase if the drive can, else as crypto erase. It erases all namespaces
        of the drive, so it is refused while there is one that is not to be erased.
      - V(nvme_format) is NVMe's Format NVM, as crypto erase if the drive can, else as user data erase.
      - V(ata_secure_erase) is ATA's SECURITY ERASE UNIT, enhanced if the drive can. Refused where the firmware has frozen the
        drive's security, and not tried over USB. Until its end the drive has the user password C(bm-erase). One that does not
        give it up again has failed, whatever else could be done to it, as it locks when it loses power.
      - V(blkdiscard) discards all blocks, then has the device zero all addresses, like C(blkdiscard --zeroout). Only for
        devices that can do both by themselves. A discard alone would promise nothing.
      - V(overwrite) is one pass of zeroes, past the page cache.
    type: str
    choices: [auto, nvme_sanitize, nvme_format, ata_secure_erase, blkdiscard, overwrite]
    default: auto
  disks:
    description:
      - The disks to erase, each as path, link in C(/dev/disk), serial number or WWN.
      - By default all that O(allow) and O(skip) leave. A list that is empty is an error.
      - An entry that matches no disk, or more than one, is an error; so is one that O(allow) or O(skip) rule out.
    type: list
    elements: str
  allow:
    description:
      - The disks that may be erased, in the terms of O(disks). By default all. A list that is empty is an error.
    type: list
    elements: str
  skip:
    description:
      - The disks to leave alone, in the terms of O(disks).
    type: list
    elements: str
    default: []
  devices:
    description:
      - Paths of disks. When given, only these are the disks of the node.
      - Regular files and loop devices may stand for disks.
    type: list
    elements: path
    default: []
  samples:
    description:
      - How many blocks of 4 KiB are read back at spread positions, among them the first and the last.
      - Before a method that the drive does by itself, random data is written to them, so that a drive which does nothing is
        found out even when it was empty.
    type: int
    default: 64
  guard:
    description:
      - Whether disks with a cluster file system (VMFS, GPFS, GFS2, OCFS2) are kept, as other nodes may be using them. They are
        a failure, with result V(guarded).
      - Disks that this node uses are kept in any case.
    type: bool
    default: true
  reservation:
    description:
      - The node's reservation, to be prolonged on the controller while the erase goes on.
      - C(name), C(state_dir), C(reservation_timeout) and optionally C(store) of M(baremetal.lifecycle.bm_prepare).
    type: dict
  time_limit:
    description:
      - Seconds that the whole erase may take. After that it is ended and the task fails, with the evidence of the disks that
        were done. The default is a week.
    type: int
    default: 604800
  job:
    description:
      - Name of the erase, for its files on the node. By it an erase that is at work is found again.
      - By default a name that is made of the node's name and the other options.
    type: str
notes:
  - C(async) can't be set on a task with this module; it runs in the background by itself.
  - The categories in RV(evidence[].sanitization) are those of NIST SP 800-88 Rev. 1, appendix A. V(overwrite) and V(blkdiscard)
    are Clear, for all media. V(nvme_format) is Purge. V(nvme_sanitize) is younger than the publication; it is called Purge
    as the same operations of ATA drives are. V(ata_secure_erase) is Purge when enhanced on a drive that tells a
    rotation rate, else Clear.
  - Areas that a drive hides from its interface (HPA, DCO, spare blocks) are not reached by V(overwrite) and V(blkdiscard).
seealso:
  - plugin: baremetal.lifecycle.erasure_report
    plugin_type: filter
  - module: baremetal.lifecycle.bm_hardware_info
"""

EXAMPLES = r"""
- name: Make the node forget what was installed
  baremetal.lifecycle.bm_erase_devices:
    level: metadata

- name: Erase all data, but never the shared disk
  baremetal.lifecycle.bm_erase_devices:
    level: full
    skip: ["0x600508b1001c8a37"]
  register: erased

- name: Erase one disk in one way
  baremetal.lifecycle.bm_erase_devices:
    level: full
    method: overwrite
    disks: [BTYF84330A0C480BGN]

- name: Keep the evidence, whether or not all disks were erased
  block:
    - name: Erase
      baremetal.lifecycle.bm_erase_devices:
        level: full
      register: erased
  always:
    - name: Write the report
      ansible.builtin.copy:
        content: "{{ erased.evidence | default([]) | baremetal.lifecycle.erasure_report(inventory_hostname) }}"
        dest: "/srv/evidence/{{ inventory_hostname }}.txt"
        mode: "0640"
      delegate_to: localhost
"""

RETURN = r"""
evidence:
  description: Each disk of the node with what was done to it.
  returned: except in check mode, and when the request was refused; also on failure
  type: list
  elements: dict
  contains:
    device:
      description: Path of the device.
      type: str
      sample: /dev/sda
    by_path:
      description: Link in C(/dev/disk/by-path).
      type: str
      sample: /dev/disk/by-path/pci-0000:00:17.0-ata-1
    serial:
      description: Serial number.
      type: str
      sample: BTYF84330A0C480BGN
    wwn:
      description: World wide name.
      type: str
      sample: "0x55cd2e414f5a1c0e"
    vendor:
      description: Vendor.
      type: str
      sample: ATA
    model:
      description: Model.
      type: str
      sample: INTEL SSDSC2KB48
    media_type:
      description: V(magnetic) or V(flash memory); none where it can't be told.
      type: str
      sample: flash memory
    size_bytes:
      description: Size in bytes.
      type: int
      sample: 480103981056
    level:
      description: As O(level).
      type: str
      sample: full
    method:
      description: The method that succeeded, as in O(method), or V(metadata); none if none did.
      type: str
      sample: ata_secure_erase
    variant:
      description: V(block erase), V(crypto erase), V(user data erase), V(enhanced) or V(normal); none for other methods.
      type: str
      sample: enhanced
    tool:
      description: The program that did it, with its version.
      type: str
      sample: hdparm v9.65
    sanitization:
      description:
        - Category of NIST SP 800-88 Rev. 1 that was reached, V(clear) or V(purge).
        - None for V(metadata), which leaves the data on the disk, and where nothing succeeded.
      type: str
      sample: clear
    attempts:
      description: What was tried, in order.
      type: list
      elements: dict
      contains:
        method:
          description: The method.
          type: str
          sample: ata_secure_erase
        result:
          description: V(erased) or V(failed).
          type: str
          sample: erased
        error:
          description: Why it failed.
          type: str
          sample: "the drive's security is frozen: switch the node off and on, or end the freeze in its firmware's setup"
    started_at:
      description: When the erase began, as UTC in ISO 8601; none if it did not.
      type: str
      sample: "2026-05-01T12:00:00+00:00"
    finished_at:
      description: When it ended.
      type: str
      sample: "2026-05-01T12:02:11+00:00"
    seconds:
      description: How long it took.
      type: float
      sample: 131.207
    result:
      description: V(erased), V(failed), V(skipped), V(guarded) or V(read-only).
      type: str
      sample: erased
    reason:
      description: Why it was not erased.
      type: str
      sample: it is in skip
    verification:
      description: What was read back.
      type: dict
      contains:
        samples:
          description: Number of blocks.
          type: int
          sample: 64
        bytes:
          description: Their size together, in bytes.
          type: int
          sample: 262144
        result:
          description:
            - V(zeros), V(uniform) if all is one repeated byte, V(changed) if no block holds what it held before.
            - V(differs) if a block still holds old data, or other data than zeroes after zeroes were written;
              this is a failure of the method.
            - V(no signature) for V(metadata), where signatures are looked for instead.
            - None if nothing was read back.
          type: str
          sample: zeros
plan:
  description: Each disk of the node with what would be done to it.
  returned: in check mode
  type: list
  elements: dict
  contains:
    device:
      description: Path of the device.
      type: str
      sample: /dev/sda
    action:
      description: V(erase), or the result that the disk would have without being touched.
      type: str
      sample: erase
    methods:
      description: What would be tried, in order.
      type: list
      elements: str
      sample: [ata_secure_erase, overwrite]
    refused:
      description: Methods that the disk has, but that can't be used now, with the reason.
      type: dict
      sample: {}
    reason:
      description: Why the disk would not be erased.
      type: str
      sample: it is in skip
error:
  description: What kind of failure it is.
  returned: failure
  type: dict
  contains:
    type:
      description: V(InvalidRequestError) if nothing was touched, else V(StepError).
      type: str
      sample: StepError
    retryable:
      description: Whether the same may succeed later without a change.
      type: bool
      sample: false
    hint:
      description: What to do.
      type: str
      sample: Free (umount, swapoff, mdadm --stop), mend or replace the disk, or name it in skip. [...]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.erase import EraseRequest, erase_devices

METHODS = ["auto", "nvme_sanitize", "nvme_format", "ata_secure_erase", "blkdiscard", "overwrite"]

ARGUMENT_SPEC = {
    "level": {"type": "str", "required": True, "choices": ["metadata", "express", "full"]},
    "method": {"type": "str", "choices": METHODS, "default": "auto"},
    "disks": {"type": "list", "elements": "str"},
    "allow": {"type": "list", "elements": "str"},
    "skip": {"type": "list", "elements": "str", "default": []},
    "devices": {"type": "list", "elements": "path", "default": []},
    "samples": {"type": "int", "default": 64},
    "guard": {"type": "bool", "default": True},
    "job": {"type": "str"},
    "reservation": {"type": "dict"},
    "time_limit": {"type": "int", "default": 604800},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    not_here = ("reservation", "time_limit")  # the controller's part
    request = EraseRequest(**{key: value for key, value in module.params.items() if key not in not_here})
    run(module, lambda: erase_devices(request, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
