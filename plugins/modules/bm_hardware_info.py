#!/usr/bin/python
# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the node's hardware and disks, in the deploy ramdisk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bm_hardware_info
short_description: Read the hardware and the disks of a node from inside
version_added: 1.0.0
description:
  - Reads what the node is, and which disks it has, with the keys that root device hints use.
  - Nothing is changed that stays.
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
  devices:
    description:
      - Paths of disks. When given, only these are listed, in this order.
      - Regular files and loop devices may stand for disks.
    type: list
    elements: path
    default: []
  details:
    description:
      - Also return processor model, firmware, PCI functions and NUMA nodes.
    type: bool
    default: false
  lldp_timeout:
    description:
      - Also return what the neighbours of the network ports announce with LLDP, after listening for so many seconds.
      - Switches announce themselves each 30 seconds, so that V(35) hears them all; V(0) does not listen.
      - Listening takes root. In the deploy ramdisk, ports that are down are up for that time.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Read hardware and disks
  baremetal.lifecycle.bm_hardware_info:
  register: hardware

- name: Read all that can be read, and which switch ports the node is on
  baremetal.lifecycle.bm_hardware_info:
    details: true
    lldp_timeout: 35
  register: hardware

- name: Show the disks that are larger than 100 GiB
  ansible.builtin.debug:
    msg: "{{ hardware.disks | selectattr('size_bytes', '>', 100 * 1024 ** 3) | map(attribute='name') }}"
