#!/usr/bin/python
# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes an image to a disk and proves that it is there, in the deploy ramdisk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bm_write_image
short_description: Write an image to a disk and read it back
version_added: 1.0.0
description:
  - Streams a raw image in one pass from the network to the disk, with fetching, hashing, decompressing and writing at the
    same time; a broken connection is resumed where it broke. A qcow2 image is fetched to the ramdisk first.
  - Before the first byte is written, the image must prove to be of the declared format, to have a partition table and to
    fit on the disk.
  - Afterwards the checksum of what was fetched is compared, and what the disk holds is read back and compared.
  - The first block of the image, which makes the disk bootable, is written last. Whatever ends the write, a disk that is
    written only in part is never booted.
  - A backup GPT is moved to the end of the disk.
  - A qcow2 image of which a part is missing is refused before the disk is touched, whatever its checksum says.
  - Other disks of the machine that hold the same image, or a config drive, are found before the write.
  - Shows its progress while it runs. The write goes on when the connection to the node breaks, and is found again.
  - An earlier writer that a killed play left behind on the node is ended first.
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
extends_documentation_fragment:
  - baremetal.lifecycle.inband
attributes:
  check_mode:
    support: full
    details:
      - Fetches the first bytes of the image and does all checks that these allow.
  diff_mode:
    support: partial
    details:
      - Names the image and the disk.
  idempotent:
    support: none
    details:
      - Writes whenever it is run.
options:
  url:
    description:
      - Where the image is, as C(http), C(https) or C(file) URL, as the node sees it.
    type: str
    required: true
  checksum:
    description:
      - Checksum of the file as it is fetched, as C(algorithm:hex).
      - SHA-2, SHA-3 and BLAKE2 are taken; MD5 and SHA-1 are refused.
    type: str
    required: true
  device:
    description:
      - Path of the disk.
    type: path
    required: true
  format:
    description:
      - Format of the image, after decompression. The image must have it.
    type: str
    choices: [raw, qcow2]
    default: raw
  compression:
    description:
      - Compression of the file. V(auto) goes by the end of the URL's path.
    type: str
    choices: [auto, none, gz, xz, zst, bz2]
    default: auto
  ca_path:
    description:
      - File on the node with the certificates of the authorities to trust, for C(https).
    type: path
  validate_certs:
    description:
      - Whether the certificate of the server must be valid.
    type: bool
    default: true
  retries:
    description:
      - How many attempts in a row may bring nothing new before the fetch fails.
    type: int
    default: 5
  timeout:
    description:
      - Seconds without a byte after which a connection counts as broken.
      - Over each such time of waiting for the server, at least 4 KiB a second must come.
    type: int
    default: 60
  preserve:
    description:
      - Names of GPT partitions of the disk that must survive the write. The image must end before the first of them.
      - At each moment, whatever ends the write, one copy of the disk's GPT has them; at the end they stand in the GPT of
        the image, and are compared with what they held.
      - A name that is not on the disk is refused, unless the disk has no partitions but those of the image.
    type: list
    elements: str
    default: []
  boot_mode:
    description:
      - How the machine boots. The image must have what this needs, as far as its first sectors tell.
      - For V(uefi) an EFI system partition in a GPT, for V(bios) boot code in the first sector. Without it, nothing is asked.
    type: str
    choices: [uefi, bios]
  other_disks:
    description:
      - Paths of the machine's other disks, which are looked at. By default all that M(baremetal.lifecycle.bm_hardware_info) lists in
        the deploy ramdisk, and none elsewhere.
    type: list
    elements: str
  other_copies:
    description:
      - What is done where another disk has a disk or partition identifier of this image, or a partition C(config-2). Firmware, boot
        loader or cloud-init may take the old system or its config drive in place of the new.
      - V(refuse) fails before anything is written. V(erase) zeroes the first and the last MiB of such a disk, once the image
        is written and verified. V(keep) only tells.
    type: str
    choices: [refuse, erase, keep]
    default: refuse
  progress_path:
    description:
      - File on the node that tells the progress as JSON, replaced about once a second.
      - By default C(write_image-DEVICE.json) in C(/run/baremetal-lifecycle), or in C(/tmp/baremetal-lifecycle-UID) where
        the former can't be written.
    type: path
  reservation:
    description:
      - The node's reservation, to be prolonged on the controller while the write goes on.
      - C(name), C(state_dir), C(reservation_timeout) and optionally C(store) of M(baremetal.lifecycle.bm_prepare).
    type: dict
  time_limit:
    description:
      - Seconds that the whole write may take. After that it is ended and the task fails.
    type: int
    default: 3600
notes:
  - C(async) can't be set on a task with this module; it runs in the background by itself.
seealso:
  - module: baremetal.lifecycle.bm_write_config_drive
  - module: baremetal.lifecycle.bm_boot_entry
"""

EXAMPLES = r"""
- name: Write a compressed raw image
  baremetal.lifecycle.bm_write_image:
    url: https://images.example.com/debian-12.raw.zst
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    device: /dev/disk/by-path/pci-0000:00:17.0-ata-1

