# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM or emulation: found out by booting a kernel, because /dev/kvm alone proves nothing.

There are machines where /dev/kvm opens and a guest never gets to its first line.
"""

from __future__ import annotations

import os
import subprocess

from process import boot_id
from settings import CACHE, RAMDISK

PROBE_SECONDS = 6


def choose() -> str:
    """Return the libvirt domain type, ``kvm`` or ``qemu`` (emulation); tried once in a boot."""
    answer = CACHE / f"accelerator-{boot_id()}"
    if not answer.exists():
        answer.write_text("kvm" if _kvm_boots() else "qemu")
    return answer.read_text()


def _kvm_boots() -> bool:
    """Boot the ramdisk's kernel under KVM: it finds no root file system, panics and exits."""
    kernel = RAMDISK / "vmlinuz"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or not kernel.exists():
        return False
    argv = [
        *("qemu-system-x86_64", "-machine", "q35,accel=kvm", "-cpu", "host", "-m", "256"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"),
        *("-no-reboot", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"),
    ]
    try:
        probe = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0 and b"Linux version" in probe.stdout
