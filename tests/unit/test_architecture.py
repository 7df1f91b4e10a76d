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
    "sushy": {"_drivers/redfish/session.py", "_drivers/redfish/connector.py", "_drivers/redfish/system.py"},
    "requests": {"_drivers/redfish/default_trust.py"},
    "pyghmi": {"_drivers/ipmi/lan.py"},
    "sqlalchemy": {"_store/database.py", "_store/statements.py", "_store/migrations.py"},
    "alembic": {"_store/migrations.py"},
    "jsonschema": {"_contract/check.py"},
    "oslo_utils": {"_image/image.py"},
    "pycdlib": {"_boot/iso.py"},
    "cryptography": {"_boot/agent.py", "_drivers/redfish/certificate.py"},
    "tenacity": {"_wait.py"},
}
"""Each third-party library with the files that may import it: one, or one for each of its separate uses."""

HOUSE = [
    {"_url"},
    {"_errors"},
    {"_dependency"},
    {"_wait", "_states", "_inband", "_state_files"},
    {"_contract"},
    {"_drivers", "_store", "_bifrost"},
    {"_boot", "_calls"},
    {"_image", "_watch"},
    {"_work"},
    {"_operations"},
]
"""The rooms of module_utils, floor by floor from the ground up: a room imports from floors below it, nothing else."""

MAY_NOT_IMPORT = {
    "_inband": {"_dependency"},
    "_states": {"_dependency"},
    "_store": {"_contract"},
    "_boot": {"_store", "_bifrost"},
    "_calls": {"_bifrost"},
    "_image": {"_store", "_calls", "_bifrost"},
    "_watch": {"_store", "_calls", "_bifrost"},
    "_work": {"_bifrost"},
    "_operations": {"_bifrost"},
}
"""What stands below a room and is none of its business."""

IN_BAND = [
    *(PLUGINS / "module_utils" / "_inband").rglob("*.py"),
    *(PLUGINS / "module_utils" / name for name in ("_errors.py", "_url.py")),
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


def room(path: Path) -> str:
    """Return the room of a file of module_utils: its first folder, or the file's own name."""
    return path.relative_to(PLUGINS / "module_utils").parts[0].removesuffix(".py")


def rooms_imported(path: Path) -> set[str]:
    """Return the rooms that a file imports from, its own one left out."""
    folders = path.relative_to(PLUGINS / "module_utils").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*folders[: len(folders) + 1 - node.level], *(node.module or "").split(".")]
            names = [base[0]] if base[0] else [alias.name for alias in node.names]
            found |= set(names)
    return found - {room(path)}


def imports(path: Path) -> set[str]:
    """Return all that a file imports; relative imports as they are written."""
    found = set()
    constants: dict[str, str] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found |= {base} | {f"{base.rstrip('.')}{'.' if node.module else base}{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            constants |= {target.id: str(node.value.value) for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "_dependency.load":
            text = ast.unparse(node.args[0])
            found |= {constants[text]} if text in constants else {text.strip("'")} if "'" in text else set()
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
def test_who_may_import_which_library(path: Path) -> None:
    found = imports(path)
    roots = {item.split(".")[0] for item in found if not item.startswith(".")}
    place = str(path.relative_to(PLUGINS / "module_utils"))
    if "ansible" in roots:
        assert place == "_calls/runner.py" or room(path) == "_inband"
    for library, homes in HOMES.items():
        if library in roots:
            assert place in homes, f"{library} belongs into {homes}"
    allowed = set(sys.stdlib_module_names) | set(HOMES) | {"ansible", "ansible_collections"}
    assert roots <= allowed
    if room(path) == "_inband":
        assert not roots & set(HOMES), "the ramdisk has the standard library only"


@pytest.mark.parametrize("path", MODULE_UTILS, ids=name)
def test_a_room_imports_what_stands_below_it(path: Path) -> None:
    below: set[str] = set()
    for floor in HOUSE:
        if room(path) in floor:
            break
        below |= floor
    else:
        raise AssertionError(f"{room(path)} is in no row of HOUSE: give a new room one, here and in the documentation")
    assert rooms_imported(path) <= below - MAY_NOT_IMPORT.get(room(path), set())


def test_the_documentation_has_a_row_for_each_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = set().union(*HOUSE)
    assert rooms == {room(path) for path in MODULE_UTILS}
    assert not {name for name in rooms if f"`{name}/`" not in page and f"`{name}.py`" not in page}


def test_names_and_tests_show_the_rooms() -> None:
    for path in MODULE_UTILS:
        in_a_room = len(path.relative_to(PLUGINS / "module_utils").parts) > 1
        assert path.name.startswith("_") != in_a_room, f"{name(path)}: the room has the underscore, its files have none"
    tests = ROOT / "tests" / "unit" / "plugins" / "module_utils"
    for path in tests.rglob("test_*.py"):
        assert (PLUGINS / "module_utils" / path.parent.relative_to(tests)).is_dir(), f"{name(path)} mirrors no room"


@pytest.mark.parametrize("path", IN_BAND, ids=name)
def test_what_runs_in_the_ramdisk_needs_no_newer_python_than_it_promises(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            used = {keyword.arg for keyword in node.keywords} & NEWER_KEYWORDS.get(called, set())
            assert not used, f"line {node.lineno}: {called}() has no {', '.join(map(str, used))} in Python 3.9"
        used_name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))
        assert used_name not in NEWER_NAMES, f"{used_name} is not in Python 3.9"


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


def test_broad_excepts_are_nowhere_but_in_the_last_net() -> None:
    for path in set(FILES) - {PLUGINS / "module_utils" / "_errors.py"}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                names = (
                    {item.id for item in ast.walk(node.type) if isinstance(item, ast.Name)} if node.type else {"bare"}
                )
                assert not names & {"Exception", "BaseException", "bare"}, f"{name(path)}:{node.lineno}"
