"""Four kinds of disks in one machine, each erased by the best that it can do, for real."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

from tests.lab import ROOT

NODE = "node09"
DISKS = ROOT / ".lab" / "disks"
SHARED, MAP = DISKS / "BMLAB09M.raw", "35000c500b0a70009"
"""The disk with two paths; and what multipathd calls it, whose paths are called BMLAB09M."""
SMALL = {"BMLAB09N": DISKS / "BMLAB09N.qcow2", "BMLAB09P": DISKS / "BMLAB09P.qcow2"}
SIZE = 64 * 1024**2


def fill(path: Path) -> None:
    """Put content on each byte of a disk of a machine that is off."""
    argv = ["qemu-io", "-f", "qcow2", "-c", f"write -P 0xa5 0 {SIZE}", str(path)]
    subprocess.run(argv, check=True, capture_output=True)


def read(path: Path) -> bytes:
    """Return all content of a disk of a machine that is off."""
    raw = path.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw], check=True)
    content = raw.read_bytes()
    raw.unlink()
    return content


def test_each_disk_is_erased_by_the_best_that_it_can_do(lab: t.Any, tmp_path: Path) -> None:
    assert lab.make("lab-up", f"NODES={NODE}").code == 0
    for path in SMALL.values():
        fill(path)
    SHARED.write_bytes(b"\xa5" * SIZE)
    assert lab.playbook("enroll", limit=NODE).code == 0

    everything = {"clean_node_steps": [{"step": "erase_devices"}], "clean_node_report_dir": str(tmp_path)}
    wrong = lab.playbook("clean", limit=NODE, **everything, bm_erase={"skip": ["BMLAB09", "BMLAB08"]})
    assert wrong.code != 0
    assert "'BMLAB08' in skip matches no disk of this node; nothing was erased" in wrong.text
    assert all(read(path) == b"\xa5" * SIZE for path in SMALL.values())

    run = lab.playbook("clean", limit=NODE, **everything, bm_erase={"skip": ["BMLAB09"]})
    assert run.code == 0, run.output
    assert lab.record(NODE).provision_state == "manageable"
    erased = {disk["serial"]: disk for disk in lab.evidence(NODE) if disk["result"] == "erased"}
    told = {serial: (disk["method"], disk["sanitization"]) for serial, disk in erased.items()}
    assert told == {
        "BMLAB09N": ("nvme_format", "purge"),
        "BMLAB09P": ("overwrite", "clear"),
        MAP: ("blkdiscard", "clear"),
    }
    assert {disk["verification"]["result"] for disk in erased.values()} == {"zeros"}
    assert all(read(path) == bytes(SIZE) for path in SMALL.values())
    assert SHARED.read_bytes() == bytes(SIZE)

    named = {"step": "erase_devices", "args": {"disks": ["BMLAB09", "BMLAB09M"]}}  # what one of its paths is called
    assert lab.playbook("clean", limit=NODE, clean_node_steps=[named]).code == 0
    last = {disk["serial"]: disk for disk in lab.evidence(NODE)[-4:]}
    assert {serial: disk["result"] for serial, disk in last.items()} == {
        **dict.fromkeys(("BMLAB09", MAP), "erased"),
        **dict.fromkeys(SMALL, "skipped"),
    }
    assert (last["BMLAB09"]["method"], last["BMLAB09"]["sanitization"]) == ("blkdiscard", "clear")
    assert "BMLAB09N" in next(tmp_path.glob(f"{NODE}-erase_devices-*.txt")).read_text()
    assert json.loads(next(tmp_path.glob(f"{NODE}-erase_devices-*.json")).read_text())
