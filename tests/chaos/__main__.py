"""``make chaos``, or ``python -m tests.chaos``: runs are killed, cut off and lied to, and what comes of it is told.

Each cell prints a line when it ends. Results go to a file: what is there for the same sources is not played again.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import signal
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

from tests.chaos import matrices, page, pool
from tests.chaos.cells import digest_for


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    add = parser.add_argument
    add("matrices", nargs="*", metavar="MATRIX", help=f"of {', '.join(matrices.MATRICES)} (all)")
    add("--only", default="", metavar="TEXT", help="cells with this text in their name, as 'kill: deploy, everything'")
    add("--quick", action="store_true", help="the selection that make test plays")
    add("--jobs", type=int, default=2, help="cells at once (2)")
    add(
        "--results",
        type=Path,
        default=ROOT / ".cache" / "chaos.jsonl",
        metavar="FILE",
        help="results, and what is done",
    )
    add("--page", type=Path, metavar="FILE", help="write the page, of a whole run")
    add("--list", action="store_true", help="list the cells and play none")
    options = parser.parse_args(arguments)
    unknown = set(options.matrices) - set(matrices.MATRICES)
    if unknown:
        parser.error(f"there is no matrix {', '.join(sorted(unknown))}")
    return options


def show_command(options: argparse.Namespace) -> str:
    """Return the command of a whole run, with paths that are nobody's."""
    return f"python -m tests.chaos --jobs {options.jobs} --page docs/reliability.md"


def main() -> int:
    """Play what is wanted; return how it ended."""
    options = parse()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as nohup does: the plays would ignore it, too
        signal.signal(signal.SIGHUP, lambda *dummy: None)
    sources = {name: digest_for(matrix) for name, matrix in matrices.MATRICES.items()}
    with pool.Pool(options.jobs, sources) as workers:
        cells = list(matrices.wanted(workers, options.matrices, options.only, quick=options.quick))
        if options.list:
            print(*(cell.key for cell in cells), sep="\n")
            return 0
        results = pool.Results(options.results, sources)
        known = {key for key, result in results.known.items() if not result.wrong}  # what failed is played again
        todo = [cell for cell in cells if cell.key not in known]
        pool.say(f"{len(cells)} cells, {len(cells) - len(todo)} of them are known")
        for result in workers.play(todo):
            results.add(result)
            pool.say(_line(result))
    found = [results.known[cell.key] for cell in cells if cell.key in results.known]
    failed = [result for result in found if result.wrong]
    pool.say(f"{len(found)} cells: {len(found) - len(failed)} pass, {len(failed)} fail")
    for result in failed:
        pool.say(_line(result))
    if options.page and not (options.matrices or options.only or options.quick):
        options.page.write_text(page.write(found, show_command(options)), encoding="utf-8")
    return 1 if failed or len(found) < len(cells) else 0


def _line(result: t.Any) -> str:
    wrong = f" WRONG: {'; '.join(result.wrong)}" if result.wrong else ""
    return f"{result.verdict} {result.cell} [{result.seconds:.0f} s] {result.seen}{wrong}"


if __name__ == "__main__":
    sys.exit(main())
