"""What a machine has said last on its console: what one looks at when it does not answer."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time

from .._calls.request import Request
from .._contract.node import Node
from .._errors import BMCError
from .files import Files

LINES, CHARACTERS = 15, 1500
"""How much of it an error tells, at most."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()#][0-9A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_=>])")
"""Control sequences of terminals (ECMA-48, section 5.4), with those that xterm has added."""

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


def is_kept(node: Node) -> bool:
    """Say whether what the machine says is to be kept."""
    return node.console == "keep"


def last_words(request: Request) -> str:
    """Return a sentence with what the machine said last, to be added to an error; empty where none is kept.

    Never raises: what can't be read is said.
    """
    if not is_kept(request.node):
        return ""
    log, file, when = request.driver.console_log, Files(request.node).console, ""
    try:
        if log is not None:
            text = log.read_console()
        else:
            text = file.read_bytes().decode(errors="replace")
            when = f" (the last of it {max(time.time() - file.stat().st_mtime, 0):.0f} s ago)"
    except FileNotFoundError:
        return " Nothing was heard on its console."
    except (BMCError, OSError) as exc:
        return f" Its console can't be read: {exc}"
    lines = last_lines(text)
    if not lines:
        return " Its console said nothing."
    return "\n  ".join([f" Its console said{when}:", *lines])


def last_lines(text: str) -> list[str]:
    """Return the last lines of a console as people would see them: no control sequences, nothing empty."""
    shown = _ESCAPES.sub("", text.replace("\r\n", "\n")).replace("\r", "\n")
    lines = [line for raw in shown.split("\n") if (line := _UNPRINTABLE.sub(" ", raw).strip())]
    kept: list[str] = []
    for line in reversed(lines[-LINES:]):
        if sum(map(len, kept)) + len(line) > CHARACTERS:
            break
        kept.insert(0, line)
    return kept or [line[-CHARACTERS:] for line in lines[-1:]]
