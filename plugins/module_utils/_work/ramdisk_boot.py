"""The ramdisk is started, and answers or not: the only place that boots a machine from something else than its disk."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time

from .._boot.registry import boot_interface
from .._calls.request import Request
from .._drivers import base
from .._errors import BMCError, CallBackTimeoutError, InvalidStateError, UnsupportedOperationError
from . import work
from .task import Task

PROBE_INTERVAL = 2.0
"""Seconds between two questions whether the ramdisk answers."""

REPORT_INTERVAL = 10.0
"""Seconds between two lines that say what is waited for."""


def boot_ramdisk(request: Request, task: Task) -> None:
    """Boot the ramdisk from the media that bm_prepare has made, and wait until it answers.

    :raises InvalidStateError: there are no media.
    :raises CallBackTimeoutError: it does not answer in time.
    """
    url = work.Files(request.node).publication.url
    if url is None:
        raise InvalidStateError(
            "There are no boot media for this work.", node=request.node.name, hint="Run bm_prepare again."
        )
    task.record.driver_internal_info["ramdisk_up"] = False
    boot_from_media(request, task, url, persistent=False)
    task.process_event("wait")
    _await_call_back(request, task)
    task.record.driver_internal_info["ramdisk_up"] = True
    task.process_event("resume")


def boot_from_media(request: Request, task: Task, url: str, *, persistent: bool) -> None:
    """Power off, prepare the next boot, power on; each awaited and read back.

    An instance that comes back after a service is shut down by its operating system, where that follows in time.
    """
    driver, node = request.driver, request.node
    task.record.driver_internal_info["ramdisk_booted"] = True
    task.note("power", "off, to boot the ramdisk" if not persistent else "off, to boot from media")
    request.report("boot: power off")
    driver.power.set_power_state(base.POWER_OFF, soft=work.verb_of(task).kind == "service")
    # Where the BMC can't switch it, what the machine says of itself counts: see bm_root_device.
    if node.secure_boot is not None:
        request.report(f"boot: Secure Boot {'on' if node.secure_boot else 'off'}")
        with contextlib.suppress(UnsupportedOperationError):
            driver.management.set_secure_boot(node.secure_boot)
    request.report(f"boot: by {node.boot_interface}")
    boot_interface(node, driver).boot(url, persistent=persistent)
    request.report("boot: power on")
    driver.power.set_power_state(base.POWER_ON)
    task.record.power_state = base.POWER_ON


def _await_call_back(request: Request, task: Task) -> None:
    """Ask the ramdisk until it answers.

    :raises CallBackTimeoutError: with the limit, what was seen last, and the power state.
    :raises AbortedError: somebody has asked for it.
    """
    limit = request.node.ramdisk.timeout
    started = renewed = reported = time.monotonic()
    while True:
        answers, seen = work.agent_answers(request)
        now = time.monotonic()
        if answers:
            return
        if now - started >= limit:
            break
        work.check_abort(request)
        if now - reported >= REPORT_INTERVAL:
            request.report(f"boot: waiting for the ramdisk, {now - started:.0f} of {limit:g} s; last seen: {seen}")
            reported = now
        if now - renewed > request.reservation_timeout / 4:
            task.renew()
            renewed = now
        time.sleep(min(PROBE_INTERVAL, max(0.0, limit - (time.monotonic() - started))))
    try:
        power = request.driver.power.get_power_state()
    except BMCError as exc:
        power = exc.message
    raise CallBackTimeoutError(
        f"The ramdisk of node {request.node.name} did not answer within {limit:g} s;"
        f" last seen: {seen}; power: {power}.",
        node=request.node.name,
        hint="Look at the machine's console; check bm_ramdisk.address and network,"
        f" and that BMC and node reach bm_boot_server.url.{_secure_boot_hint(request)}",
    )


def _secure_boot_hint(request: Request) -> str:
    return " Secure Boot is on: firmware refuses media that are not signed." if request.node.secure_boot else ""
