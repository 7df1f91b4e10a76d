"""Reads from the stores what they know of the nodes of a run: their records, and their history."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

from ansible.errors import AnsibleError
from ansible.template import Templar

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.default_store import store_url
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError, InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.record import HistoryEntry, NodeRecord
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils import _host_variables as host_variables
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._action import without_tags
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.gathered import NodeRun

SPEC = {name: NODE_SPEC[name] for name in ("store", "state_dir")}
"""The options that say where a node's store is."""


class Past:
    """The stores of a run's nodes, each opened once. One that is away is not asked again: each time takes a while."""

    def __init__(self) -> None:
        self._stores: dict[str, Store | BareMetalError] = {}

    def of(self, node: NodeRun) -> tuple[NodeRecord | None, list[HistoryEntry]]:
        """Return the record of a node, None where there is none, and its history, oldest first.

        :raises BareMetalError: its store can't be read, or it can't be said any more which one it is.
        """
        url = _url_of(node)
        store = self._stores.get(url) or self._open(url)
        if isinstance(store, BareMetalError):
            raise store
        try:
            return store.get(node.name), store.history(node.name)
        except BareMetalError as exc:
            store.close()
            self._stores[url] = exc
            raise

    def close(self) -> None:
        """Close all stores."""
        for store in self._stores.values():
            if isinstance(store, Store):
                with contextlib.suppress(BareMetalError):
                    store.close()

    def _open(self, url: str) -> Store | BareMetalError:
        try:
            opened: Store | BareMetalError = Store(url)
        except BareMetalError as exc:
            opened = exc
        self._stores[url] = opened
        return opened


def _url_of(node: NodeRun) -> str:
    """Return the URL of a node's store, as the actions of the task had it that last worked on the node."""
    if node.place is None:
        raise InvalidRequestError("No task has worked on it.", node=node.name)
    play, host, task = node.place
    try:
        variables = play.get_variable_manager().get_vars(play=play, host=host, task=task)
        template = Templar(loader=play.get_loader(), variables=variables).template
        own = {name: template(value) for name, value in task.args.items() if name in SPEC}
        given = without_tags(host_variables.fill(own, SPEC, variables, template))
    except AnsibleError as exc:
        raise InvalidRequestError(f"Where its store is can't be said any more: {exc}.", node=node.name) from exc
    return store_url({name: given.get(name) or option.get("default") for name, option in SPEC.items()})
