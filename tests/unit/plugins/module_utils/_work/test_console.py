"""What is told of a console: its last lines, as people would see them."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._work.console import CHARACTERS, LINES, last_lines


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", []),
        ("\r\n\r\n \x1b[0m\r\n", []),
        ("one\r\ntwo\n\n\nthree", ["one", "two", "three"]),
        ("\x1b[2J\x1b[01;32mGRUB\x1b[0m\x1b(B loading\x1b[K", ["GRUB loading"]),
        ("\x1b]0;title\x07login:", ["login:"]),
        ("10%\r20%\r", ["10%", "20%"]),
        ("tab\there\x00\x08\x7f", ["tab here"]),
        ("\ufffdÄ é", ["\ufffdÄ é"]),
        ("\n".join(map(str, range(100))), [str(number) for number in range(100 - LINES, 100)]),
        ("short\n" + "x" * CHARACTERS, ["x" * CHARACTERS]),
        ("x" * 9000, ["x" * CHARACTERS]),
    ],
)
def test_last_lines(said: str, told: list[str]) -> None:
    assert last_lines(said) == told
