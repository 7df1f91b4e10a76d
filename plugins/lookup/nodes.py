"""Reads all nodes from the store, for a task that is about no single one."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nodes
short_description: What the store knows of all its nodes
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Returns the record of each node in the store, also of those that no inventory has. No BMC is asked.
options:
  _terms:
    description: Names of nodes; without one, all.
    type: list
    elements: str
  store:
    description: SQLAlchemy URL of the store, as C(bm_store). Without it, the file C(store.db) in O(state_dir).
    type: str
    env:
      - name: BAREMETAL_STORE
    vars:
      - name: bm_store
  state_dir:
    description: Folder, as C(bm_state_dir).
    type: path
    default: ~/.local/state/baremetal.lifecycle
    vars:
      - name: bm_state_dir
seealso:
  - plugin: baremetal.lifecycle.nodes
    plugin_type: inventory
  - module: baremetal.lifecycle.bm_node_info
"""

EXAMPLES = r"""
- name: Name what has failed
  ansible.builtin.debug:
    msg: "{{ query('baremetal.lifecycle.nodes') | selectattr('last_error') | map(attribute='name') }}"
"""

RETURN = r"""
_raw:
  description:
    - A record a node, by name, as RV(baremetal.lifecycle.bm_node_info#module:record), with C(work), the figures of its
      last work, and C(reserved_by), the controller that holds it.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._records import records_of


class LookupModule(LookupBase):
    """The lookup."""

    if t.TYPE_CHECKING:  # Ansible's own is untyped
        get_option: t.Any

    def run(self, terms: t.Sequence[str], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """Return the records.

        :raises AnsibleError: the store is away, is not there, or was not named where it can't last.
        """
        self.set_options(var_options=variables, direct=kwargs)  # type: ignore[no-untyped-call]
        try:
            found = records_of(self.get_option("store"), self.get_option("state_dir"))
        except BareMetalError as exc:
            raise AnsibleError(f"{exc.message} {exc.hint}".rstrip()) from None
        return [record for record in found if not terms or record["name"] in terms]
