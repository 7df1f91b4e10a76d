"""What differs between vendors' Redfish services: data, looked up by the System's Manufacturer.

sushy knows some quirks itself: UsbCd on Supermicro, TransferProtocolType, PATCH instead of InsertMedia.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Quirk:
    """How a vendor's service wants to be treated.

    ``media_types``: which virtual drives take boot media, best first (Redfish VirtualMedia.MediaTypes).
    ``persistent_override``: whether BootSourceOverrideEnabled=Continuous is honoured; else Once is used.
    ``reset_attempts``, ``reset_wait``: how often, and after how many seconds, a reset is asked for that the BMC has no
    time for, where it does not say itself when to come back.
    """

    media_types: tuple[str, ...] = ("CD", "DVD")
    persistent_override: bool = True
    reset_attempts: int = 3
    reset_wait: float = 2.0


DEFAULT = Quirk()

QUIRKS = {
    "cisco": Quirk(media_types=("DVD", "CD")),
    "dell": Quirk(reset_attempts=6, reset_wait=10.0),
    "hpe": Quirk(reset_attempts=6, reset_wait=10.0),
    "lenovo": Quirk(persistent_override=False),
}
"""By the first word of the manufacturer, in lower case."""


def quirk_of(manufacturer: object) -> Quirk:
    """Return the quirk of a manufacturer, the default for one that is unknown, or no text."""
    words = manufacturer.lower().split() if isinstance(manufacturer, str) else []
    return QUIRKS.get(words[0], DEFAULT) if words else DEFAULT
