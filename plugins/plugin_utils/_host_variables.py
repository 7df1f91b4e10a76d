"""What an action is not told by options, it takes from the host's variables: C(bm_image) is the option C(image)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.schema import HOST_VARIABLES

Variables = t.Mapping[str, t.Any]
Options = dict[str, t.Any]

PREFIX = "bm_"

BMC_ALIASES = {
    "address": ("redfish_address", "bmc_address", "ipmi_address"),
    "username": ("redfish_username", "bmc_user", "ipmi_username"),
    "password": ("redfish_password", "bmc_password", "ipmi_password"),
}
"""Names that other projects' inventories use, kayobe's and jetlag's, for what is in C(bm_bmc); the first counts."""


def fill(args: Options, spec: Options, variables: Variables, template: t.Callable[[t.Any], t.Any]) -> Options:
    """Return an action's options: those given, the rest from the host's variables, where there are any.

    :param spec: the options that there are.
    :param template: returns a value with its expressions evaluated.
    """
    found = {
        option: template(variables[PREFIX + option])
        for option in spec
        if option not in args and PREFIX + option in variables and PREFIX + option in HOST_VARIABLES["properties"]
    }
    options = {**{option: value for option, value in found.items() if value is not None}, **args}
    if "name" in spec:
        options.setdefault("name", variables.get("inventory_hostname"))
    if "bmc" in spec and "bmc" not in args:
        options["bmc"] = {**_aliases(variables, template), **(options.get("bmc") or {})}
    if "ramdisk" in spec and "ramdisk" not in args:
        options["ramdisk"] = _ramdisk(options.get("ramdisk") or {}, variables, template)
    if "variables" in spec:
        options.setdefault("variables", [name for name in variables if str(name).startswith(PREFIX)])
    return options


def _aliases(variables: Variables, template: t.Callable[[t.Any], t.Any]) -> Options:
    found: Options = {}
    for key, names in BMC_ALIASES.items():
        name = next((name for name in names if name in variables), None)
        value = template(variables[name]) if name else None
        if value is not None:
            found[key] = f"ipmi://{value}" if name == "ipmi_address" else value
    return found


def _ramdisk(given: t.Any, variables: Variables, template: t.Callable[[t.Any], t.Any]) -> t.Any:
    """Return the ramdisk's options: without a static network it answers where the node does."""
    if not isinstance(given, t.Mapping) or "network" in given:
        return given
    address = template(variables.get("ansible_host", variables.get("inventory_hostname")))
    return {"address": address, **given}
