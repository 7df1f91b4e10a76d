"""What an action takes from variables where its task says nothing: which, from where, and how they are evaluated."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import deploy, power, state, wait
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._host_variables import fill, instance_of
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import trust_as_template

HOST = {"inventory_hostname": "node01", "bm_bmc": {"address": "fake:///{{ name }}"}, "bm_image": {"url": "http://x/y"}}


def evaluate(value: t.Any) -> t.Any:
    """Do what Ansible's engine would, for one expression."""
    if isinstance(value, dict):
        return {key: evaluate(item) for key, item in value.items()}
    return value.replace("{{ name }}", "node01") if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("operation", "args", "variables", "option", "wanted"),
    [
        (power, {}, {}, "name", "node01"),
        (power, {"name": "other"}, {}, "name", "other"),
        (power, {}, {}, "bmc", {"address": "fake:///node01"}),
        (power, {"bmc": {"address": "given"}}, {}, "bmc", {"address": "given"}),
        (power, {}, {"bm_boot_mode": "bios"}, "boot_mode", "bios"),
        (power, {}, {"bm_boot_mode": None}, "boot_mode", "unset"),
        (power, {}, {"bm_state": "on"}, "state", "unset"),
        (deploy, {}, {"provision_node_verb": "clean"}, "verb", "clean"),
        (deploy, {"verb": "service"}, {"provision_node_verb": "clean"}, "verb", "service"),
        (state, {}, {"provision_node_remove": True}, "remove", "unset"),
        (wait, {}, {"bm_store": "sqlite:////x"}, "store", "sqlite:////x"),
        (wait, {}, {}, "bmc", "unset"),
        (power, {}, {}, "ramdisk", {"address": "node01"}),
        (power, {}, {"ansible_host": "192.0.2.7", "bm_ramdisk": {"port": 2222}}, "ramdisk",
         {"address": "192.0.2.7", "port": 2222}),
        (power, {}, {"bm_ramdisk": {"network": {"address": "192.0.2.8/24"}}}, "ramdisk",
         {"network": {"address": "192.0.2.8/24"}}),
    ],
)  # fmt: skip
def test_where_an_option_comes_from(
    operation: t.Any, args: dict[str, t.Any], variables: dict[str, t.Any], option: str, wanted: t.Any
) -> None:
    filled = fill(args, operation.ARGUMENT_SPEC, {**HOST, **variables}, evaluate)
    assert filled.get(option, "unset") == wanted


@pytest.mark.parametrize(
    ("variables", "bmc"),
    [
        ({"ipmi_address": "192.0.2.9", "ipmi_username": "u"}, {"address": "ipmi://192.0.2.9", "username": "u"}),
        ({"bmc_address": "b", "ipmi_address": "i", "bmc_user": "u"}, {"address": "b", "username": "u"}),
        ({"redfish_address": "r", "bmc_address": "b", "redfish_password": "p"}, {"address": "r", "password": "p"}),
        ({"ipmi_address": "i", "bm_bmc": {"address": "own"}}, {"address": "own"}),
    ],
)
def test_names_of_other_projects(variables: dict[str, t.Any], bmc: dict[str, str]) -> None:
    filled = fill({}, power.ARGUMENT_SPEC, {"inventory_hostname": "node01", **variables}, evaluate)
    assert filled["bmc"] == bmc


NESTED = {
    "rack": "r1",
    "unit": 7,
    "number": trust_as_template("{{ unit }}"),
    "bmc": trust_as_template("bmc-{{ rack }}.example"),
    "secret": "p{w",
    "serial": "0012345",
}


@pytest.mark.parametrize(
    ("value", "left_to_ansible"),
    [
        ("plain", 0),
        (5, 0),
        (trust_as_template("redfish://{{ rack }}/{{rack}}"), 0),
        ({"address": trust_as_template("{{ rack }}"), "port": 443, "list": [trust_as_template("{{ rack }}"), None]}, 0),
        (trust_as_template("{{ serial }}"), 0),
        ("untrusted {{ rack }}", 0),
        (trust_as_template("{{ unit }}"), 1),
        (trust_as_template("{{ bmc }}"), 1),
        (trust_as_template("{{ rack | upper }}"), 1),
        (trust_as_template("{{ rack }}{% if unit %}x{% endif %}"), 1),
        (trust_as_template("{# a comment #}{{ rack }}"), 1),
        (trust_as_template("{{- rack -}}"), 1),
        (trust_as_template("{{ secret }}"), 1),
        ({trust_as_template("{{ rack }}"): 1}, 1),
    ],
)
def test_expressions_are_what_ansible_makes_of_them(value: t.Any, left_to_ansible: int) -> None:
    engine = Templar(loader=DataLoader(), variables=NESTED)
    seen: list[t.Any] = []

    def template(expression: t.Any) -> t.Any:
        seen.append(expression)
        return engine.template(expression)

    filled = fill({}, power.ARGUMENT_SPEC, {**NESTED, "bm_properties": value}, template)
    assert filled["properties"] == engine.template(value)
    assert len(seen) == left_to_ansible


def test_all_names_of_host_variables_are_checked() -> None:
    filled = fill({}, power.ARGUMENT_SPEC, {**HOST, "bm_imgae": 1, "other": 2}, evaluate)
    assert sorted(filled["variables"]) == ["bm_bmc", "bm_image", "bm_imgae"]


def test_the_instance_answers_where_the_host_does() -> None:
    assert instance_of({"inventory_hostname": "node01"}, evaluate) == {"address": "node01", "port": 22}
    variables = {"inventory_hostname": "x", "ansible_host": "{{ name }}", "ansible_port": 2222}
    assert instance_of(variables, evaluate) == {"address": "node01", "port": 2222}
