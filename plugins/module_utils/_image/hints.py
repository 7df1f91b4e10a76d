"""Reads root device hints: each whole, or not at all. Pure.

Keys and operators are Ironic's (user guide, "Specifying the disk for deployment"; oslo.utils, "specs_matcher" and
"strutils"). Text is compared in lower case and may have spaces in it, ``size`` is in whole GiB. What Ironic would read
in part, or as something else, is refused: a hint that is misread chooses a disk.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import operator
import re
import typing as t

from .._errors import InvalidRequestError

Fits = t.Callable[[t.Any], bool]
"""Says whether a disk's value fits; never called with None."""

_TRUE = ("true", "t", "on", "y", "yes", "1")
_FALSE = ("false", "f", "off", "n", "no", "0")

_COMPARE: dict[str, t.Callable[[t.Any, t.Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_OF_NUMBERS = {"=": operator.ge, **_COMPARE}  # = is Ironic's old word for >=
_OF_TEXT = {f"s{name}": compare for name, compare in _COMPARE.items()}

_OPERATOR = re.compile(r"<(?:in|all-in|or|range-in)>|s(?:[=!<>]=|[<>])|[=!<>]=|[=<>]", re.IGNORECASE)
_LIKE_OPERATOR = re.compile(r"\s*(?:[=!<>~]|s[=!<>])")
_WITHIN = re.compile(r"<[a-z-]+>|(?:^|\s)(?:s?[=!<>]=|s?[<>]|=)(?:\s|$)", re.IGNORECASE)
_RANGE = re.compile(r"([\[(])\s*([0-9]+)\s+([0-9]+)\s*([\])])")
_NUMBER = re.compile(r"[0-9]+")

_EXPECTED = {
    "size": "a whole number of GiB, with one of = == != >= > <= < before it; or <or> 480 <or> 960; or "
    "<range-in> [ 480 960 ]",
    "rotational": f"one of {', '.join((*_TRUE, *_FALSE))}",
    "text": "a text, with one of s== s!= s>= s> s<= s< <in> <all-in> before it; or <or> one <or> other",
}


class _UnreadableError(ValueError):
    """Why a hint can't be read."""


def parse(hints: t.Mapping[str, t.Any], node: str) -> dict[str, Fits]:
    """Return for each hint what judges a disk's value: ``size`` in whole GiB, ``rotational`` a bool, else text.

    :raises InvalidRequestError: a hint that can't be read whole, with what was expected.
    """
    readers: dict[str, t.Callable[[t.Any], Fits]] = {"size": _read_size, "rotational": _read_rotational}
    found = {}
    for key, hint in hints.items():
        try:
            found[key] = readers.get(key, _read_text)(hint)
        except _UnreadableError as exc:
            raise InvalidRequestError(
                f"The hint bm_root_device.{key} '{hint}' can't be read: {exc}.",
                node=node,
                hint=f"Expected is {_EXPECTED.get(key, _EXPECTED['text'])}.",
            ) from exc
    return found


def _read_rotational(hint: t.Any) -> Fits:
    word = str(hint).strip().lower()
    if not isinstance(hint, (str, int)) or word not in (*_TRUE, *_FALSE):
        raise _UnreadableError("it says neither yes nor no")
    wanted = word in _TRUE
    return lambda value: bool(value) == wanted


def _read_size(hint: t.Any) -> Fits:
    if isinstance(hint, bool) or not isinstance(hint, (str, int)):
        raise _UnreadableError("it is no whole number")
    name, rest = _split(str(hint), (*_OF_NUMBERS, "<or>", "<range-in>"))
    if name == "<range-in>":
        return _read_range(rest)
    numbers = [_number(text) for text in (_alternatives(rest) if name == "<or>" else [rest])]
    if name == "<or>":
        return lambda value: value in numbers
    compare = _OF_NUMBERS[name or "=="]
    return lambda value: compare(value, numbers[0])


def _read_range(rest: str) -> Fits:
    match = _RANGE.fullmatch(rest)
    if match is None:
        raise _UnreadableError("it is no range")
    opening, low, high, closing = match[1], _number(match[2]), _number(match[3]), match[4]
    if low > high:
        raise _UnreadableError("its range is empty")
    first, last = low + (opening == "("), high - (closing == ")")
    return lambda value: first <= value <= last


def _read_text(hint: t.Any) -> Fits:
    if not isinstance(hint, str):
        raise _UnreadableError("YAML has made a number of it, a date, or true or false; put it in quotes")
    name, rest = _split(hint.lower(), (*_OF_TEXT, "<in>", "<all-in>", "<or>"))
    if name == "<or>":
        texts = _alternatives(rest)
        return lambda value: _plain(value) in texts
    if _WITHIN.search(rest):
        raise _UnreadableError("there is a second operator in it")
    if name == "<in>":
        return lambda value: rest in _plain(value)
    if name == "<all-in>":
        words = rest.split()
        return lambda value: all(word in _plain(value) for word in words)
    compare = _OF_TEXT[name or "s=="]
    return lambda value: compare(_plain(value), rest)


def _split(hint: str, known: t.Collection[str]) -> tuple[str, str]:
    """Return the operator, empty where there is none, and what stands behind it."""
    match = _OPERATOR.match(hint.strip())
    name = match[0].lower() if match else ""
    rest = hint.strip()[len(name) :].strip()
    if name not in ("", *known):
        raise _UnreadableError(f"{name} is no operator for it")
    if _LIKE_OPERATOR.match(rest):
        raise _UnreadableError("its operator is not known")
    if not rest:
        raise _UnreadableError("nothing is said to compare with" if name else "it is empty")
    return name, rest


def _alternatives(rest: str) -> list[str]:
    """Return the parts of what stands behind the first <or>."""
    parts = [part.strip() for part in re.split("<or>", rest, flags=re.IGNORECASE)]
    if not all(parts):
        raise _UnreadableError("an alternative is empty")
    if any(_WITHIN.search(part) for part in parts):
        raise _UnreadableError("there is a second operator in it")
    return parts


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or not int(text):
        raise _UnreadableError(f"{text} is no whole number of GiB")
    return int(text)


def _plain(value: t.Any) -> str:
    return str(value).strip().lower()
