"""Who has only the artifact and the README, and an empty home: does what is printed there."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass
class Done:
    """A command that has ended: its exit code, and what it has shown with folded lines joined."""

    code: int
    output: str


def blocks(title: str, language: str) -> list[str]:
    """Return the code blocks of one language in a section of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert text, f"README has no section {title}"
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


class Newcomer:
    """One home, and what a shell there keeps from command to command.

    :param home: an empty folder; commands run in it.
    :param instead: what is printed, and what stands for it here: addresses and paths of the example.
    """

    def __init__(self, home: Path, instead: t.Mapping[str, str]) -> None:
        self.home = home
        self._instead = instead
        (home / "bin").mkdir()
        (home / "bin" / "python3").symlink_to(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG"))}
        cache = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
        path = f"{home}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._environment = {**kept, "HOME": str(home), "PATH": path, "PIP_CACHE_DIR": cache, "ANSIBLE_NOCOLOR": "1"}

    def build(self) -> None:
        """Make the artifact of the checkout."""
        command = ["ansible-galaxy", "collection", "build", "--output-path", str(self.home), str(ROOT)]
        subprocess.run(command, check=True, capture_output=True)

    def run(self, command: str) -> Done:
        """Run one line of a shell; what it exports or activates is there for the next."""
        for printed, here in self._instead.items():
            command = command.replace(printed, here)
        state = self.home / ".state"
        script = f"trap 'env -0 > {state}' EXIT\n{command}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.home, env=self._environment, capture_output=True, text=True, check=False
        )
        self._environment = dict(entry.split("=", 1) for entry in state.read_text().split("\0") if entry)
        return Done(done.returncode, " ".join((done.stdout + done.stderr).split()))

    def write(self, block: str) -> Path:
        """Write a block to the file that its first line names."""
        for printed, here in self._instead.items():
            block = block.replace(printed, here)
        name = re.match(r"# (\S+)", block)
        assert name, block
        file = self.home / name[1]
        file.write_text(block, encoding="utf-8")
        return file
