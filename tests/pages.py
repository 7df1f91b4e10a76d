"""What the pages of the documentation have: links, headings, blocks of code, commands."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t
from pathlib import Path

from markdown_it import MarkdownIt

if t.TYPE_CHECKING:
    from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *GUIDES,
    *sorted(ROOT.glob("roles/*/README.md")),
]
PLAYED = "<!-- play -->"
"""Stands before a block whose file is written, or whose commands are played, by tests/integration/test_guides.py."""


@dataclasses.dataclass(frozen=True)
class Link:
    """A link: where to, and its title, which for a link to a test is the test's name."""

    target: str
    title: str


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    text: str
    line: int
    is_played: bool

    @property
    def file(self) -> str | None:
        """The file name in the first line of a YAML block; None without."""
        found = re.match(r"# ([\w./]+\.ya?ml)\b", self.text)
        return found[1] if found else None


def name_of(page: Path) -> str:
    """Return what a page is called in a test's name."""
    return str(page.relative_to(ROOT))


@functools.cache
def _tokens(page: Path) -> tuple[Token, ...]:
    flat: list[Token] = []
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        flat += [token, *(token.children or ())]
    return tuple(flat)


def links(page: Path) -> list[Link]:
    """Return a page's links and images, in order."""
    found = []
    for token in _tokens(page):
        target = token.attrs.get("href") or token.attrs.get("src")
        if target:
            found.append(Link(str(target), str(token.attrs.get("title", ""))))
    return found


def headings(page: Path) -> list[str]:
    """Return the text of a page's headings."""
    tokens = _tokens(page)
    return [after.content for token, after in zip(tokens, tokens[1:]) if token.type == "heading_open"]


def anchors(page: Path) -> set[str]:
    """Return what links can name in a page, as GitHub and the documentation site make it of the headings."""
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", heading) for heading in headings(page)]
    slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain]
    earlier = [slugs[:index].count(slug) for index, slug in enumerate(slugs)]
    return {f"{slug}-{number}" if number else slug for slug, number in zip(slugs, earlier)}


def html(page: Path) -> list[str]:
    """Return the HTML within a page's text: mostly words in angle brackets, of which a browser shows nothing."""
    return [token.content for token in _tokens(page) if token.type == "html_inline"]


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks, in order."""
    found, is_played = [], False
    for token in _tokens(page):
        if token.type == "html_block":
            is_played = token.content.strip() == PLAYED
        elif token.type == "fence":
            line = token.map[0] + 1 if token.map else 0
            found.append(Block(token.info, token.content, line, is_played))
            is_played = False
    return found


def commands(page: Path) -> list[str]:
    """Return the commands of a page: after ``$`` in console blocks, and of Ansible in code within the text."""
    found = []
    for block in blocks(page):
        if block.language == "console":
            whole = block.text.replace("\\\n", " ")
            found += [line.removeprefix("$ ") for line in whole.splitlines() if line.startswith(("$ ", "ansible"))]
    inline = [" ".join(token.content.split()) for token in _tokens(page) if token.type == "code_inline"]
    return [*found, *(text for text in inline if text.startswith(("ansible-playbook ", "ansible-doc ")))]
