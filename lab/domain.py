# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine consists of, in libvirt's words (https://libvirt.org/formatdomain.html)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import quoteattr

from settings import BRIDGE, CPUS, MEMORY_MIB, Firmware, Machine

DOMAIN = """\
<domain type='{accelerator}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{machine.domain}</name>
  <uuid>{machine.uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>{cpus}</vcpu>
  {firmware_settings}
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    {firmware}
  </os>
  <features><acpi/><apic/><smm state='{smm}'/></features>
  {cpu}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    {disk}
    {cdrom}
    {network}
    {console}
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
  {small_disks}
</domain>
"""

DISK = """\
<disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe' discard='unmap' detect_zeroes='unmap'/>
      <source file={disk}/>
      <target dev='vda' bus='virtio'/>
      <serial>{machine.serial}</serial>
      {boot}
      <alias name='ua-disk'/>
    </disk>"""

# libvirt has no words for an emulated NVMe disk, for a disk that can't discard and for two paths to one, nor does it
# know which PCI slots they take: some far from its own. The kernel of the lab's ramdisk knows virtual disks and NVMe
# only.
SMALL_DISKS = """\
<qemu:commandline>
    <qemu:arg value='-drive'/>
    <qemu:arg value={drives[0]}/>
    <qemu:arg value='-device'/>
    <qemu:arg value='nvme,drive=small0,serial={serials[0]},addr=0x10'/>
    <qemu:arg value='-drive'/>
    <qemu:arg value={drives[1]}/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-blk-pci,drive=small1,serial={serials[1]},addr=0x11,discard=off,write-zeroes=off'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-scsi-pci,id=paths,addr=0x12'/>
    {paths}
  </qemu:commandline>"""

PATH = """\
<qemu:arg value='-drive'/>
    <qemu:arg value={drive}/>
    <qemu:arg value='-device'/>
    <qemu:arg value='scsi-hd,bus=paths.0,scsi-id={number},drive=path{number},share-rw=on,serial={serial},wwn={wwn}'/>"""
PATH_DRIVE = "if=none,id=path{number},format=raw,cache=unsafe,file.locking=off,file={path}"

SMALL_DRIVE = "if=none,id=small{number},format=qcow2,cache=unsafe,discard=unmap,file={path}"

CDROM = """\
<disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/>
      {source}
      <target dev='sda' bus='sata'/>
      <readonly/>
      {boot}
      <alias name='ua-cdrom'/>
    </disk>"""

# A BMC over IPMI passes the serial port on to who listens. What was said is in the log all the same.
CONSOLE = "<serial type='file'><source path={log} append='on'/></serial>"
SHARED_CONSOLE = """\
<serial type='tcp'>
      <source mode='bind' host='127.0.0.1' service='{port}'/>
      <protocol type='raw'/>
      <log file={log} append='on'/>
    </serial>"""

NETWORK = """\
<interface type='bridge'>
      <source bridge='{bridge}'/>
      <mac address='{machine.mac}'/>
      <model type='virtio'/>
      {rom}
      {boot}
      <alias name='ua-network'/>
    </interface>"""

# Everything that emulation can do. Take nothing away from it: with QEMU 7.2 a guest without SVM
# (max,svm=off) gets garbage from readlink() and its first program aborts.
CPU = {"qemu": "<cpu mode='maximum'/>", "kvm": "<cpu mode='host-passthrough'/>"}

# UEFI brings its own driver and its own PXE; the card's ROM (iPXE) would take the place of both.
# A BIOS has only the ROM, and shows what it does on the serial line if that is asked for.
FIRMWARE = {
    "uefi": """\
<loader readonly='yes' secure='no' type='pflash'>{firmware.code}</loader>
    <nvram template='{firmware.variables}'>{machine.variables}</nvram>""",
    "bios": "<bios useserial='yes'/>",
}
# Nothing in the lab answers PXE over IPv6, which takes OVMF 68 s to find out before it tries the next device.
FIRMWARE_SETTINGS = {
    "uefi": "<sysinfo type='fwcfg'><entry name='opt/org.tianocore/IPv6PXESupport'>n</entry></sysinfo>",
    "bios": "",
}
ROM = {"uefi": "<rom enabled='no'/>", "bios": ""}


def definition(machine: Machine, boot_order: Sequence[str], accelerator: str) -> str:
    """Return a machine's definition; it tries the devices that ``boot_order`` names, in this order."""
    firmware: Firmware = machine.kind.firmware
    boot = {device: f"<boot order='{place}'/>" for place, device in enumerate(boot_order, start=1)}
    media = f"<source file={quoteattr(str(machine.media))}/>" if machine.media.exists() else ""
    return DOMAIN.format(
        machine=machine,
        accelerator=accelerator,
        cpu=CPU[accelerator],
        memory=MEMORY_MIB,
        cpus=CPUS,
        firmware_settings=FIRMWARE_SETTINGS[firmware.mode],
        firmware=FIRMWARE[firmware.mode].format(firmware=firmware, machine=machine),
        smm="on" if firmware.smm else "off",
        disk=DISK.format(machine=machine, disk=quoteattr(str(machine.disk)), boot=boot.get("disk", "")),
        small_disks=_small_disks(machine),
        cdrom=CDROM.format(source=media, boot=boot.get("cdrom", "")) if machine.kind.cdrom else "",
        network=NETWORK.format(machine=machine, bridge=BRIDGE, rom=ROM[firmware.mode], boot=boot.get("network", "")),
        console=_console(machine),
    )


def _small_disks(machine: Machine) -> str:
    drives = [SMALL_DRIVE.format(number=number, path=path) for number, path in enumerate(machine.small_disks.values())]
    if not drives:
        return ""
    return SMALL_DISKS.format(
        serials=[*machine.small_disks], drives=[*map(quoteattr, drives)], paths="\n    ".join(_paths(machine))
    )


def _paths(machine: Machine) -> Iterator[str]:
    wwn = f"0x5000c500b0a700{machine.number:02}"
    for number in range(2):
        drive = quoteattr(PATH_DRIVE.format(number=number, path=machine.shared_disk))
        yield PATH.format(number=number, drive=drive, serial=f"{machine.serial}M", wwn=wwn)


def _console(machine: Machine) -> str:
    kind = SHARED_CONSOLE if machine.kind.bmc == "ipmi" else CONSOLE
    return kind.format(port=machine.console_port, log=quoteattr(str(machine.console)))
