"""What forks of a run need, their parent imports: seen in a process of its own, whose forks are real."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import ansible_collections
import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import preload

FORKS = """
import os, sys
from ansible_collections.baremetal.lifecycle.plugins.module_utils import _dependency
from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import preload, runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC

def fork(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    os.waitpid(pid, 0)

def show():
    print(sorted(name for name in preload.LAZY if name in sys.modules), flush=True)

def call():
    show()
    params = {key: option.get("default") for key, option in NODE_SPEC.items()}
    params |= {"name": "node", "bmc": {"address": sys.argv[1], "password": "x"}, "state_dir": sys.argv[2]}
    result = runner.execute(lambda dummy: {}, params, owner="test")
    assert not result.get("failed"), result

runner.warm_up()
"""

RUN = f"{FORKS}\nshow()\nfork(call)\nfork(call)\nshow()\n"

ANNOUNCED = f"{FORKS}\nfork(lambda: _dependency.load('pycdlib', ''))\nfork(show)\n"


COMPILED = f"""{FORKS}
import re

def note():
    seen, original = [], re._compiler.compile
    re._compiler.compile = lambda pattern, flags=0: seen.append(pattern) or original(pattern, flags)
    call()
    print(seen, flush=True)

fork(call)  # makes the store
for number in range(re._MAXCACHE):
    re.compile(f"{{number}}")
fork(lambda: _dependency.load('oslo_utils.imageutils.format_inspector', ''))
fork(note)
"""
"""An import may have more patterns than Python's ``re`` keeps, as oslo.utils has nearly."""

FROZEN = """
import gc
from ansible_collections.baremetal.lifecycle.plugins.action import bm_validate
print(gc.get_freeze_count() > 10 * len(gc.get_objects()))
"""


def run_python(code: str, *arguments: object) -> list[str]:
    """Run code in a process of its own that finds the collection; return the lines that it prints."""
    root = str(Path(next(iter(ansible_collections.__path__))).parent)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": root}, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@pytest.mark.parametrize(
    ("address", "driver"),
    [
        ("fake:///node.json", "fake"),
        ("redfish://127.0.0.1:9/redfish/v1/Systems/1", "redfish.driver"),
        ("ipmi://127.0.0.1:9", "ipmi.driver"),
    ],
)
def test_a_parent_imports_what_a_fork_needed_and_nothing_else(tmp_path: Path, address: str, driver: str) -> None:
    name = f"{preload._HOME}._drivers.{driver}"
    assert run_python(RUN, address, tmp_path) == ["[]", "[]", f"['{name}']", f"['{name}']"]


def test_a_parent_imports_what_a_fork_is_about_to_import() -> None:
    assert run_python(ANNOUNCED) == ["['pycdlib']"]


def test_a_call_of_a_fork_compiles_no_pattern(tmp_path: Path) -> None:
    assert run_python(COMPILED, "fake:///node.json", tmp_path)[-1] == "[]"


@pytest.mark.parametrize("name", preload.LAZY)
def test_what_is_told_of_can_be_imported(name: str) -> None:
    assert importlib.import_module(name)


def test_forks_and_the_end_of_a_run_do_not_look_through_what_is_loaded() -> None:
    assert run_python(FROZEN) == ["True"]
