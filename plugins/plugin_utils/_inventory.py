"""What the collection's inventory plugins have in common."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.inventory import BaseInventoryPlugin, Constructable


class ConstructableSource(BaseInventoryPlugin, Constructable):
    """An inventory source that is a YAML file of options, with groups that are made of what its hosts are.

    ``NAMES`` are how its file's name may end.
    """

    NAMES: t.ClassVar[tuple[str, ...]]

    if t.TYPE_CHECKING:  # Ansible's own are untyped, or None until parse()
        inventory: t.Any
        loader: t.Any
        templar: t.Any
        get_option: t.Any
        _read_config_data: t.Any
        _set_composite_vars: t.Any
        _add_host_to_composed_groups: t.Any
        _add_host_to_keyed_groups: t.Any

    def verify_file(self, path: str) -> bool:
        """Return whether the name of an inventory source says that it is ours."""
        return bool(super().verify_file(path)) and path.endswith(self.NAMES)

    def compose(self, host: str, variables: t.Mapping[str, t.Any], groups: t.Mapping[str, str]) -> None:
        """Add variables and groups as the options of ``constructed`` say, and ``groups`` besides."""
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups({**groups, **self.get_option("groups")}, variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
