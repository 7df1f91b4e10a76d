"""The page of a whole run: docs/reliability.md."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from tests.chaos.cells import Result


def write(results: t.Sequence[Result], command: str) -> str:
    return ""
