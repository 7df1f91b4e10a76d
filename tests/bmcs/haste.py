"""The driver without its pauses, for BMCs that are played on this machine: none of them needs any."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import boot, media, power

PAUSES: tuple[tuple[t.Any, str, float], ...] = (
    (power.RedfishPower, "first_look", 0.0),
    (power, "STATE_PAUSE", 0.1),
    (media, "FIRST_LOOK", 0.0),
    (media, "FIRST_LOOK_LATER", 0.0),
    (boot, "LOOK_PAUSE", 0.05),
)
"""Where a pause is, its name, and its seconds here."""

MOMENTS = ((power, "SAME_MOMENT", 5.0), (power, "RECENT", 60.0), (boot, "JUST_NOW", 60.0))
"""For how long what was read is relied on: longer here, so that a busy machine asks no more than another."""


def counted(setattr_: t.Callable[[t.Any, str, float], None] = setattr) -> None:
    """Make what a BMC is asked not depend on how long that takes; for ``Known.at_once``."""
    for where, name, seconds in (*PAUSES, *MOMENTS):
        setattr_(where, name, seconds)


def without_pauses(setattr_: t.Callable[[t.Any, str, float], None] = setattr) -> None:
    """Take the pauses out; ``setattr_``: what sets them, as pytest's ``monkeypatch.setattr``."""
    for where, name, seconds in PAUSES:
        setattr_(where, name, seconds)
