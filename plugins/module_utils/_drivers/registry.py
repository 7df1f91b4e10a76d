"""Which driver is which: adding one is a file, a line here and its test."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._contract.node import Node
from .._errors import InvalidRequestError
from .base import Driver
from .fake import FakeDriver
from .ipmi.driver import IPMIDriver
from .redfish.driver import RedfishDriver

DRIVERS: dict[str, type[Driver]] = {"fake": FakeDriver, "ipmi": IPMIDriver, "redfish": RedfishDriver}


def connect(node: Node) -> Driver:
    """Return the driver of a node. No request is sent before it is used.

    :raises InvalidRequestError: there is no such driver.
    :raises MissingDependencyError: its library is missing.
    """
    driver = DRIVERS.get(node.driver)
    if driver is None:
        raise InvalidRequestError(
            f"The driver '{node.driver}' does not exist.",
            node=node.name,
            hint=f"Set bm_driver to one of: {', '.join(DRIVERS)}.",
        )
    return driver(node)
