"""What an action is not told by options, it takes from variables: bm_image of the host is the option image."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.schema import HOST_VARIABLES

Variables = t.Mapping[str, t.Any]
Options = dict[str, t.Any]

PREFIX = "bm_"

ROLE_PREFIX = "provision_node_"
"""Of the role's variables, which say how work is done; the host's say what the node is."""

BMC_ALIASES = {
    "address": ("redfish_address", "bmc_address", "ipmi_address"),
    "username": ("redfish_username", "bmc_user", "ipmi_username"),
    "password": ("redfish_password", "bmc_password", "ipmi_password"),
}
"""Names that other projects' inventories use, kayobe's and jetlag's, for what is in C(bm_bmc); the first counts."""


def fill(args: Options, spec: Options, variables: Variables, template: t.Callable[[t.Any], t.Any]) -> Options:
    """Return an action's options: those given, the rest from variables of the host and the role, where there are any.

    :param spec: the options that there are.
    :param template: returns a value with its expressions evaluated.
    """
    options = dict(args)
    for option in spec:
        is_hosts = PREFIX + option in HOST_VARIABLES["properties"]
        name = (PREFIX if is_hosts else ROLE_PREFIX) + option
        if option not in args and name in variables and (is_hosts or "verb" in spec):
            value = _value(variables[name], template)
            if value is not None:
                options[option] = value
    if "name" in spec:
        options.setdefault("name", variables.get("inventory_hostname"))
    if "bmc" in spec and "bmc" not in args:
        options["bmc"] = {**_aliases(variables, template), **(options.get("bmc") or {})}
    if "ramdisk" in spec and "ramdisk" not in args:
        options["ramdisk"] = _ramdisk(options.get("ramdisk") or {}, variables, template)
    if "variables" in spec:
        options.setdefault("variables", [name for name in variables if str(name).startswith(PREFIX)])
    return options


def _value(value: t.Any, template: t.Callable[[t.Any], t.Any]) -> t.Any:
    """Evaluate what may hold expressions; most values don't, and to look for them is cheaper than Ansible's engine."""
    return template(value) if _has_expressions(value) else value


def _has_expressions(value: t.Any) -> bool:
    if isinstance(value, str):
        return "{" in value
    if isinstance(value, t.Mapping):
        return any(map(_has_expressions, value.values())) or any(map(_has_expressions, value))
    if isinstance(value, (list, tuple)):
        return any(map(_has_expressions, value))
    return not isinstance(value, (bool, int, float, type(None)))


def _aliases(variables: Variables, template: t.Callable[[t.Any], t.Any]) -> Options:
    found: Options = {}
    for key, names in BMC_ALIASES.items():
        name = next((name for name in names if name in variables), None)
        value = _value(variables[name], template) if name else None
        if value is not None:
            found[key] = f"ipmi://{value}" if name == "ipmi_address" else value
    return found


def _ramdisk(given: t.Any, variables: Variables, template: t.Callable[[t.Any], t.Any]) -> t.Any:
    """Return the ramdisk's options: without a static network it answers where the node does."""
    if not isinstance(given, t.Mapping) or "network" in given:
        return given
    address = _value(variables.get("ansible_host", variables.get("inventory_hostname")), template)
    return {"address": address, **given}


def instance_of(variables: Variables, template: t.Callable[[t.Any], t.Any]) -> Options:
    """Return where the host's own system answers on SSH."""
    host = variables.get("ansible_host", variables.get("inventory_hostname"))
    return {"address": _value(host, template), "port": _value(variables.get("ansible_port", 22), template)}
