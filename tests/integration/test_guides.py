"""The guides, as printed: files are written, commands are played, and what the page shows is shown."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import pages
from tests.site import BIN, ROOT

PLAYED = [page for page in pages.GUIDES if any(block.is_played for block in pages.blocks(page))]
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{BIN}:{os.environ['PATH']}",
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
    "ANSIBLE_NOCOLOR": "1",
    "COLUMNS": "500",
}
"""As on a controller where the collection is installed."""


def normal(text: str) -> str:
    """Return a text without its spacing, and without how long things took and how many requests that was."""
    return re.sub(r" \d+ s \d+ \d+$", " …", " ".join(text.split()))


def sessions(page: Path) -> list[tuple[str, list[str]]]:
    """Return the commands of a page that are played, each with the lines that are shown for it."""
    found: list[tuple[str, list[str]]] = []
    for block in pages.blocks(page):
        for line in block.text.splitlines() if block.is_played and block.language == "console" else ():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def test_there_are_guides_that_are_played() -> None:
    assert len(PLAYED) >= 2
    assert sum(len(sessions(page)) for page in PLAYED) >= 10


@pytest.mark.parametrize("page", PLAYED, ids=pages.name_of)
def test_it_goes_as_printed(page: Path, tmp_path: Path) -> None:
    for block in pages.blocks(page):
        if block.is_played and block.file:
            (tmp_path / block.file).write_text(block.text)
    exports = ""
    for command, shown in sessions(page):
        if command.startswith("export "):
            exports += f"{command}\n"
            continue
        done = subprocess.run(
            ["bash", "-c", exports + command],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        lines = [normal(line) for line in output.splitlines()]
        for expected in shown:
            assert any(normal(expected) in line for line in lines), f"{command}\n{expected}\nis not in\n{output}"
