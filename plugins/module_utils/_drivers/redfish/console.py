"""What a BMC keeps of the console: OpenBMC's log service HostLogger, an entry a line; others pass it on by SSH only."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ..._errors import UnsupportedOperationError
from .. import interfaces
from .system import SystemSession

HOST_LOGGER = "HostLogger"
"""Id of the LogService (DSP0268, LogService; bmcweb, Redfish.md)."""

ENTRIES = 50
"""How many of its last entries are asked for."""


class RedfishConsoleLog(interfaces.ConsoleLogInterface):
    """The console of the System, as far as its BMC has logged it."""

    def __init__(self, session: SystemSession) -> None:
        self._session = session

    def read_console(self) -> str:
        doing = "tell what the machine said on its console"
        system = self._session.system().json
        lines = self._session.read_optional(doing, self._read, system)
        if lines is None:
            raise UnsupportedOperationError(
                "The BMC keeps nothing of what the machine says on its console.",
                node=self._session.node,
                hint="Look at the console itself, or leave bm_console out.",
            )
        return "\n".join(lines)

    def _read(self, system: dict[str, t.Any]) -> list[str] | None:
        services = (system.get("LogServices") or {}).get("@odata.id")
        members = self._session.get(services)["Members"] if services else ()
        path = next((item["@odata.id"] for item in members if item["@odata.id"].endswith(f"/{HOST_LOGGER}")), None)
        if path is None:
            return None
        entries = self._session.get(path)["Entries"]["@odata.id"]
        page = self._session.get(entries)
        left = page.get("Members@odata.count", 0) - len(page["Members"])
        if left > 0:  # oldest first, in pages
            page = self._session.get(f"{entries}?$skip={max(left + len(page['Members']) - ENTRIES, 0)}")
        return [str(entry.get("Message") or "") for entry in page["Members"][-ENTRIES:]]
