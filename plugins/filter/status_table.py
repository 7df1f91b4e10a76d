"""Turns what bm_state returns of many nodes into a table for people."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: status_table
short_description: A table of nodes
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Lists nodes with provision state, power state, image, who holds them, and the last error.
positional: _input
options:
  _input:
    description: Results of M(baremetal.lifecycle.bm_state), one a node.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show all nodes of the play
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts | map('extract', hostvars, 'state') | baremetal.lifecycle.status_table }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, the first with the names of the columns.
  type: list
  elements: str
"""

COLUMNS = ("NODE", "STATE", "POWER", "IMAGE", "HELD BY", "LAST ERROR")

_LIVENESS = {True: "", False: " (dead)", None: " (not to be seen from here)"}


def _row(state: dict[str, t.Any]) -> tuple[str, ...]:
    record = state.get("record") or {}
    url = (record.get("instance_info") or {}).get("image_url") or ""
    holder = record.get("reservation")
    return (
        state["node"],
        (state.get("provision_state") or "unknown") + (" (maintenance)" if record.get("maintenance") else ""),
        state.get("power_state") or "-",
        url.rpartition("/")[2] or "-",
        f"{holder.split()[0]}{_LIVENESS[record.get('reservation_is_alive')]}" if holder else "-",
        state.get("last_error") or state.get("power_error") or "-",
    )


def status_table(states: list[dict[str, t.Any]]) -> list[str]:
    """Return the lines of a table with one row a node."""
    rows = [COLUMNS, *(_row(state) for state in states)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"status_table": status_table}
