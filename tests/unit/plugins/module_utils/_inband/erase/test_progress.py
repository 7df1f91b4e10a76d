"""What an erase tells while it runs."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase import erase as _erase
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.erase import EraseRequest, erase_devices
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.nvme import parse_sanitize_percent
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.progress import EraseProgress

MIB = 1024 * 1024


def test_the_file_tells_who_is_at_work_and_what_is_done(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"

    def read() -> tuple[t.Any, ...]:
        state = json.loads(path.read_text())
        assert state["pid"] == os.getpid()
        return state["disks"], state["working"], state["evidence"]

    with EraseProgress(str(path), 2) as progress:
        assert read() == (2, {}, [])
        progress.update("/dev/sda", "blkdiscard")
        assert read() == (2, {"/dev/sda": {"method": "blkdiscard", "percent": None}}, [])
        progress.update("/dev/sda", "blkdiscard", 17.9)
        assert read()[1]["/dev/sda"]["percent"] is None, "at most once a second"
        progress.update("/dev/sda", "overwrite", 0.0)
        assert read()[1] == {"/dev/sda": {"method": "overwrite", "percent": 0}}
        progress.finish("/dev/sda", {"result": "erased"})
        assert read() == (2, {}, [{"result": "erased"}])
    assert not path.exists()


def test_progress_that_can_not_be_written_does_not_matter(tmp_path: Path) -> None:
    with EraseProgress(str(tmp_path / "absent" / "progress.json"), 1) as progress:
        progress.update("/dev/sda", "overwrite", 5.0)
        progress.finish("/dev/sda", {})


def test_an_erase_tells_method_and_percent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[t.Any, ...]] = []

    class Recorder(EraseProgress):
        def update(self, device: str, method: str, percent: float | None = None) -> None:
            told.append((Path(device).name, method, percent))

    monkeypatch.setattr(_erase, "EraseProgress", Recorder)
    (tmp_path / "disk").write_bytes(b"\xff" * 8 * MIB)
    (tmp_path / "kept").write_bytes(b"\xff" * MIB)
    devices = [str(tmp_path / name) for name in ("disk", "kept")]
    result = erase_devices(EraseRequest("full", devices=devices, skip=devices[1:]))
    assert result["changed"] is True
    assert told == [("disk", "overwrite", None), ("disk", "overwrite", 0.0), ("disk", "overwrite", 50.0)]


@pytest.mark.parametrize(("log", "percent"), [(b"\0\0\2\0", 0.0), (b"\0\x80\2\0", 50.0), (b"\0\xc0\2\0", 75.0)])
def test_a_sanitize_operation_tells_its_parts_of_65536(log: bytes, percent: float) -> None:
    assert parse_sanitize_percent(log) == percent