"""

RETURN = r"""
disks:
  description: Disks, RAID arrays and multipath devices that an image can be written to.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Path of the device.
      type: str
      sample: /dev/sda
    by_path:
      description: Link in C(/dev/disk/by-path), which stays the same while the disk stays in its slot.
      type: str
      sample: /dev/disk/by-path/pci-0000:00:17.0-ata-1
    size_bytes:
      description: Size in bytes.
      type: int
      sample: 480103981056
    model:
      description: Model.
      type: str
      sample: INTEL SSDSC2KB48
    vendor:
      description: Vendor.
      type: str
      sample: ATA
    serial:
      description: Serial number; of a multipath device its long one (udev's C(DM_SERIAL)), of an array its UUID.
      type: str
      sample: BTYF84330A0C480BGN
    wwn:
      description: World wide name.
      type: str
      sample: "0x55cd2e414f5a1c0e"
    wwn_with_extension:
      description: World wide name with the vendor's extension.
      type: str
      sample: "0x55cd2e414f5a1c0e"
    wwn_vendor_extension:
      description: The vendor's extension alone.
      type: str
      sample: "0x1234567890abcdef"
    rotational:
      description: Whether it has spinning platters.
      type: bool
      sample: false
    hctl:
      description: SCSI host, channel, target and LUN.
      type: str
      sample: "0:0:0:0"
    tran:
      description: Transport.
      type: str
      sample: sata
    read_only:
      description: Whether the kernel refuses writes.
      type: bool
      sample: false
    removable:
      description: Whether the medium can be taken out.
      type: bool
      sample: false
    member_of:
      description:
        - The arrays that the disk is a part of, or its firmware's RAID that does not run.
        - M(baremetal.lifecycle.bm_root_device) chooses no such disk.
      type: list
      elements: str
      sample: [/dev/md127]
    paths:
      description: The paths of a multipath device, with the same keys; they are no disks of their own.
      type: list
      elements: dict
      sample: []
hardware:
  description: What the node is.
  returned: success
  type: dict
  contains:
    system:
      description: Identity of the machine from its SMBIOS tables.
      type: dict
      contains:
        vendor:
          description: Vendor.
          type: str
          sample: Dell Inc.
        product:
          description: Product name.
          type: str
          sample: PowerEdge R640
        serial:
          description: Serial number.
          type: str
          sample: 7XK0Z33
        uuid:
          description: UUID of the machine.
          type: str
          sample: 4c4c4544-0058-4b10-8030-b7c04f5a3333
    cpus:
      description: Number of logical processors.
      type: int
      sample: 32
    architecture:
      description: Architecture of the processors.
      type: str
      sample: x86_64
    memory_mb:
      description:
        - Memory in MiB; the sum of the modules that SMBIOS lists.
        - Where SMBIOS does not tell, what the kernel has online; and where that is not known, what it has left to use.
      type: int
      sample: 196608
    boot_mode:
      description: How the ramdisk was booted, V(uefi) or V(bios).
      type: str
      sample: uefi
    secure_boot:
      description: Whether the firmware enforces Secure Boot.
      type: bool
      sample: false
    nics:
      description: Physical network ports.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the port.
          type: str
          sample: eno1
        mac:
          description: MAC address in lower case.
          type: str
          sample: 52:54:00:12:34:56
        speed:
          description: Speed in Mb/s; none while there is no link.
          type: int
          sample: 25000
        carrier:
          description: Whether there is a link.
          type: bool
          sample: true
        pci:
          description: PCI address.
          type: str
          sample: "0000:19:00.0"
    ramdisk:
      description: Whether this system is the deploy ramdisk.
      type: bool
      sample: true
    deployment:
      description: Identifier of the deployment that the ramdisk was booted for; none without one.
      type: str
      sample: 0f9c1b9e-1a7e-4f6c-9b2f-3b1f4f0c9d55
    cpu:
      description: The processors' model, and how many sockets have one; none where the kernel does not tell.
      type: dict
      returned: when O(details=true)
      sample: {"model": "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", "sockets": 2}
    bios:
      description: Vendor, version and date of the firmware.
      type: dict
      returned: when O(details=true)
      sample: {"vendor": "Dell Inc.", "version": "2.21.2", "date": "02/19/2024"}
    pci:
      description: PCI functions.
      type: list
      elements: dict
      returned: when O(details=true)
      contains:
        address:
          description: Address.
          type: str
          sample: "0000:19:00.0"
        vendor_id:
          description: Vendor, as four hex digits.
          type: str
          sample: "8086"
        device_id:
          description: Device, as four hex digits.
          type: str
          sample: "158b"
        class:
          description: Class, subclass and programming interface, as six hex digits.
          type: str
          sample: "020000"
        revision:
          description: Revision, as two hex digits.
          type: str
          sample: "02"
        numa_node:
          description: NUMA node; none where the firmware does not tell.
          type: int
          sample: 0
        driver:
          description: The kernel's driver; none without one.
          type: str
          sample: i40e
    numa:
      description: NUMA nodes.
      type: list
      elements: dict
      returned: when O(details=true)
      contains:
        node:
          description: Number.
          type: int
          sample: 0
        cpus:
          description: Its logical processors.
          type: str
          sample: "0-19,40-59"
        memory_mb:
          description: Its memory in MiB, without what the kernel took for itself.
          type: int
          sample: 95120
    lldp:
      description: The neighbours of the network ports.
      type: list
      elements: dict
      returned: when O(lldp_timeout) is more than 0
      contains:
        nic:
          description: Name of the node's port.
          type: str
          sample: eno1
        chassis_id:
          description: The neighbour; a MAC address, an IP address or a name.
          type: str
          sample: 00:1c:73:aa:bb:cc
        port_id:
          description: The neighbour's port; a MAC address, an IP address or a name.
          type: str
          sample: Ethernet7
        port_description:
          description: What the neighbour says of that port.
          type: str
          sample: node01 eno1
        system_name:
          description: Name of the neighbour.
          type: str
          sample: leaf3
        system_description:
          description: What the neighbour says of itself.
          type: str
          sample: Arista Networks EOS version 4.31.2F
        port_vlan:
          description: VLAN of untagged frames; none where it is not announced.
          type: int
          sample: 100
        vlans:
          description: VLANs that are announced, each with C(id) and C(name).
          type: list
          elements: dict
          sample: [{"id": 100, "name": "provisioning"}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.disk.disks import list_disks
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.hardware.hardware import read_hardware


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "devices": {"type": "list", "elements": "path", "default": []},
            "details": {"type": "bool", "default": False},
            "lldp_timeout": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params
    run(
        module,
        lambda: {
            "changed": False,
            "disks": list_disks(params["devices"]),
            "hardware": read_hardware(details=params["details"], lldp_timeout=params["lldp_timeout"]),
        },
    )


if __name__ == "__main__":
    main()
