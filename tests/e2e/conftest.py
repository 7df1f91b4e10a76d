"""The lab for the tests here: from nothing, and removed at the end."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from tests.lab import Lab


@pytest.fixture(scope="session")
def lab() -> t.Iterator[Lab]:
    """A lab from nothing, with a machine that has never been switched on; removed at the end."""
    opened = Lab()
    assert opened.make("lab-down").code == 0
    yield opened
    opened.make("lab-down")
