"""What docs/checklist.md says of the files of the collection."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible.plugins import loader

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
PYTHON = sorted(PLUGINS.rglob("*.py"))


@pytest.mark.parametrize("name", ["CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.rst", "LICENSE"])
def test_what_has_to_be_there_is_linked_from_the_readme(name: str) -> None:
    assert (ROOT / name).stat().st_size > 200
    assert f"]({name})" in (ROOT / "README.md").read_text()


def test_plugins_are_of_kinds_that_ansible_knows() -> None:
    known = {found.package.rpartition(".")[2] for _name, found in loader.get_all_plugin_loaders()}
    found = {path.name for path in PLUGINS.iterdir() if path.is_dir()}
    assert {"modules", "action"} <= found
    assert found - known <= {"module_utils", "plugin_utils", "doc_fragments"}


def test_utilities_are_private() -> None:
    names = [path.name for folder in ("module_utils", "plugin_utils") for path in (PLUGINS / folder).iterdir()]
    assert len(names) > 20
    assert not [name for name in names if not name.startswith("_")]


def test_nothing_that_is_installed_needs_another_folder() -> None:
    text = "\n".join(path.read_text() for path in PYTHON)
    assert len(PYTHON) > 200
    assert not re.findall(r"(?:from|import) (?:tests|lab|docs)\b", text)
    for path in [*(ROOT / "playbooks").rglob("*.yml"), *(ROOT / "roles").rglob("*.yml")]:
        for line in path.read_text().splitlines():
            if not line.lstrip().startswith("#"):
                assert not re.search(r"\.\./(?:\.\./)*(?:docs|tests|lab|extensions|inventory)\b", line), (
                    f"{path}: {line}"
                )


def test_each_file_has_its_licence() -> None:
    for path in PYTHON:
        assert "GNU General Public License v3.0+" in path.read_text(), path
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text()


def test_sanity_ignores_nothing() -> None:
    assert (ROOT / "tests" / "sanity" / "run.sh").is_file()
    assert not list((ROOT / "tests" / "sanity").glob("ignore*"))


def test_it_depends_on_no_collection() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert galaxy["dependencies"] == {}
    assert galaxy["tags"]
    assert galaxy["repository"]
