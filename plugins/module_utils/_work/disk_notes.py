"""What a disk held before it was written, in the words of the history: what was there is told when it is gone."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

Found = t.Mapping[str, t.Any]

MOST_PARTITIONS = 32
"""How many are told; GPT has 128, and a line of the history is read by people."""


def describe(found: Found) -> str:
    """Return in words what bm_write_image has found: table, partitions, file systems, with names and identifiers."""
    partitions = found.get("partitions") or []
    if not found.get("table"):
        return f"{_size(found)}, no partition table, {_filesystem(found)}"
    told = [f"{_size(found)}, {found['table']} {found.get('guid') or 'without identifier'}"]
    told += [_partition(partition) for partition in partitions[:MOST_PARTITIONS]]
    more = len(partitions) - MOST_PARTITIONS
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _partition(partition: Found) -> str:
    name = f" '{partition['name']}'" if partition.get("name") else ""
    guid = f" {partition['guid']}" if partition.get("guid") else ""
    return f"{partition.get('number')}:{name} {_size(partition)}{guid}, {_filesystem(partition)}"


def _filesystem(found: Found) -> str:
    words = [found.get("filesystem"), found.get("label") and f"'{found['label']}'", found.get("uuid")]
    return " ".join(str(word) for word in words if word) or "nothing known"


def _size(found: Found) -> str:
    return f"{(found.get('size') or 0) / 2**20:.0f} MiB"
