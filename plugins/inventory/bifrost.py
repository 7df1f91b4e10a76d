"""Hosts from a Bifrost file: reads it, has all rows checked and mapped, and adds them when none is wrong."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bifrost
short_description: Nodes from a Bifrost inventory file
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Reads C(baremetal.yml), C(baremetal.json) or the legacy C(baremetal.csv), and sets the host variables of this
    collection.
  - The whole file is read and each row is checked before a host is added. One row that is wrong, and there is no host;
    the error names file, row and field. It quotes no values of Bifrost's fields, since in a row that is out of step a
    password stands anywhere.
  - C(bifrost) is a host variable with the fields of the row as they are in the file, all but C(driver_info). Fields
    whose names begin with C(bm_) or C(ansible_) are host variables of their own, above what is mapped.
  - What is in the file is never a template. It may be encrypted as a whole with C(ansible-vault).
extends_documentation_fragment:
  - constructed
notes:
  - Ansible goes on without hosts where an inventory source fails. Set C(any_unparsed_is_failed) in the section
    C(inventory) of C(ansible.cfg), so that it stops.
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [baremetal.lifecycle.bifrost]
  path:
    description:
      - The Bifrost file; relative to the file with this option. Its suffix says what it is.
      - From the environment it is relative to the working directory, as with Bifrost.
    type: str
    required: true
    env:
      - name: BIFROST_INVENTORY_SOURCE
  group:
    description: Group that all nodes are in, beside their C(host_groups).
    type: str
    default: baremetal
  host_variables:
    description:
      - Variables of every node, below what its row says. Mappings are merged, which group variables are not.
      - Templates are allowed.
    type: dict
    default: {}
  ramdisk_network:
    description:
      - Give the ramdisk the row's C(ipv4_address), C(ipv4_subnet_mask), C(ipv4_gateway) and C(ipv4_nameserver) as its
        static network, in C(bm_ramdisk.network). A row with C(inventory_dhcp), or with a C(provisioning_ipv4_address)
        that is another one, gets none.
      - C(bm_ramdisk) of a group does not count for such a node; put it into O(host_variables), or set this to V(false).
    type: bool
    default: true
"""

EXAMPLES = r"""
# bifrost.yml, beside baremetal.csv: ansible-inventory -i bifrost.yml --list
plugin: baremetal.lifecycle.bifrost
path: baremetal.csv

---
# Common to all nodes; groups driver_ipmi and driver_redfish, and a disk image from what Bifrost deployed
plugin: baremetal.lifecycle.bifrost
path: /etc/bifrost/baremetal.json
host_variables:
  bm_bmc: {username: admin, password: "{{ vault_bmc_password }}", verify: /etc/ssl/bmc-ca.pem}
  bm_ramdisk:
    kernel: /srv/www/ramdisk/vmlinuz
    initrd: /srv/www/ramdisk/initrd.img
    esp: /srv/www/ramdisk/esp.img
    root: http://192.0.2.1/ramdisk/root.squashfs
compose:
  bm_image: "{'url': bifrost.instance_info.image_source, 'checksum': 'sha256:' ~ bifrost.instance_info.image_checksum}"
keyed_groups:
  - {key: bm_driver, prefix: driver}
"""

import os
import typing as t

import yaml
from ansible.errors import AnsibleError, AnsibleParserError

from ansible_collections.baremetal.lifecycle.plugins.module_utils._bifrost import files
from ansible_collections.baremetal.lifecycle.plugins.module_utils._bifrost import rows as bifrost
from ansible_collections.baremetal.lifecycle.plugins.module_utils._bifrost.fields import Row
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._inventory import ConstructableSource
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._plain import shown_plainly
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import read_text

if t.TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader


REMEDY = "Name it baremetal.yml, baremetal.yaml, baremetal.json or baremetal.csv."


def rows_of_yaml(text: str) -> list[Row]:
    """Return the rows of a YAML file.

    :raises InvalidRequestError: this is no YAML, or no mapping.
    """
    repeated: list[str] = []

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Notes keys that are there twice, which YAML forbids and PyYAML does not see."""

        def construct_mapping(self, node: t.Any, deep: bool = False) -> t.Any:
            seen: set[str] = set()
            for key, dummy in node.value if isinstance(node, yaml.MappingNode) else ():
                if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
                    if key.value in seen:
                        repeated.append(f"{key.value} is there twice, again in line {key.start_mark.line + 1}")
                    seen.add(key.value)
            return super().construct_mapping(node, deep)

    try:
        document = yaml.load(text, Loader)
    except yaml.MarkedYAMLError as exc:  # its message may quote the file, and so a password
        mark = exc.problem_mark or exc.context_mark
        raise files.not_valid("YAML", mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except (yaml.YAMLError, ValueError):  # a control character, or a date that doesn't exist
        raise InvalidRequestError("It is no valid YAML.", hint="Put dates and special characters in quotes.") from None
    return files.rows_of_document(document, repeated)


def _strings_in(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings_in(item)


READERS = {".yml": rows_of_yaml, ".yaml": rows_of_yaml, ".json": files.rows_of_json, ".csv": files.rows_of_csv}


class InventoryModule(ConstructableSource):
    """The plugin: all hosts of one file, or none."""

    NAME = "baremetal.lifecycle.bifrost"
    NAMES = ("bifrost.yml", "bifrost.yaml")

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Add the hosts of the file that the inventory source names.

        :raises AnsibleParserError: naming what is wrong; nothing was added.
        """
        super().parse(inventory, loader, path, cache)
        is_named = "path" in self._read_config_data(path)
        source = self._source(os.path.dirname(os.path.abspath(path)) if is_named else os.getcwd())
        try:
            hosts = bifrost.hosts_of(
                self._rows(source),
                group=self.get_option("group"),
                variables=self.get_option("host_variables"),
                ramdisk_network=self.get_option("ramdisk_network"),
            )
        except InvalidRequestError as exc:
            raise AnsibleParserError(f"{source}: {exc.message} {exc.hint}".rstrip()) from None
        known = set(self.inventory.hosts)
        templates = {text for text in _strings_in(self.get_option("host_variables")) if "{" in text}
        try:
            for host in hosts:
                self._add(host, templates)
        except AnsibleError:
            for name in set(self.inventory.hosts) - known:
                self.inventory.remove_host(self.inventory.hosts[name])
            raise

    def _source(self, base: str) -> str:
        return os.path.normpath(os.path.join(base, os.path.expanduser(str(self.get_option("path")))))

    def _rows(self, source: str) -> list[Row]:
        """Read a file, decrypted where it is a vault.

        :raises InvalidRequestError: it is not there, or is not what its suffix says.
        """
        reader = READERS.get(os.path.splitext(source)[1])
        if reader is None:
            raise InvalidRequestError("Its suffix doesn't say what it is.", hint=REMEDY)
        if not os.path.isfile(source):
            raise InvalidRequestError("There is no such file.", hint="Correct the option path.")
        text = read_text(self.loader, source).removeprefix("\ufeff")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidRequestError("It is not in UTF-8.", hint="Save it as UTF-8.") from None
        return reader(text)

    def _add(self, host: bifrost.Host, templates: t.Collection[str]) -> None:
        self.inventory.add_host(host.name)
        for group in host.groups:
            self.inventory.add_host(host.name, group=self.inventory.add_group(group))
        for key, value in host.variables.items():
            self.inventory.set_variable(host.name, key, shown_plainly(value, templates))
        self.compose(host.name, host.variables, {})
