"""One call of an operation that is about no single node: the store alone, no driver."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from .._contract.node import Node
from .._store.store import Store
from .request import Result, be_silent


@dataclasses.dataclass(frozen=True)
class StoreRequest:
    """What such an operation works with.

    ``owner`` stands for the run; ``params`` are the module's options; ``result`` is for what is to be told also
    where the operation fails; ``report`` shows people what goes on. ``node_of`` returns a node of the batch by its
    name, None where it is not known here: what is secret of it is not in the store.
    """

    params: t.Mapping[str, t.Any]
    store: Store
    owner: str
    check_mode: bool
    result: Result = dataclasses.field(default_factory=dict)
    report: t.Callable[[str], None] = be_silent
    node_of: t.Callable[[str], Node | None] = lambda name: None
