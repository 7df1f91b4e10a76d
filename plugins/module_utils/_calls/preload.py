"""What only some nodes need: a fork that had to import it has its parent import it before the next fork.

So a run pays for each once, and not for those that none of its nodes needs.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import importlib
import mmap
import os
import sys
import typing as t

from .. import _dependency

_HOME = __name__.rpartition("._calls.")[0]

DRIVERS = {
    "fake": f"{_HOME}._drivers.fake",
    "ipmi": f"{_HOME}._drivers.ipmi.driver",
    "redfish": f"{_HOME}._drivers.redfish.driver",
}
"""The driver of each name."""

LAZY = (
    *DRIVERS.values(),
    f"{_HOME}._drivers.redfish.default_trust",
    *("psycopg", "pycdlib", "oslo_utils.imageutils.format_inspector", "oslo_utils.specs_matcher"),
)
"""Modules that take longer to import than most calls; all are imported inside of the functions that need them."""

_needed = mmap.mmap(-1, len(LAZY))  # anonymous memory, that forks share: a byte for each


def tell() -> None:
    """Tell the parent which of them this process has."""
    for place, name in enumerate(LAZY):
        if name in sys.modules:
            _needed[place] = 1


def announce(name: str) -> None:
    """Tell the parent that this process is about to import one of them: of the forks to come, none has to."""
    if name in LAZY:
        _needed[LAZY.index(name)] = 1


def listen(afterwards: t.Callable[[], object]) -> None:
    """From now on, import before each fork of this process what its forks have told of. Call it once.

    :param afterwards: called where something was imported.
    """
    os.register_at_fork(before=lambda: _import_needed() and afterwards())
    _dependency.about_to_load = announce


def _import_needed() -> bool:
    """Import it; say whether there was something to import."""
    missing = [name for place, name in enumerate(LAZY) if _needed[place] and name not in sys.modules]
    for name in missing:
        with contextlib.suppress(ImportError):  # a fork that needs it says so
            importlib.import_module(name)
    return bool(missing)
