"""Hosts from the store: what is known of each node, and groups by it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nodes
short_description: Nodes from the state store, in groups by what they are and do
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Adds each node that the store knows as a host, with its record as C(baremetal_node), and groups by it.
  - The store has no secrets and no way to a BMC. So this comes beside the inventory that describes the machines (host
    variables, NetBox), as one more source, and after it.
  - No BMC is asked, nothing is changed, and a store that is not there is not made.
extends_documentation_fragment:
  - constructed
  - inventory_cache
notes:
  - Ansible goes on without hosts where an inventory source fails. Set C(any_unparsed_is_failed) in the section
    C(inventory) of C(ansible.cfg), so that it stops.
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [baremetal.lifecycle.nodes]
  store:
    description:
      - SQLAlchemy URL of the store, as C(bm_store). Templates are allowed.
      - Without it, the file C(store.db) in O(state_dir).
    type: str
    env:
      - name: BAREMETAL_STORE
  state_dir:
    description: Folder, as C(bm_state_dir).
    type: path
    default: ~/.local/state/baremetal.lifecycle
  group:
    description: Group that all nodes are in.
    type: str
    default: baremetal
  only_known:
    description:
      - Take only nodes that an inventory source before this one has, and leave out those that are in the store alone.
    type: bool
    default: false
  group_by:
    description:
      - Groups to make. V(state) makes groups such as C(state_deploy_failed), V(resource_class) C(class_compute),
        V(trait) C(trait_CUSTOM_GPU), V(image) C(image_debian_12_raw_zst), V(allocation) C(allocation_web), V(power)
        C(power_on), and V(owner) C(owner_CONTROLLER), the controller that holds the node.
      - V(flag) makes the groups C(maintenance), C(protected) and C(retired).
      - O(keyed_groups) and O(groups) make more, of C(baremetal_node).
    type: list
    elements: str
    choices: [state, resource_class, trait, image, allocation, power, owner, flag]
    default: [state, resource_class, trait, image, allocation, power, owner, flag]
"""

EXAMPLES = r"""
# nodes.yml: ansible-inventory -i hosts.yml -i nodes.yml --graph
plugin: baremetal.lifecycle.nodes
store: postgresql+psycopg://baremetal@db.example.com/baremetal

---
# Beside NetBox: only what NetBox has, with a group of those that have failed
plugin: baremetal.lifecycle.nodes
store: "{{ lookup('ansible.builtin.env', 'STORE_URL') }}"
only_known: true
groups:
  to_look_at: baremetal_node.provision_state.endswith('failed') or baremetal_node.maintenance
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/baremetal
cache_timeout: 60
"""

import typing as t

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import Cacheable

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._inventory import ConstructableSource
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._plain import shown_plainly
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._records import records_of
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import trust_as_template

if t.TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

Record = dict[str, t.Any]

KEYED = {
    "state": {"key": "provision_state", "prefix": "state"},
    "resource_class": {"key": "resource_class", "prefix": "class"},
    "trait": {"key": "traits", "prefix": "trait"},
    "image": {"key": "instance_info.image_name | default('')", "prefix": "image"},
    "allocation": {"key": "allocation", "prefix": "allocation"},
    "power": {"key": "power_state", "prefix": "", "separator": ""},
    "owner": {"key": "reserved_by", "prefix": "owner"},
}
FLAGS = ("maintenance", "protected", "retired")


class InventoryModule(ConstructableSource, Cacheable):
    """The plugin: all nodes of one store."""

    NAME = "baremetal.lifecycle.nodes"
    NAMES = ("nodes.yml", "nodes.yaml")

    if t.TYPE_CHECKING:  # Ansible's own are untyped
        get_cache_key: t.Any
        _cache: t.Any

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add the store's nodes.

        :raises AnsibleParserError: the store is away, is not there, or was not named where it can't last.
        """
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        key = self.get_cache_key(path)
        is_cached = bool(self.get_option("cache"))
        records = self._cache[key] if is_cached and cache and key in self._cache else self._read()
        if is_cached:
            self._cache[key] = records
        known = set(self.inventory.hosts)
        for record in records:
            if record["name"] in known or not self.get_option("only_known"):
                self._add(record)

    def _read(self) -> list[Record]:
        options = {name: self.get_option(name) for name in ("store", "state_dir")}
        if options["store"]:
            options["store"] = self.templar.template(options["store"])
        try:
            return records_of(**options)
        except BareMetalError as exc:
            raise AnsibleParserError(f"{exc.message} {exc.hint}".rstrip()) from None

    def _add(self, record: Record) -> None:
        name = record["name"]
        group = self.inventory.add_group(self.get_option("group"))
        self.inventory.add_host(name, group=group)
        variables = {"baremetal_node": shown_plainly(record)}
        self.inventory.set_variable(name, "baremetal_node", variables["baremetal_node"])
        wanted = self.get_option("group_by")
        keyed = [{**KEYED[kind], "key": _expression(KEYED[kind]["key"])} for kind in wanted if kind in KEYED]
        self._add_host_to_keyed_groups(keyed, variables, name, strict=False)
        self.compose(name, variables, {flag: _expression(flag) for flag in FLAGS if "flag" in wanted})


def _expression(of_node: str) -> str:
    return trust_as_template(f"baremetal_node.{of_node}")
