"""What the benches make of their figures: medians, tables, the plot. No time is asserted."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import __main__ as bench
from tests.bench import page
from tests.bench.figures import Cell, Sitting, Spread
from tests.bench.plot import Series, draw, get_step
from tests.bench.process_tree import get_cpu_seconds, get_descendants, get_memory

SVG = "{http://www.w3.org/2000/svg}"


def run(cpu: float, wall: float = 10.0) -> dict[str, t.Any]:
    return {"cpu": cpu, "wall": wall, "system": cpu / 4, "tasks": 11, "others": 0.02, "load": [0.1, 1.5]}


def sitting() -> Sitting:
    noop = [
        Cell("noop", 50, {"before": [run(30), run(32), run(31)], "now": [run(20), run(20), run(29)]}),
        Cell("noop", 1000, {"before": [run(1240)], "now": [run(600)]}),
    ]
    waits = Cell("waits-rescue", 200, {"now": [run(40, 61)]}, {"before": 1200.0})
    return Sitting({"kernel": "Linux"}, {"before": "1234567", "now": "89abcde"}, [0.1, 1.5], [*noop, waits])


def test_a_spread_is_shown_only_where_there_is_one() -> None:
    assert Spread.of([3, 1200, 2]).show() == "3 (2 to 1,200)"
    assert Spread.of([1.25]).show(2) == "1.25"


def test_cost_is_per_node_and_growth_is_the_largest_against_the_smallest() -> None:
    found = sitting()
    assert found.cells[0].cpu_per_node("before") == Spread(620, 600, 640)
    assert found.growth("before") == (50, 1000, 2.0)
    assert found.growth("now") == (50, 1000, 1.5)


def test_the_page_has_both_checkouts_and_says_what_was_not_measured() -> None:
    text = page.write_page(sitting())
    assert "| 50 | before | 620 (600 to 640) | 155 (150 to 160) | 10.0 | 5.00 | 11 | 3 |" in text
    assert "| 200 | before | 20 min for the waits alone, computed, not measured" in text
    assert "The machine was quiet: " in text
    assert "was 0.10 before the first\nrun, 1.50 after the last." in text
    assert "## Nothing to do" not in text
    assert max(map(len, text.splitlines())) <= 130
    for lines in text.split("\n\n"):
        if lines.startswith("|"):
            assert len({line.count("|") for line in lines.splitlines()}) == 1


def test_figures_that_were_kept_make_the_same_page(tmp_path: Path) -> None:
    bench.write(sitting(), tmp_path / "performance.md")
    assert page.write_page(bench.load(tmp_path / "performance.json")) == (tmp_path / "performance.md").read_text()


@pytest.mark.parametrize(("highest", "step"), [(0, 1), (4.9, 1), (5.1, 2), (830, 200), (1000, 200), (1001, 500)])
def test_marks_of_an_axis_are_round(highest: float, step: float) -> None:
    assert get_step(highest) == step


@pytest.mark.parametrize("sizes", [(50,), (50, 200, 1000)])
def test_the_plot_is_svg_with_all_points_inside(sizes: tuple[int, ...]) -> None:
    points = {size: Spread(size, size / 2, size * 2) for size in sizes}
    root = ElementTree.fromstring(draw("a & b", "nodes", [Series("now", points), Series("before", points)]))
    width, height = map(int, root.attrib["viewBox"].split()[2:])
    marks = root.findall(f".//{SVG}circle")
    assert len(marks) == len(sizes)
    assert all(0 < float(mark.attrib["cx"]) < width and 0 < float(mark.attrib["cy"]) < height for mark in marks)
    names = [text for text in root.iter(f"{SVG}text") if text.attrib.get("class") == "name"]
    assert abs(float(names[0].attrib["y"]) - float(names[1].attrib["y"])) >= 16


def test_the_command_names_nobodys_path() -> None:
    options = bench.parse(["--against", "/home/me/other", "--out", "/home/me/out.md", "--sizes", "5", "50"])
    assert bench.show_command(options) == "`python -m tests.bench --against CHECKOUT --sizes 5 50`"


def test_a_process_tree_is_all_that_is_below() -> None:
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = get_descendants(os.getpid())
        assert process.pid in found
        assert len(get_descendants(process.pid)) == 1
        assert get_memory(found) > 1
        assert get_cpu_seconds(found) > 0
        process.communicate(b"\n")


def test_the_small_parent_counts_a_daemon_and_passes_a_signal_on(tmp_path: Path) -> None:
    parent = Path(bench.__file__).with_name("parent.py")
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    while time.process_time() < 0.3: pass"
    figures = tmp_path / "figures"
    subprocess.run([sys.executable, parent, figures, sys.executable, "-c", daemon], check=True)
    used = json.loads(figures.read_text())
    assert used["code"] == 0
    assert used["user"] + used["system"] > 0.29
    waiting = """
import time
try:
    print(1, flush=True)
    while True:
        time.sleep(0.1)
except KeyboardInterrupt:
    raise SystemExit(7)
"""
    command = [sys.executable, parent, figures, sys.executable, "-c", waiting]
    command = ["env", "--ignore-signal=INT", *command]  # as a shell starts what is to run in the background
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
    assert json.loads(figures.read_text())["code"] == 7
