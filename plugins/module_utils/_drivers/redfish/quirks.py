"""What differs between BMCs: data, a row each, and where it is known from. Adding a vendor is a row.

What can be found out by asking is no quirk: allowable values, actions, what a refusal says.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import re
import typing as t

Document = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Quirk:
    """How a BMC wants to be treated.

    ``media_types``: which virtual drives take boot media, best first (VirtualMedia.MediaTypes).
    ``media_slots``: names of drives (regular expressions) that take URLs; only where all of them refuse, others.
    ``cd_sources``: BootSourceOverrideTarget for virtual media, best first of those that are allowed.
    ``iso_config``: drives without InsertMedia are given media by IsoConfig (see ``iso_config.py``), never by PATCH.
    ``boots_virtual_cd``: whether that means the virtual drive at all.
    ``whole_override``: target, enabled and mode of a boot override are wanted together.
    ``settings``: whether what a Settings resource has of Boot is set there; else on the System.
    ``changes_later``: boot mode and Secure Boot change in the next start, by a job of the firmware's.
    ``serial_in_sku``: SKU is the machine's serial number, as SMBIOS has it; SerialNumber that of its board.
    ``reset_attempts``, ``reset_wait``: how often, and after how many seconds, a reset is asked for that the BMC has no
    time for, where it does not say itself when to come back.
    """

    media_types: tuple[str, ...] = ("CD", "DVD")
    media_slots: tuple[str, ...] = ()
    cd_sources: tuple[str, ...] = ("Cd", "UsbCd")
    iso_config: bool = False
    boots_virtual_cd: bool = True
    whole_override: bool = False
    settings: bool = True
    changes_later: bool = False
    serial_in_sku: bool = False
    reset_attempts: int = 3
    reset_wait: float = 2.0


@dataclasses.dataclass(frozen=True)
class BMC:
    """Which BMC a quirk is of.

    ``vendor``: regular expression for the service root's Vendor, or where that has none, for the System's Manufacturer;
    ``model``: for the Manager's Model; ``before``: for firmware of the Manager that is older than this version.
    """

    name: str
    vendor: str
    quirk: Quirk
    model: str = ""
    before: tuple[int, ...] = ()


DEFAULT = Quirk()

DELL = Quirk(changes_later=True, serial_in_sku=True, reset_attempts=6, reset_wait=10.0)
# A reset is refused with 409 for up to a minute after another one; BIOS settings and Secure Boot are jobs: Ironic,
# redfish/power.py and management.py (_wait_for_secure_boot).

BMCS = (
    # Cd is the physical drive before 6.00, and virtual media need Dell's own attribute: Ironic, redfish/boot.py
    # (_validate_vendor), drac/boot.py.
    BMC("iDRAC before 6.00", "dell", dataclasses.replace(DELL, boots_virtual_cd=False), r"^(?!17G)", (6,)),
    # Of iDRAC10's drives only the first can be booted: Ironic, drac/boot.py.
    BMC("iDRAC10", "dell", dataclasses.replace(DELL, media_slots=("1",)), r"^17G"),
    BMC("iDRAC", "dell", DELL),
    # Resets are refused for minutes in POST: HPE, iLO message registry, UnableToModifyDuringSystemPOST. By the
    # Manager's model, since HPE's Cray machines have another BMC.
    BMC("iLO", r"hpe?\b|hewlett", Quirk(reset_attempts=6, reset_wait=10.0), r"\biLO\b"),
    # Of its drives EXT take a URL, RDOC and Remote what was uploaded: lenovo/python-redfish-lenovo, issue 21;
    # bmclib, lenovo/virtual_media.go.
    BMC("XCC", "lenovo", Quirk(media_slots=("EXT.*",))),
    # A DVD drive is what boots: Ironic, redfish/boot.py.
    BMC("CIMC", "cisco", Quirk(media_types=("DVD", "CD"))),
    # Virtual media are a USB drive, whatever Cd says: sushy, resources/system (UsbCd). Setting the target alone takes
    # the mode back to Legacy. X10 and X11 have no InsertMedia.
    BMC("Supermicro", "super ?micro", Quirk(cd_sources=("UsbCd", "Cd"), whole_override=True, iso_config=True)),
    # Target, enabled and mode together: Ironic, redfish/management.py (VENDORS_REQUIRING_FULL_BOOT_REQUEST); on the
    # System, not its Settings: libredfish, ami.rs.
    BMC(
        "MegaRAC",
        r"ami\b|american megatrends|asrock|gigabyte|giga ?computing",
        Quirk(whole_override=True, settings=False),
    ),
)
"""In this order: the first that fits."""

_VENDORS = [(re.compile(row.vendor), row) for row in BMCS]
"""Compiled for all processes that come of this one."""


def find_bmc(root: Document, system: Document, manager: t.Callable[[], Document]) -> BMC | None:
    """Return the row of a BMC, None for one that has none.

    :param manager: returns the Manager; asked for only where a row wants to know of it.
    """
    vendor = str(root.get("Vendor") or system.get("Manufacturer") or "").strip().lower()
    for pattern, row in _VENDORS:
        if not pattern.match(vendor):
            continue
        asked = manager() if row.model or row.before else {}
        model, version = str(asked.get("Model") or ""), version_of(asked.get("FirmwareVersion"))
        if re.search(row.model, model) and (not row.before or (version and version < row.before)):
            return row
    return None


def version_of(text: t.Any) -> tuple[int, ...]:
    """Return the numbers of a firmware version, empty for none: "iLO 5 v2.72" is (2, 72)."""
    found = re.search(r"\d+(?:\.\d+)+", str(text or ""))
    return tuple(int(number) for number in found[0].split(".")) if found else ()
