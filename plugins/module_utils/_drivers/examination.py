"""An examination by what every driver can do; Redfish has one of its own."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t

from .._errors import BMCAuthenticationError, BMCConnectionError, BMCError, UnsupportedOperationError
from . import base
from .interfaces import NO, OK, UNKNOWN, ExamineInterface, Finding


class Examination(ExamineInterface):
    """Looks at power, boot device, virtual media and inventory."""

    def __init__(self, driver: base.Driver) -> None:
        self._driver = driver

    def examine(self, *, write: bool, media_url: str | None) -> tuple[list[Finding], dict[str, t.Any]]:
        driver, mode = self._driver, self._driver.node.boot_mode
        looks: dict[str, t.Callable[[], object]] = {
            "power": driver.power.get_power_state,
            "boot override": driver.management.get_boot_device,
            "virtual media": lambda: base.require_virtual_media(driver).get_media() or "empty",
            "Secure Boot": lambda: {True: "on", False: "off", None: "the BMC does not tell"}[
                driver.management.get_secure_boot()
            ],
            "inventory": lambda: _words_of(driver.inspect.get_inventory()) if driver.inspect else "not known",
        }
        if write:
            looks["boot override, set and taken back"] = lambda: self._try_override(mode)
        found = [look_at(what, functools.partial(_found, what, look)) for what, look in looks.items()]
        works = {finding.what: finding.verdict == OK for finding in found}
        way = "virtual_media" if works["virtual media"] else "ipxe"
        return found, {"bm_boot_interface": way} if works["boot override"] else {}

    def _try_override(self, mode: str) -> str:
        management = self._driver.management
        before = management.get_boot_device()
        if before.device is not None:
            return f"not tried: {before} is set"
        management.set_boot_device(base.PXE, mode=mode)
        management.clear_boot_device()
        return "pxe once, and nothing again"


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
