"""The ramdisk is started: the only place that boots a machine from something else than its disk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

from .._boot.registry import boot_interface
from .._calls.request import Request
from .._drivers import base
from .._errors import InvalidStateError, UnsupportedOperationError
from . import waits, work
from .files import Files
from .task import Task


def boot_ramdisk(request: Request, task: Task, *, then: str = waits.DONE) -> waits.Wait:
    """Boot the ramdisk from the media that bm_prepare has made; return the wait for its answer.

    :param then: what that means to the step that goes on.
    :raises InvalidStateError: there are no media.
    """
    url = Files(request.node).publication.url
    if url is None:
        raise InvalidStateError(
            "There are no boot media for this work.", node=request.node.name, hint="Run bm_prepare again."
        )
    task.record.driver_internal_info["ramdisk_up"] = False
    boot_from_media(request, task, url, persistent=False)
    return waits.Wait("ramdisk", request.node.ramdisk.timeout, then)


def boot_from_media(request: Request, task: Task, url: str, *, persistent: bool) -> None:
    """Power off, prepare the next boot, power on; each awaited and read back.

    An instance that comes back after a service is shut down by its operating system, where that follows in time.
    """
    driver, node = request.driver, request.node
    task.record.driver_internal_info["ramdisk_booted"] = True
    task.note("power", "off, to boot the ramdisk" if not persistent else "off, to boot from media")
    if task.record.power_state != base.POWER_OFF:
        request.report("boot: power off")
    driver.power.set_power_state(base.POWER_OFF, soft=work.verb_of(task).kind == "service")
    # Where the BMC can't switch it, what the machine says of itself counts: see bm_root_device.
    if node.secure_boot is not None:
        request.report(f"boot: Secure Boot {'on' if node.secure_boot else 'off'}")
        with contextlib.suppress(UnsupportedOperationError):
            driver.management.set_secure_boot(node.secure_boot)
    request.report(f"boot: by {node.boot_interface}")
    boot_interface(node, driver).boot(url, persistent=persistent)
    driver.power.set_power_state(base.POWER_ON)
    if persistent:  # a ramdisk tells itself how it was started
        driver.management.await_changes()
    task.record.power_state = base.POWER_ON
