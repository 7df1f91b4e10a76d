"""The lab for the life of a machine: the same as for the end-to-end tests."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from tests.e2e.conftest import lab

__all__ = ["lab"]
