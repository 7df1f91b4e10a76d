"""All that a store knows of its nodes, for plugins that work for no single one."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.default_store import store_url
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import StoreError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.database import parse_url
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store
from ansible_collections.baremetal.lifecycle.plugins.module_utils._work import work

if t.TYPE_CHECKING:
    from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import NodeRecord

LEFT_OUT = ("steps", "driver_internal_info", "inventory", "reservation_expired")
"""Of a record, what is long and for bm_node_info, or true only at the moment it was read."""


def records_of(store: str | None, state_dir: str) -> list[dict[str, t.Any]]:
    """Return the records of all nodes, by name, each with the figures of its last work. A store is never made.

    :raises InvalidRequestError: no store was named where the default one can't last.
    :raises StoreError: it is away, or is not there.
    """
    url = store_url({"store": store, "state_dir": state_dir})
    file = parse_url(url).database if url.startswith("sqlite:///") else None
    if file and not os.path.exists(os.path.expanduser(file)):
        raise StoreError(f"There is no store {file} yet.", hint="Enroll a node, or correct the option store.")
    opened = Store(url)
    try:
        return [_told(record) for record in opened.records()]
    finally:
        opened.close()


def _told(record: NodeRecord) -> dict[str, t.Any]:
    told = {key: value for key, value in dataclasses.asdict(record).items() if key not in LEFT_OUT}
    image = str(record.instance_info.get("image_url") or "").rpartition("/")[2]
    told["instance_info"] = {**record.instance_info, **({"image_name": image} if image else {})}
    told["reserved_by"] = (record.reservation or "").partition("@")[2].partition(" ")[0] or None
    told["work"] = work.totals(record)
    return told
