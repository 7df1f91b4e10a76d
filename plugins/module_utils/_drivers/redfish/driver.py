"""The Redfish driver: one System behind one service (DMTF DSP0266, DSP2046)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ..._contract.node import Node
from .. import base
from .boot import RedfishManagement
from .console import RedfishConsoleLog
from .doctor import RedfishExamination
from .inspect import RedfishInspect
from .media import RedfishVirtualMedia
from .power import RedfishPower
from .system import SystemSession


class RedfishDriver(base.Driver):
    """One System behind one Redfish service."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.session = SystemSession(node.bmc, node.name, self.counters, self._recall)
        self.power = RedfishPower(self, self.session)
        management = self.management = RedfishManagement(self, self.session)
        self.virtual_media = RedfishVirtualMedia(self.session)
        self.console_log = RedfishConsoleLog(self.session)
        self.inspect = RedfishInspect(self.session)
        self.examine = RedfishExamination(self, self.session, management)

    @property
    def system(self) -> t.Any:
        """The System as it was read last."""
        return self.session.system()

    def _recall(self) -> t.Mapping[str, t.Any]:
        return self.recall()

    @property
    def learnt(self) -> dict[str, t.Any] | None:
        return self.session.known.learnt

    def close(self) -> None:
        self.session.close(keep=self.goes_on)
