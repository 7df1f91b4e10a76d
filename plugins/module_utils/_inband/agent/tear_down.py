"""The last in-band step: everything is on the disks, then the ramdisk powers the node off."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import typing as t
from pathlib import Path

from ..._errors import InvalidRequestError, StepError
from ..disk.ioctl import flush_buffers
from ..write.target import MARKER, is_ramdisk
from .command import environment, run_command, search_path

_DELAY_SECONDS = 2  # the module's answer must reach the controller before the network goes
_POWER_OFF = "systemctl --force poweroff || poweroff -f"


def tear_down_agent(
    devices: t.Sequence[str], *, power_off: bool = True, check_mode: bool = False, marker: Path = MARKER
) -> dict[str, t.Any]:
    """Flush the disks and power the node off soon after the return; returns the module's result.

    Outside of the ramdisk nothing is ever powered off.
    :raises InvalidRequestError: a device is no disk.
    :raises StepError: a disk did not take the data, or the power off could not be arranged.
    """
    will_power_off = power_off and is_ramdisk(marker)
    if not check_mode:
        os.sync()
        for device in devices:
            _flush(device)
        if will_power_off:
            _power_off_soon()
    return {"changed": will_power_off, "powered_off": will_power_off, "flushed": list(devices)}


def _flush(device: str) -> None:
    try:
        fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise InvalidRequestError(
            f"The device {device} can't be used: {exc.strerror}.", hint="Give paths of disks of this node."
        ) from exc
    try:
        os.fsync(fd)
        if stat.S_ISBLK(os.fstat(fd).st_mode):
            flush_buffers(fd)
    except OSError as exc:
        raise StepError(
            f"{device} did not take the last data: {exc.strerror}.", hint="Look at dmesg in the ramdisk."
        ) from exc
    finally:
        os.close(fd)


def _power_off_soon() -> None:
    """Arrange the power off in a process that outlives this SSH session."""
    if shutil.which("systemd-run", path=search_path()):
        run_command(
            [
                "systemd-run",
                f"--on-active={_DELAY_SECONDS}s",
                "--timer-property=AccuracySec=100ms",
                "sh",
                "-c",
                _POWER_OFF,
            ]
        )
        return
    try:
        subprocess.Popen(  # pylint: disable=ansible-bad-function
            ["sh", "-c", f"sleep {_DELAY_SECONDS}; {_POWER_OFF}"],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
    except OSError as exc:
        raise StepError(f"The power off can't be arranged: {exc.strerror}.", hint="Power off by the BMC.") from exc
