r"""Finds the checksum of one file in a SUMS file, in each form that distributions publish. Pure.

Forms: GNU coreutils (``hex  name``, ``hex *name``, escaped ``\hex  na\\me``), BSD and ``--tag``
(``SHA256 (name) = hex``), one checksum alone; with comments, with headings such as ``# SHA512 HASH``, inside an OpenPGP
signature (which is not verified), several algorithms in one file.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from .._inband.write.checksum import ALGORITHMS, algorithm_called, digits_of

OF_LENGTH = {64: "sha256", 96: "sha384", 128: "sha512"}
"""What a checksum of so many digits is, where nothing names its algorithm."""

_GNU = re.compile(r"(?P<escape>\\?)(?P<hex>[0-9a-fA-F]{32,128})[ \t]+\*?(?P<name>\S.*)")
_BSD = re.compile(r"(?P<escape>\\?)(?P<algorithm>[\w/-]+)[ \t]*\((?P<name>.+)\)[ \t]*=[ \t]*(?P<hex>[0-9a-fA-F]+)")
_ALONE = re.compile(r"[0-9a-fA-F]{64,128}")
_HEADING = re.compile(r"[#;]\s*(?P<algorithm>[\w/-]+?)(?:[ _-]?(?:hash|sum|checksum|digest)(?:e?s)?)?:?", re.IGNORECASE)
_IN_NAME = re.compile(r"sha3[-_]?\d{3}|sha[-_]?512[-_]256|sha[-_]?\d{1,3}|md5|blake2[bs]|b2(?=sum)", re.IGNORECASE)
_OTHERS = ("whirlpool", "rmd160", "ripemd160", "sm3", "tiger", "blake3", "streebog", "crc32")
_SIGNED = re.compile(r"-----BEGIN PGP SIGNED MESSAGE-----\n(?:.+\n)*\n(.*?)\n?-----BEGIN PGP SIGNATURE-----", re.DOTALL)
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}  # of GNU coreutils


class AmbiguousError(Exception):
    """One name has two different checksums of one algorithm."""


class _Line(t.NamedTuple):
    algorithm: str
    digits: str
    name: str


def find(content: bytes, path: str, sums_name: str = "") -> str | None:
    """Return ``algorithm:hex`` of a file by the best algorithm that the SUMS file has; None where it has none.

    :param path: the file's path or name; its last part counts, the rest only where two files have the same.
    :param sums_name: the name of the SUMS file, such as ``B2SUMS``, which may tell what the digits are.
    :raises AmbiguousError: it says two things.
    """
    text = content.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    signed = _SIGNED.search(text)
    lines = [line.removeprefix("- ").strip() for line in signed[1].split("\n")] if signed else text.split("\n")
    named = next((algorithm_called(found) for found in reversed(_IN_NAME.findall(sums_name))), "")
    alone = [line.strip() for line in lines if line.strip() and line.strip()[0] not in "#;"]
    if len(alone) == 1 and _ALONE.fullmatch(alone[0]):
        algorithm = _judge("", named, alone[0])
        return f"{algorithm}:{alone[0].lower()}" if algorithm else None
    wanted = path.rpartition("/")[2]
    matching = [line for line in _parse(lines, named) if line.name.rpartition("/")[2] == wanted]
    for algorithm in ALGORITHMS:
        digits = _choose([line for line in matching if line.algorithm == algorithm], path)
        if digits:
            return f"{algorithm}:{digits}"
    return None


def _parse(lines: t.Iterable[str], named: str) -> t.Iterator[_Line]:
    heading = ""
    for line in (line.strip() for line in lines):
        title = _HEADING.fullmatch(line)
        if title and (_IN_NAME.match(title["algorithm"]) or title["algorithm"].lower() in _OTHERS):
            heading = title["algorithm"]
        bsd, gnu = _BSD.fullmatch(line), _GNU.fullmatch(line)
        if bsd:
            yield _Line(_judge(bsd["algorithm"], "", bsd["hex"]), bsd["hex"].lower(), _unescape(bsd))
        elif gnu:
            yield _Line(_judge(heading, named, gnu["hex"]), gnu["hex"].lower(), _unescape(gnu))


def _judge(called: str, named: str, digits: str) -> str:
    """Return the algorithm of a checksum, empty where it is none that proves anything.

    :param called: what the line, or its heading, calls it: that must be so; ``named``: what the file's name says.
    """
    if called:
        algorithm = algorithm_called(called)
        return algorithm if algorithm and digits_of(algorithm) == len(digits) else ""
    return named if named and digits_of(named) == len(digits) else OF_LENGTH.get(len(digits), "")


def _unescape(line: re.Match[str]) -> str:
    name = line["name"]
    return re.sub(r"\\[\\nr]", lambda found: _ESCAPES[found[0]], name) if line["escape"] else name


def _choose(lines: list[_Line], path: str) -> str:
    """Return the digits of one file; of several of one name, those of the one whose folder is the file's."""
    if len({line.digits for line in lines}) > 1:
        lines = [line for line in lines if "/" in line.name and f"/{path}".endswith("/" + line.name.removeprefix("./"))]
        if len({line.digits for line in lines}) != 1:
            raise AmbiguousError
    return lines[0].digits if lines else ""
