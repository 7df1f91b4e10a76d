"""What README, SECURITY.md and the checklist say is seen by a test is seen by a test that is there."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "docs/checklist.md"])
def test_each_test_that_is_named_is_there(page: str) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", (ROOT / page).read_text())
    assert len(named) >= 6
    for file, function in named:
        assert (ROOT / file).is_file(), file
        functions = {
            node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)
        }
        assert not function or function in functions, f"{file}::{function}"


def test_each_promise_is_followed_by_its_test() -> None:
    text = (ROOT / "README.md").read_text().partition("## What it promises")[2].partition("\n## ")[0]
    promises = text.split("\n- ")[1:]
    assert len(promises) >= 6
    assert not [promise for promise in promises if "tests/" not in promise]
