"""All matrices, and how the cells that are wanted are found: what they begin with is made first."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from tests.chaos import ipmi, kill, power, redfish, signals, soak, special, store
from tests.chaos.cells import Cell
from tests.chaos.pool import Pool

MATRICES: dict[str, t.Any] = {one.MATRIX: one for one in (kill, special, signals, power, redfish, ipmi, store, soak)}
"""The matrices by name. ``cells(bases)`` has its cells, ``scenes()`` whose undisturbed runs say which there are."""


def wanted(pool: Pool, matrices: t.Sequence[str], only: str, *, quick: bool) -> t.Iterator[Cell]:
    """Yield the cells that are wanted, after what they begin with was made."""
    chosen = [MATRICES[name] for name in MATRICES if not matrices or name in matrices]
    needed = [name for one in chosen if hasattr(one, "scenes") for name in one.scenes(quick=quick, only=only)]
    pool.make_bases(needed)
    cells = [cell for one in chosen for cell in one.cells(pool.bases) if only in cell.key and (cell.quick or not quick)]
    pool.make_bases([name for cell in cells for name in cell.scenes])
    yield from cells
