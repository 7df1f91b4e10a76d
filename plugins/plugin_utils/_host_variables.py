"""What an action is not told by options, it takes from variables: bm_image of the host is the option image."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.convert import convert
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.schema import HOST_VARIABLES
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import is_trusted_as_template

Variables = t.Mapping[str, t.Any]
Options = dict[str, t.Any]
Template = t.Callable[[t.Any], t.Any]
"""Returns a value with its expressions evaluated."""

_NAME = re.compile(r"\{\{ *(\w+) *\}\}")

UNSET: t.Final = (None, "")
"""Values of a variable that is not set. What a survey asks and nobody answers comes as empty text; before ansible-core
2.19 so does none."""

PREFIX = "bm_"

ROLE_PREFIX = "provision_node_"
"""Of the role's variables, which say how work is done; the host's say what the node is."""

BMC_ALIASES = {
    "address": ("redfish_address", "bmc_address", "ipmi_address"),
    "username": ("redfish_username", "bmc_user", "ipmi_username"),
    "password": ("redfish_password", "bmc_password", "ipmi_password"),
}
"""Names that other projects' inventories use, kayobe's and jetlag's, for what is in C(bm_bmc); the first counts."""


def fill(args: Options, spec: Options, variables: Variables, template: Template) -> Options:
    """Return an action's options: those given, the rest from variables of the host and the role, where there are any.

    :param spec: the options that there are.
    """
    options = dict(args)
    for option in spec:
        is_hosts = PREFIX + option in HOST_VARIABLES["properties"]
        name = (PREFIX if is_hosts else ROLE_PREFIX) + option
        if option not in args and name in variables and (is_hosts or "verb" in spec):
            value = _value(variables[name], variables, template)
            if value not in UNSET:
                options[option] = value
    if "name" in spec:
        options.setdefault("name", variables.get("inventory_hostname"))
    if "bmc" in spec and "bmc" not in args:
        options["bmc"] = {**_aliases(variables, template), **(options.get("bmc") or {})}
    if "ramdisk" in spec and "ramdisk" not in args:
        options["ramdisk"] = _ramdisk(options.get("ramdisk") or {}, variables, template)
    if "variables" in spec:
        options.setdefault("variables", [name for name in variables if str(name).startswith(PREFIX)])
    return {
        name: convert(value, HOST_VARIABLES["properties"].get(PREFIX + name, {})) for name, value in options.items()
    }


def _value(value: t.Any, variables: Variables, template: Template) -> t.Any:
    """Evaluate what may hold expressions. Most values don't, and most expressions are a name: Ansible's engine would
    compile each of them anew in each fork, which takes longer than the rest of a call.
    """
    if isinstance(value, (bool, int, float, type(None))):
        return value
    if isinstance(value, dict) and not any("{" in str(key) for key in value):
        return {key: _value(item, variables, template) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, variables, template) for item in value]
    if isinstance(value, str):
        text = _NAME.sub(lambda name: _text(name[1], variables), value)
        if "{" not in text:
            return text if is_trusted_as_template(value) else value
    return template(value)


def _text(name: str, variables: Variables) -> str:
    """Return the text of a variable; one whose expression does not simply stand for it is left to Ansible's engine."""
    value = variables.get(name)
    return value if isinstance(value, str) else "{"


def _aliases(variables: Variables, template: Template) -> Options:
    found: Options = {}
    for key, names in BMC_ALIASES.items():
        name = next((name for name in names if name in variables), None)
        value = _value(variables[name], variables, template) if name else None
        if value is not None:
            found[key] = f"ipmi://{value}" if name == "ipmi_address" else value
    return found


def _ramdisk(given: t.Any, variables: Variables, template: Template) -> t.Any:
    """Return the ramdisk's options: without a static network it answers where the node does."""
    if not isinstance(given, t.Mapping) or "network" in given:
        return given
    address = _value(variables.get("ansible_host", variables.get("inventory_hostname")), variables, template)
    return {"address": address, **given}


def instance_of(variables: Variables, template: Template) -> Options:
    """Return where the host's own system answers on SSH."""
    host = variables.get("ansible_host", variables.get("inventory_hostname"))
    return {
        "address": _value(host, variables, template),
        "port": _value(variables.get("ansible_port", 22), variables, template),
    }
