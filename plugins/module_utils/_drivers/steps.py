"""What a user may ask of a driver as a step: one line each, over the interfaces in base.py."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from . import base

STEPS: dict[tuple[str, str], t.Callable[[base.Driver, dict[str, t.Any]], object]] = {
    ("power", "power_on"): lambda driver, args: driver.power.set_power_state(base.POWER_ON),
    ("power", "power_off"): lambda driver, args: driver.power.set_power_state(
        base.POWER_OFF, soft=bool(args.get("soft"))
    ),
    ("power", "reboot"): lambda driver, args: driver.power.reboot(),
    ("management", "set_boot_device"): lambda driver, args: driver.management.set_boot_device(**args),
    ("management", "clear_boot_device"): lambda driver, args: driver.management.clear_boot_device(),
    ("boot", "insert_media"): lambda driver, args: base.require_virtual_media(driver).insert_media(**args),
    ("boot", "eject_media"): lambda driver, args: base.require_virtual_media(driver).eject_media(),
}
"""Steps of a driver that a user may put into a deployment, by interface and name."""
