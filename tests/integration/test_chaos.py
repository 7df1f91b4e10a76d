"""The quick cells of `make chaos`: runs that are killed, cut off and lied to; all are in docs/reliability.md."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.chaos.cells import Result
from tests.chaos.matrices import MATRICES
from tests.chaos.page import ABOUT, write
from tests.site import ROOT

NOT_QUICK = {"soak"}


@pytest.mark.parametrize("matrix", [name for name in MATRICES if name not in NOT_QUICK])
def test_the_quick_cells_pass(tmp_path: Path, matrix: str) -> None:
    command = [sys.executable, "-m", "tests.chaos", matrix, "--quick", "--jobs", "1"]
    done = subprocess.run(
        [*command, "--results", str(tmp_path / "results")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    told = re.fullmatch(r"(\d+) cells: (\d+) pass, 0 fail", done.stdout.splitlines()[-1])
    assert told, done.stdout[-2000:]
    assert told[1] == told[2] != "0"


def test_the_page_tells_of_each_matrix_and_cell() -> None:
    assert set(ABOUT) == set(MATRICES)
    wrong: list[list[str]] = [[], ["nobody holds it|twice"]]
    results: list[t.Any] = [
        Result(f"{name}: cell {number}", name, "home", "rc=0", what, 1.0, "", 0.0)
        for name in MATRICES
        for number, what in enumerate(wrong)
    ]
    page = write(results, "the command")
    assert "Played on 1970-01-01 (UTC) with `the command`" in page
    assert page.count("| cell 0 | rc=0 | pass |") == len(MATRICES)
    assert page.count("| cell 1 | rc=0 | FAIL; nobody holds it&#124;twice |") == len(MATRICES)
    assert f"| all |  | {len(results)} | {len(MATRICES)} | {len(MATRICES)} |" in page
