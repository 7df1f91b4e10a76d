"""The documentation: its links lead somewhere, its YAML is what it says, its commands name what there is."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import re
import shlex
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.cli.adhoc import AdHocCLI
from ansible.cli.doc import DocCLI
from ansible.cli.playbook import PlaybookCLI
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract import check as contract
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.schema import HOST_VARIABLES
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._versions import trust_as_template
from tests import pages
from tests.pages import ROOT

Json = dict[str, t.Any]

KINDS = {"modules": "*.py", "callback": "*.py", "inventory": "*.py", "filter": "*.py"}
NAMES = {path.stem for kind, pattern in KINDS.items() for path in (ROOT / "plugins" / kind).glob(pattern)}
EVENTS = {path.stem for path in (ROOT / "extensions" / "eda").rglob("*.*") if path.suffix in (".py", ".yml")}
PLAYBOOKS = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
ROLES = {path.name for path in (ROOT / "roles").iterdir()}
BOOT_SERVER = set(
    yaml.safe_load((ROOT / "roles/boot_server/meta/argument_specs.yml").read_text())["argument_specs"]["main"][
        "options"
    ]
)
PARSERS = {"ansible": AdHocCLI, "ansible-doc": DocCLI, "ansible-playbook": PlaybookCLI}

GIVEN = {
    "inventory_dir": "/srv/inventory",
    "vault_bmc": "s3cret",
    "ironic_driver": "redfish",
    "ipmi_address": "192.0.2.10",
    "ipmi_username": "admin",
    "ipmi_password": "s3cret",
}
"""What the pages leave to Ansible, to a vault, or to another tool's inventory."""

of_all = pytest.mark.parametrize("page", pages.PAGES, ids=pages.name_of)


class Loader(yaml.SafeLoader):
    """Reads Ansible's YAML: a tag, such as !vault, is as its content."""


Loader.add_multi_constructor(
    "!", lambda loader, _suffix, node: loader.construct_scalar(t.cast("yaml.ScalarNode", node))
)


def functions_of(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


@of_all
def test_links_lead_to_what_is_there(page: Path) -> None:
    for link in pages.links(page):
        target, dummy, anchor = link.target.partition("#")
        if "://" in target:
            assert target.startswith("https://"), link
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        assert not anchor or anchor in pages.anchors(file), link
        if "tests/" in target and link.title:
            assert link.title in functions_of(file), link


def test_what_is_said_of_this_collection_names_its_test() -> None:
    tests = [link for link in pages.links(ROOT / "docs/comparison.md") if link.target.startswith("../tests/")]
    assert len(tests) >= 20
    assert [link.target for link in tests if link.target.endswith(".py") and not link.title] == []


@of_all
def test_names_of_the_collection_are_there(page: Path) -> None:
    named = re.findall(r"\bbaremetal\.lifecycle\.([a-z_]+)", page.read_text())
    assert set(named) <= NAMES | PLAYBOOKS | ROLES | EVENTS


def options_of(playbook: str) -> set[str]:
    """Return what ``-e`` may set: what the playbook names, and options of roles and host variables."""
    rules = [path.read_text() for path in ROOT.glob("playbooks/rules/*.yml")]
    text = "\n".join([(ROOT / f"playbooks/{playbook}.yml").read_text(), *rules])
    imported = re.findall(r"import_playbook: (\w+)\.yml", text)
    specs = [yaml.safe_load(path.read_text()) for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    options = {name for spec in specs for entry in spec["argument_specs"].values() for name in entry.get("options", {})}
    words = set(re.findall(r"\w+", text))
    return set().union(words, options, HOST_VARIABLES["properties"], *(options_of(name) for name in imported))


def extra_variables(words: list[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        found |= set(yaml.safe_load(word)) if word.startswith("{") else {word.partition("=")[0].partition(".")[0]}
    return found


@of_all
def test_commands_name_what_there_is(page: Path) -> None:
    for command in pages.commands(page):
        words = shlex.split(command.replace("…", "x"), comments=True)
        if words[0] not in PARSERS:
            continue
        cli = PARSERS[words[0]](words)
        cli.init_parser()
        options = cli.parser.parse_args(words[1:])
        if words[0] != "ansible-playbook":
            continue
        for playbook in options.args:
            name = playbook.removeprefix("baremetal.lifecycle.").removeprefix("playbooks/").removesuffix(".yml")
            if name.islower() and name not in ("deploy.yml", "play"):
                assert name in PLAYBOOKS, command
                assert extra_variables(options.extra_vars) <= options_of(name), command


@pytest.mark.parametrize("page", pages.GUIDES, ids=pages.name_of)
def test_commands_of_guides_are_for_who_has_installed_the_collection(page: Path) -> None:
    assert [line for line in pages.commands(page) if "playbooks/" in line] == []


@of_all
def test_words_in_angle_brackets_are_shown(page: Path) -> None:
    assert pages.html(page) == []


@of_all
def test_yaml_is_yaml(page: Path) -> None:
    for block in pages.blocks(page):
        if block.language == "yaml":
            list(yaml.load_all(block.text, Loader))


def hosts_of(block: pages.Block) -> t.Iterator[tuple[str, Json]]:
    """Give the hosts of an inventory, with variables as Ansible merges them; one host for bm_* variables alone."""
    content = yaml.load(block.text, Loader) if block.language == "yaml" else None
    groups = content if isinstance(content, dict) else {}
    if groups and all(name.startswith("bm_") for name in groups):
        yield "node01", {"bm_bmc": {"address": "https://192.0.2.10"}, **groups}
    for group in groups.values():
        if isinstance(group, dict) and isinstance(group.get("hosts"), dict):
            for host, variables in group["hosts"].items():
                yield host, {**(group.get("vars") or {}), **(variables or {})}


def trusted(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def resolved(host: str, variables: Json) -> Json:
    """Return the variables of the contract as Ansible gives them to a task."""
    known = trusted({**GIVEN, "inventory_hostname": host, **variables})
    ours = trusted({name: value for name, value in variables.items() if name.startswith("bm_")})
    return t.cast("Json", Templar(loader=DataLoader(), variables=known).template(ours))


def test_inventories_and_variables_keep_the_contract() -> None:
    written = (*pages.GUIDES, ROOT / "docs/cleaning.md", ROOT / "docs/rebuild.md")
    hosts = [host for page in written for block in pages.blocks(page) for host in hosts_of(block)]
    for host, variables in hosts:
        assert {name for name in variables if name.startswith("boot_server_")} <= BOOT_SERVER
        if "boot_server_path" not in variables:
            contract.check(resolved(host, variables), node=host)
    assert len(hosts) >= 12


def kinds_of(base: type[errors.BareMetalError]) -> t.Iterator[str]:
    for kind in base.__subclasses__():
        yield kind.__name__
        yield from kinds_of(kind)


def test_each_class_of_error_has_its_section() -> None:
    found = [name for name in pages.headings(ROOT / "docs/guides/troubleshooting.md") if name.endswith("Error")]
    assert sorted(found) == sorted(kind for kind in kinds_of(errors.BareMetalError) if hasattr(errors, kind))
