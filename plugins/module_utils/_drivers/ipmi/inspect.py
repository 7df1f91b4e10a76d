"""What a BMC tells of the hardware over IPMI: the system's FRU, its GUID, and the BMC's own firmware."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
import uuid

from ..._errors import BMCResponseError, UnsupportedOperationError
from .. import interfaces
from ..inventory import Inventory, complete
from .lan import parse_fru
from .session import Session

APPLICATION, STORAGE = 0x06, 0x0A
"""Network functions (table 5-1)."""

GET_DEVICE_ID, GET_SYSTEM_GUID = 0x01, 0x37
GET_FRU_AREA_INFO, READ_FRU_DATA = 0x10, 0x11
"""Commands (section 20.1, 22.14, 34.1, 34.2)."""

SYSTEM_FRU = 0
"""The FRU device that describes the machine itself."""

FRU_LIMIT = 4096
"""Bytes of a FRU that are read at most: the areas that count are in front."""

LARGEST_READ, SMALLEST_READ = 64, 8
"""Bytes for one Read FRU Data: halved while the BMC refuses."""

NAMES = {
    "vendor": ("Manufacturer", "Board manufacturer"),
    "product": ("Product name", "Board product name"),
    "serial": ("Serial Number", "Chassis serial number"),
    "sku": ("Model",),
}
"""Key to the FRU's fields in pyghmi's words, best first. A board's serial number is not the machine's."""


class IPMIInspect(interfaces.InspectInterface):
    """Inventory through Get Device ID, Get System GUID and FRU 0; IPMI has no more."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_inventory(self) -> Inventory:
        missing: set[str] = set()
        firmware = self._read("firmware", self._read_version, missing)
        fru = self._read("system", self._read_fru, missing) or {}
        system = {key: _first_text(fru, names) for key, names in NAMES.items()}
        system["uuid"] = self._read("system", self._read_uuid, missing)
        return complete({"system": system, "firmware": {"bmc": firmware}, "missing": missing})

    def _read(self, part: str, read: t.Callable[[], t.Any], missing: set[str]) -> t.Any:
        """Return what ``read`` returns; None where the BMC does not offer it, or answers with an error."""
        try:
            return read()
        except UnsupportedOperationError:
            return None
        except (BMCResponseError, ValueError):
            missing.add(part)
            return None

    def _read_version(self) -> str:
        answer = self._session.command(APPLICATION, GET_DEVICE_ID, doing="tell its firmware version", length=4)
        return f"{answer[2] & 0x7F}.{answer[3]:02x}"

    def _read_uuid(self) -> str | None:
        answer = self._session.command(APPLICATION, GET_SYSTEM_GUID, doing="tell the machine's GUID", length=16)
        guid = bytes(answer[:16])
        # In the byte order of SMBIOS, as BMCs have it and Linux shows it, not in the one of the specification.
        return str(uuid.UUID(bytes_le=guid)) if len(set(guid)) > 1 else None

    def _read_fru(self) -> dict[str, t.Any]:
        """Return the fields of the machine's FRU, none where it is empty.

        :raises ValueError: its content is not what the specification says.
        """
        doing = "read its FRU"
        answer = self._session.command(STORAGE, GET_FRU_AREA_INFO, [SYSTEM_FRU], doing=doing, length=2)
        size = min(int.from_bytes(bytes(answer[:2]), "little"), FRU_LIMIT)
        content, step = b"", LARGEST_READ
        while len(content) < size:
            request = [SYSTEM_FRU, *len(content).to_bytes(2, "little"), min(step, size - len(content))]
            try:
                answer = self._session.command(STORAGE, READ_FRU_DATA, request, doing=doing, length=1)
            except BMCResponseError:
                if step > SMALLEST_READ:
                    step //= 2
                    continue
                if not content:
                    raise
                break  # it promised more than it has
            chunk = bytes(answer[1 : 1 + answer[0]])
            if not chunk:
                break
            content += chunk
        return parse_fru(content) if content else {}


def _first_text(fru: t.Mapping[str, t.Any], names: tuple[str, ...]) -> str | None:
    """Return the first field that is there as text; a binary one is not."""
    texts = (value.strip() for value in map(fru.get, names) if isinstance(value, str))
    return next(filter(None, texts), None)
