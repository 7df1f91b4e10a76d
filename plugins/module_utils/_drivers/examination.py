"""An examination by what every driver can do, and what is tried by each; Redfish looks at more."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import typing as t

from .._errors import BMCAuthenticationError, BMCConnectionError, BMCError, BMCResponseError, UnsupportedOperationError
from . import base
from .interfaces import NO, OK, UNKNOWN, ExamineInterface, Finding

Looks = dict[str, t.Callable[[], Finding]]
"""How each thing is found out, by what it is."""

OVERRIDE, MEDIA = "boot override, set and taken back", "virtual media, in and out"
"""What is tried."""


class Examination(ExamineInterface):
    """Looks at power, boot device, virtual media and inventory."""

    def __init__(self, driver: base.Driver) -> None:
        self._driver = driver

    def examine(self, *, write: bool, media_url: str | None) -> tuple[list[Finding], dict[str, t.Any]]:
        driver = self._driver
        seen: dict[str, t.Callable[[], object]] = {
            "power": driver.power.get_power_state,
            "boot override": driver.management.get_boot_device,
            "virtual media": lambda: base.require_virtual_media(driver).get_media() or "empty",
            "Secure Boot": lambda: {True: "on", False: "off", None: "the BMC does not tell"}[
                driver.management.get_secure_boot()
            ],
            "inventory": lambda: _words_of(driver.inspect.get_inventory()) if driver.inspect else "not known",
        }
        looks: Looks = {what: functools.partial(_found, what, look) for what, look in seen.items()}
        found = look_at_all({**looks, **(trials(driver, media_url) if write else {})})
        works = {finding.what: finding.verdict == OK for finding in found}
        refused = {finding.what for finding in found if finding.verdict == NO}
        way = "virtual_media" if works["virtual media"] and MEDIA not in refused else "ipxe"
        return found, {"bm_boot_interface": way} if works["boot override"] and OVERRIDE not in refused else {}


def look_at_all(looks: Looks) -> list[Finding]:
    """Return what all looks find, in their order.

    :raises BMCError: the BMC is away, or refuses the credentials.
    """
    return [look_at(what, look) for what, look in looks.items()]


def trials(driver: base.Driver, media_url: str | None) -> Looks:
    """Return what an examination tries that may write: each is taken back at once. What is refused does not work.

    :param media_url: media to insert; None: none are.
    """
    tried: dict[str, t.Callable[[], Finding]] = {OVERRIDE: lambda: _try_override(driver, OVERRIDE)}
    if media_url:
        tried[MEDIA] = lambda: _try_media(driver, MEDIA, media_url)
    return {what: functools.partial(_try, what, trial) for what, trial in tried.items()}


def can_boot(driver: base.Driver, device: str, mode: str) -> bool:
    """Say whether the machine can be told to boot from a device, as far as that is known without trying."""
    try:
        driver.management.check_boot_device(device, mode=mode)
    except UnsupportedOperationError:
        return False
    return True


def _try(what: str, trial: t.Callable[[], Finding]) -> Finding:
    try:
        return trial()
    except BMCResponseError as exc:
        return Finding(what, NO, exc.message, exc.hint)


def _try_override(driver: base.Driver, what: str) -> Finding:
    before = driver.management.get_boot_device()
    if before.device is not None:
        return Finding(what, UNKNOWN, f"not tried: {before} is set", "Take it back, and examine again.")
    mode = before.mode or driver.node.boot_mode
    device = next((name for name in (base.PXE, base.CDROM) if can_boot(driver, name, mode)), None)
    if device is None:
        return Finding(what, NO, "there is nothing to set")
    with _taken_back(driver.management.clear_boot_device):
        driver.management.set_boot_device(device, mode=mode)
    return Finding(what, OK, f"{device} once, and nothing again")


def _try_media(driver: base.Driver, what: str, url: str) -> Finding:
    media = base.require_virtual_media(driver)
    if media.get_media() is not None:
        return Finding(what, UNKNOWN, "not tried: something is in the drive", "Eject it, and examine again.")
    with _taken_back(media.eject_media):
        media.insert_media(url)
    return Finding(what, OK, "went in, and came out")


@contextlib.contextmanager
def _taken_back(take_back: t.Callable[[], object]) -> t.Iterator[None]:
    """Take back what the block has done, also where that failed halfway; the block's own error is told then."""
    try:
        yield
    except BMCError:
        with contextlib.suppress(BMCError):
            take_back()
        raise
    take_back()


def look_at(what: str, look: t.Callable[[], Finding]) -> Finding:
    """Return what a look finds; what it can't find out is a finding, too.

    :raises BMCError: the BMC is away, or refuses the credentials.
    """
    try:
        return look()
    except (BMCAuthenticationError, BMCConnectionError):
        raise
    except UnsupportedOperationError as exc:
        return Finding(what, NO, exc.message, exc.hint)
    except BMCError as exc:
        return Finding(what, UNKNOWN, exc.message, exc.hint)
    except (ValueError, TypeError, LookupError) as exc:
        return Finding(what, UNKNOWN, f"the answer is not to be understood ({exc})", "Update the BMC's firmware.")


def _found(what: str, look: t.Callable[[], object]) -> Finding:
    return Finding(what, OK, str(look()))


def _words_of(told: t.Mapping[str, t.Any]) -> str:
    seen = f"{told['cpus'].get('count') or '?'} processors, {told.get('memory_mb') or '?'} MiB"
    return f"{seen}, {len(told['disks'])} disks, {len(told['nics'])} ports"
