"""The rules that keep the code readable: budgets, who may import what, and generated pages."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
FILES = sorted(path for folder in (PLUGINS, ROOT / "lab") for path in folder.rglob("*.py"))
MODULES = sorted((PLUGINS / "modules").glob("*.py"))
MODULE_UTILS = sorted((PLUGINS / "module_utils").rglob("*.py"))

HOMES = {
    "sushy": {"redfish_session.py"},
    "requests": {"redfish_session.py"},
    "pyghmi": {"ipmi_session.py"},
    "sqlalchemy": {"_store.py", "_migrations.py"},
    "alembic": {"_migrations.py"},
    "jsonschema": {"_contract.py"},
    "oslo_utils": {"_root_device.py", "_image.py"},
    "pycdlib": {"_iso.py"},
    "cryptography": {"_agent.py"},
    "tenacity": {"_wait.py"},
}
"""Each third-party library with the files that may import it: one, or one for each of its separate uses."""

IN_BAND = [
    *(PLUGINS / "module_utils" / "_inband").glob("*.py"),
    PLUGINS / "module_utils" / "_errors.py",
    *(path for path in MODULES if "_inband" in path.read_text()),
]
# Ruff knows the syntax of Python 3.9, not its library.
NEWER_KEYWORDS = {"zip": {"strict"}, "dataclass": {"slots", "kw_only", "weakref_slot"}, "field": {"kw_only"}}
NEWER_NAMES = {
    *("aiter", "anext", "pairwise", "batched", "bit_count", "file_digest", "chdir", "tomllib", "StrEnum", "UTC"),
    *("ExceptionGroup", "BaseExceptionGroup", "add_note", "Self", "TypeAlias", "ParamSpec", "override", "walk_up"),
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[str]:
    """Return all that a file imports; relative imports as they are written."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found |= {base} | {f"{base.rstrip('.')}{'.' if node.module else base}{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    source = path.read_text()
    if path not in MODULES and "doc_fragments" not in path.parts:
        assert len(source.splitlines()) <= 300
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            doc = ast.get_docstring(node, clean=False)
            length = (node.end_lineno or 0) - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
            assert length <= 40, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_are_thin(path: Path) -> None:
    statements = ast.parse(path.read_text()).body
    documentation = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    code = [
        node
        for node in statements
        if not (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in documentation)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    assert sum((node.end_lineno or 0) - node.lineno + 1 for node in code) <= 60


@pytest.mark.parametrize("path", MODULE_UTILS, ids=name)
def test_who_may_import_what(path: Path) -> None:
    found = imports(path)
    roots = {item.split(".")[0] for item in found if not item.startswith(".")}
    if "ansible" in roots:
        assert path.name == "_runner.py" or path.parent.name == "_inband"
    for library, homes in HOMES.items():
        if library in roots:
            assert path.name in homes, f"{library} belongs into {homes}"
    allowed = set(sys.stdlib_module_names) | set(HOMES) | {"ansible", "ansible_collections"}
    assert roots <= allowed
    if path.parent.name == "_inband":
        assert not roots & set(HOMES), "the ramdisk has the standard library only"


@pytest.mark.parametrize("path", IN_BAND, ids=name)
def test_what_runs_in_the_ramdisk_needs_no_newer_python_than_it_promises(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            used = {keyword.arg for keyword in node.keywords} & NEWER_KEYWORDS.get(called, set())
            assert not used, f"line {node.lineno}: {called}() has no {', '.join(map(str, used))} in Python 3.9"
        used_name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))
        assert used_name not in NEWER_NAMES, f"{used_name} is not in Python 3.9"


def test_drivers_and_store_do_not_know_each_other() -> None:
    for path in (PLUGINS / "module_utils" / "_drivers").glob("*.py"):
        assert not any(word in item for item in imports(path) for word in ("_store", "_task", "_operations"))
    assert not any("_drivers" in item for item in imports(PLUGINS / "module_utils" / "_store.py"))


def test_states_and_errors_stand_alone() -> None:
    for file in ("_states.py", "_errors.py"):
        assert not any(item.startswith(".") for item in imports(PLUGINS / "module_utils" / file))


def test_each_module_of_the_action_group_has_its_action() -> None:
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["bm"]
    assert group == sorted(group)
    for module in group:
        assert (PLUGINS / "modules" / f"{module}.py").exists()
        assert len((PLUGINS / "action" / f"{module}.py").read_text().split('"""', 2)[2].strip().splitlines()) <= 18


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_broad_excepts_are_nowhere() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                names = (
                    {item.id for item in ast.walk(node.type) if isinstance(item, ast.Name)} if node.type else {"bare"}
                )
                assert not names & {"Exception", "BaseException", "bare"}, f"{name(path)}:{node.lineno}"
