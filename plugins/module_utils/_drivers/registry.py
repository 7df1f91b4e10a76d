"""Which driver is which: adding one is a file, a function and a line here, and its test."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._contract.node import Node
from .._errors import InvalidRequestError
from .base import Driver


def _fake() -> type[Driver]:
    from .fake import FakeDriver

    return FakeDriver


def _ipmi() -> type[Driver]:
    from .ipmi.driver import IPMIDriver

    return IPMIDriver


def _redfish() -> type[Driver]:
    from .redfish.driver import RedfishDriver

    return RedfishDriver


DRIVERS: dict[str, t.Callable[[], type[Driver]]] = {"fake": _fake, "ipmi": _ipmi, "redfish": _redfish}
"""Each driver by its name; its library is imported by whom it is for, since it takes longer than most calls.

Imported by statements, since Ansible packs into a module what it finds in those.
"""


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
    return driver()(node)
