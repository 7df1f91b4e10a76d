# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd of the lab's own, and its virtual machines.

libvirtd as root has fixed paths. It therefore runs with the lab's directories mounted over them
in a mount namespace of its own (``ip netns exec`` makes one): a libvirtd of the system, and its
machines, see nothing of it.
"""

from __future__ import annotations

import pathlib
import shutil
import time
from collections.abc import Sequence

import accelerator
import domain
import network
import process
from process import LabError, run
from settings import CACHE, DISK_GIB, NAMESPACE, SMALL_DISK_MIB, STATE, Machine

# Where libvirtd looks, and which directory of the lab it finds there.
MOUNTS = {
    "/etc/libvirt": STATE / "libvirt/etc",
    "/run/libvirt": STATE / "libvirt/run",
    "/var/lib/libvirt": STATE / "libvirt/lib",
    "/var/cache/libvirt": CACHE / "libvirt",
    "/var/log/libvirt": STATE / "libvirt/log",
}

SETTLE_SECONDS = 30
"""How long libvirtd may take to see that a machine has ended."""

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
    firmware = machine.kind.firmware
    for path in filter(None, (firmware.code, firmware.variables)):
        if not pathlib.Path(path).exists():
            raise LabError(f"{path} is missing; run lab/setup.sh lab")
    run("qemu-img", "create", "-q", "-f", "qcow2", str(machine.disk), f"{DISK_GIB}G")
    for path in machine.small_disks.values():
        run("qemu-img", "create", "-q", "-f", "qcow2", str(path), f"{SMALL_DISK_MIB}M")
    if machine.shared_disk:
        run("qemu-img", "create", "-q", "-f", "raw", str(machine.shared_disk), f"{SMALL_DISK_MIB}M")
    if firmware.variables:
        shutil.copyfile(firmware.variables, machine.variables)
    define(machine, machine.kind.boot_order)
    return True


def define(machine: Machine, boot_order: Sequence[str]) -> None:
    """Define a machine, or define it anew: its next start tries the devices in this order."""
    virsh("define", "/dev/stdin", stdin=domain.definition(machine, boot_order, accelerator.choose()))


def start(machine: Machine) -> None:
    """Start a machine that is off. libvirtd may not have seen yet that it has switched itself off.

    :raises LabError: with libvirt's words.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            virsh("start", machine.domain)
        except LabError as error:
            if "already active" not in str(error) or is_on(machine) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def pids() -> list[int]:
    """Return the pids of the machines that run, as libvirtd noted them down; it need not run."""
    noted = [(_noted_pid(path), path.stem) for path in _pid_files().glob(f"{NAMESPACE}-*.pid")]
    return [pid for pid, name in noted if _is_machine(pid, name)]


def is_on(machine: Machine) -> bool:
    """Say whether a machine runs, without asking libvirtd: it is slow to answer while it starts one."""
    return _is_machine(_noted_pid(_pid_files() / f"{machine.domain}.pid"), machine.domain)


def _pid_files() -> pathlib.Path:
    return STATE / "libvirt/run/qemu"


def _noted_pid(path: pathlib.Path) -> int:
    """Return the pid in a file, or 0."""
    try:
        return int(path.read_text() or 0)
    except OSError:
        return 0


def _is_machine(pid: int, name: str) -> bool:
    """Say whether a pid still is the QEMU of a domain: pids are given out again."""
    try:
        arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(part.startswith(f"guest={name},".encode()) for part in arguments)


def power_states() -> dict[str, str]:
    """Return the power state of each machine by domain name."""
    names = virsh("list", "--all", "--name").split()
    running = set(virsh("list", "--name").split())
    return {name: "on" if name in running else "off" for name in names}