- name: Write a qcow2 image
  baremetal.lifecycle.bm_write_image:
    url: https://images.example.com/debian-12.qcow2
    checksum: sha512:ee26b0dd4af7e749aa1a8ee3c10ae9923f618980772e473f8819a5d4940e0db27ac185f8a0e1d5f84f88bc887fd67b143732c304cc5fa9ad8e6f57f50028a8ff
    format: qcow2
    device: /dev/sda
    time_limit: 1800

- name: Write another image, and keep the partition called data
  baremetal.lifecycle.bm_write_image:
    url: https://images.example.com/debian-13.raw.zst
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    device: /dev/sda
    preserve: [data]
"""

RETURN = r"""
device:
  description: The disk, as it was given.
  returned: success
  type: str
  sample: /dev/sda
checksum:
  description: Checksum that the fetched file has.
  returned: success
  type: str
  sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
bytes_fetched:
  description: Bytes that were fetched.
  returned: when written
  type: int
  sample: 195035136
bytes_written:
  description: Bytes of the image that were sent to the disk. For qcow2 this includes zeroes.
  returned: when written
  type: int
  sample: 562036736
bytes_zeroed:
  description: Bytes of the image that are zero and that the disk zeroed itself. V(0) for qcow2, where it is not known.
  returned: when written
  type: int
  sample: 1155530752
image_size:
  description: Size of the image on the disk, in bytes.
  returned: when written
  type: int
  sample: 1717567488
preserved:
  description:
    - Names of the partitions that were preserved, or would be.
    - Always empty for a qcow2 image in check mode, which does not see the image's partitions.
  returned: success
  type: list
  elements: str
  sample: [data]
before:
  description:
    - What the disk held before. C(table) is V(gpt), V(mbr) or none, with its C(guid) (for an MBR its signature) and the C(size) of
      the disk.
    - Each of C(partitions) has C(number), C(start), C(size), C(type), C(name), C(guid), and C(filesystem), C(label) and C(uuid) of
      what is in it. A disk without a table has the last three itself.
  returned: success
  type: dict
  sample: {"table": "gpt", "guid": "5f0c8a36-0d8c-4d0a-9d43-3f1f7a3b1c11", "size": 480103981056, "partitions": []}
other_copies:
  description: Other disks that have something of the image, C(device), C(has), and whether it was C(erased).
  returned: success
  type: list
  elements: dict
  sample: [{"device": "/dev/sdb", "has": ["a partition config-2"], "erased": true}]
other_esps:
  description: Other disks that have an EFI system partition.
  returned: success
  type: list
  elements: str
  sample: [/dev/sdb]
verified:
  description: That the disk was read back and holds the image.
  returned: when written
  type: bool
  sample: true
resumed:
  description: How often a broken connection was resumed.
  returned: when written
  type: int
  sample: 0
seconds:
  description: How long it took.
  returned: when written
  type: dict
  contains:
    fetch_write:
      description: Seconds until all was on the disk.
      type: float
      sample: 14.2
    verify:
      description: Seconds of reading back.
      type: float
      sample: 3.1
    total:
      description: Seconds of all.
      type: float
      sample: 18.7
would_write:
  description: What would be written.
  returned: in check mode
  type: dict
  contains:
    url:
      description: The image, without password and query.
      type: str
      sample: https://images.example.com/debian-12.raw.zst
    device:
      description: The disk.
      type: str
      sample: /dev/sda
    bytes:
      description: Bytes that the disk must have at least.
      type: int
      sample: 1717567488
error:
  description: What kind of failure it is.
  returned: failure
  type: dict
  contains:
    type:
      description: V(InvalidRequestError), V(ImageError) or V(StepError).
      type: str
      sample: ImageError
    retryable:
      description: Whether the same may succeed later without a change.
      type: bool
      sample: false
    hint:
      description: What to do.
      type: str
      sample: Publish the image again.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.source import SourceOptions

ARGUMENT_SPEC = {
    "url": {"type": "str", "required": True},
    "checksum": {"type": "str", "required": True},
    "device": {"type": "path", "required": True},
    "format": {"type": "str", "choices": ["raw", "qcow2"], "default": "raw"},
    "compression": {"type": "str", "choices": ["auto", "none", "gz", "xz", "zst", "bz2"], "default": "auto"},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "retries": {"type": "int", "default": 5},
    "timeout": {"type": "int", "default": 60},
    "preserve": {"type": "list", "elements": "str", "default": []},
    "boot_mode": {"type": "str", "choices": ["uefi", "bios"]},
    "other_disks": {"type": "list", "elements": "str"},
    "other_copies": {"type": "str", "choices": ["refuse", "erase", "keep"], "default": "refuse"},
    "progress_path": {"type": "path"},
    "reservation": {"type": "dict"},
    "time_limit": {"type": "int", "default": 3600},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    own = ("url", "checksum", "device", "format", "compression", "progress_path", "boot_mode", "other_copies")
    preserve, others = tuple(module.params["preserve"]), module.params["other_disks"]
    source = SourceOptions(
        **{name: module.params[name] for name in ("ca_path", "validate_certs", "retries", "timeout")}
    )
    request = ImageRequest(
        source=source,
        preserve=preserve,
        other_disks=None if others is None else tuple(others),
        **{name: module.params[name] for name in own},
    )
    run(module, lambda: write_image(request, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
