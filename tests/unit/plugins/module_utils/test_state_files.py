"""State files: whole or not there. What a power cut leaves is seen in the order of what is asked of the kernel."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _state_files as state_files

WRITE = """
import sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.baremetal.lifecycle.plugins.module_utils import _state_files as state_files
from pathlib import Path
state_files.write(Path(sys.argv[2]), b"new content")
"""


def test_a_file_is_on_the_disk_before_its_name_is_and_the_name_before_the_call_returns(tmp_path: Path) -> None:
    """The calls that a power cut could fall between, as the kernel gets them."""
    root = next(path for path in map(Path, sys.path) if (path / "ansible_collections" / "baremetal").is_dir())
    trace, file = tmp_path / "trace", tmp_path / "state" / "node01" / "media.json"
    command = ["strace", "-f", "-y", "-e", "trace=write,fsync,rename,renameat,renameat2,mkdir", "-o", str(trace)]
    subprocess.run([*command, sys.executable, "-c", WRITE, str(root), str(file)], check=True)
    calls = [line.partition(" ")[2].strip() for line in trace.read_text().splitlines() if str(tmp_path) in line]
    kinds = [(call.partition("(")[0], call) for call in calls]
    names = [name for name, dummy in kinds]
    write, rename = next(i for i, call in enumerate(calls) if "new content" in call), names.index("rename")
    content = names.index("fsync", write)
    folder = names.index("fsync", rename)
    assert write < content < rename < folder
    assert ".media.json.new" in calls[content]
    assert calls[folder].rstrip().endswith("= 0")
    assert f"{file.parent}>" in calls[folder]
    for made in (file.parent, file.parent.parent):
        after = next(i for i, (name, call) in enumerate(kinds) if name == "mkdir" and f'"{made}"' in call)
        assert any(name == "fsync" and f"{made.parent}>" in call for name, call in kinds[after:])


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o600), (0o077, 0o644), (0o022, 0o640)])
def test_the_mode_is_what_was_asked_for(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        state_files.write(tmp_path / "a" / "file", b"x", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "file").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) & 0o077 == 0


def test_a_file_that_can_not_be_written_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    state_files.write(file, b"before")
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "baremetal-lifecycle-test", str(full)], check=True)
    try:
        state_files.write(full / "file", b"before")
        with pytest.raises(OSError, match="No space left"):
            state_files.write(full / "file", bytes(1 << 20))
        assert (full / "file").read_bytes() == b"before"
        assert [path.name for path in full.iterdir()] == ["file"]
    finally:
        subprocess.run(["umount", str(full)], check=True)
