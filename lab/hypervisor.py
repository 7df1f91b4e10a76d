# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd of the lab's own, and its virtual machines.

libvirtd as root has fixed paths. It therefore runs with the lab's directories mounted over them
in a mount namespace of its own (``ip netns exec`` makes one): a libvirtd of the system, and its
machines, see nothing of it.
"""

from __future__ import annotations

import pathlib
import shutil
from xml.sax.saxutils import quoteattr

import accelerator
import network
import process
from process import LabError, run
from settings import (
    BRIDGE,
    CACHE,
    CPUS,
    DISK_GIB,
    FIRMWARE,
    FIRMWARE_VARIABLES,
    MEMORY_MIB,
    NAMESPACE,
    STATE,
    Machine,
)

# Where libvirtd looks, and which directory of the lab it finds there.
MOUNTS = {
    "/etc/libvirt": STATE / "libvirt/etc",
    "/run/libvirt": STATE / "libvirt/run",
    "/var/lib/libvirt": STATE / "libvirt/lib",
    "/var/cache/libvirt": CACHE / "libvirt",
    "/var/log/libvirt": STATE / "libvirt/log",
}

LIBVIRTD_CONF = """\
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
"""

# There is no systemd, so no cgroups and no log daemon; the machines are only ours.
QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""

POOL = """\
<pool type='dir'>
  <name>default</name>
  <target><path>{path}</path></target>
</pool>
"""

DOMAIN = """\
<domain type='{accelerator}'>
  <name>{machine.domain}</name>
  <uuid>{machine.uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>{cpus}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' secure='no' type='pflash'>{firmware}</loader>
    <nvram template='{firmware_variables}'>{machine.variables}</nvram>
  </os>
  <features><acpi/><apic/></features>
  {cpu}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe' discard='unmap' detect_zeroes='unmap'/>
      <source file={disk}/>
      <target dev='vda' bus='virtio'/>
      <serial>{machine.serial}</serial>
      <boot order='1'/>
    </disk>
    <interface type='bridge'>
      <source bridge='{bridge}'/>
      <mac address='{machine.mac}'/>
      <model type='virtio'/>
    </interface>
    <serial type='file'><source path={console} append='on'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
"""

# Everything that emulation can do. Take nothing away from it: with QEMU 7.2 a guest without SVM
# (max,svm=off) gets garbage from readlink() and its first program aborts.
CPU = {"qemu": "<cpu mode='maximum'/>", "kvm": "<cpu mode='host-passthrough'/>"}


def beside_libvirtd(*argv: str) -> list[str]:
    """Return the command line that runs a program where the lab's libvirtd is."""
    mounts = "".join(f"mount --bind '{ours}' {theirs} && " for theirs, ours in MOUNTS.items())
    return network.inside("sh", "-c", mounts + 'exec "$@"', "sh", *argv)


def virsh(*argv: str, check: bool = True, stdin: str | None = None) -> str:
    """Run virsh against the lab's libvirtd."""
    command = beside_libvirtd("virsh", "--quiet", "--connect", "qemu:///system", *argv)
    return run(*command, check=check, stdin=stdin)


def _hide_kvm() -> str:
    """Return shell commands that hide a /dev/kvm which does not work from libvirtd.

    It would try it with each QEMU at each start, which takes four seconds each time. A regular
    file on a read-only mount is what libvirtd takes for "no KVM".
    """
    device = pathlib.Path("/dev/kvm")
    if accelerator.choose() == "kvm" or not device.exists():
        return ""
    (STATE / "no-kvm").touch()
    return f"mount --bind '{STATE}/no-kvm' {device} && mount -o remount,ro,bind {device} && "


def ensure_libvirtd() -> bool:
    """Start libvirtd with its storage pool if it does not run. Return if it changed."""
    start = process.pid_of("libvirtd") is None
    if start:
        _start_libvirtd()
    process.wait_for("libvirtd", lambda: virsh("version", check=False) != "")
    # sushy-tools keeps inserted media in the pool of this name; without it, InsertMedia fails.
    if "default" not in virsh("pool-list", "--all", "--name").split():
        virsh("pool-define", "/dev/stdin", stdin=POOL.format(path=STATE / "pool"))
        virsh("pool-autostart", "default")
    if "default" not in virsh("pool-list", "--name").split():
        virsh("pool-start", "default")
    return start


def _start_libvirtd() -> None:
    for theirs, ours in MOUNTS.items():
        pathlib.Path(theirs).mkdir(parents=True, exist_ok=True)
        ours.mkdir(parents=True, exist_ok=True)
    for name in ("disks", "nvram", "pool"):
        (STATE / name).mkdir(exist_ok=True)
    (STATE / "libvirt/etc/libvirtd.conf").write_text(LIBVIRTD_CONF)
    (STATE / "libvirt/etc/qemu.conf").write_text(QEMU_CONF)
    pid_file = STATE / "libvirt/run/libvirtd.pid"
    pid_file.unlink(missing_ok=True)
    command = ["libvirtd", "--pid-file", str(pid_file)]
    process.spawn("libvirtd", beside_libvirtd("sh", "-c", _hide_kvm() + 'exec "$@"', "sh", *command))


def ensure_machine(machine: Machine) -> bool:
    """Define a machine with an empty disk, powered off, if it is not there. Return if it changed."""
    if machine.domain in virsh("list", "--all", "--name").split():
        return False
    if not pathlib.Path(FIRMWARE).exists():
        raise LabError(f"{FIRMWARE} is missing; run lab/setup.sh lab")
    run("qemu-img", "create", "-q", "-f", "qcow2", str(machine.disk), f"{DISK_GIB}G")
    shutil.copyfile(FIRMWARE_VARIABLES, machine.variables)
    kind = accelerator.choose()
    definition = DOMAIN.format(
        machine=machine,
        accelerator=kind,
        cpu=CPU[kind],
        memory=MEMORY_MIB,
        cpus=CPUS,
        firmware=FIRMWARE,
        firmware_variables=FIRMWARE_VARIABLES,
        bridge=BRIDGE,
        disk=quoteattr(str(machine.disk)),
        console=quoteattr(str(machine.console)),
    )
    virsh("define", "/dev/stdin", stdin=definition)
    return True


def pids() -> list[int]:
    """Return the pids of the machines that run, as libvirtd noted them down; it need not run."""
    noted = {}
    for path in (STATE / "libvirt/run/qemu").glob(f"{NAMESPACE}-*.pid"):
        noted[path.stem] = int(path.read_text() or 0)
    return [pid for domain, pid in noted.items() if _is_machine(pid, domain)]


def _is_machine(pid: int, domain: str) -> bool:
    """Say whether a pid still is the QEMU of a domain: pids are given out again."""
    try:
        arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(part.startswith(f"guest={domain},".encode()) for part in arguments)


def power_states() -> dict[str, str]:
    """Return the power state of each machine by domain name."""
    names = virsh("list", "--all", "--name").split()
    running = set(virsh("list", "--name").split())
    return {name: "on" if name in running else "off" for name in names}
