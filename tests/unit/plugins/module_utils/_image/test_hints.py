"""Root device hints: read as Ironic reads them, or refused; never in part."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_utils import specs_matcher, strutils

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._image import root_device

DISKS = [
    {"name": "/dev/sda", "size_bytes": 480 * root_device.GIB, "model": "Samsung MZ7LH480", "rotational": True},
    {"name": "/dev/sdb", "size_bytes": 960 * root_device.GIB, "model": "Micron 7450", "rotational": False},
]


def chosen(hints: dict[str, t.Any], disks: t.Sequence[dict[str, t.Any]] = DISKS) -> set[str]:  # pylint: disable=dangerous-default-value
    """Return the names of the disks that fit, each asked alone."""
    names = set()
    for disk in disks:
        try:
            names.add(root_device.choose([disk], hints, "node01")["name"])
        except root_device.RootDeviceError:
            continue
    return names


ROTATES, DOES_NOT = {"/dev/sda"}, {"/dev/sdb"}
READ = [
    *(({"rotational": word}, ROTATES) for word in (True, 1, "true", "T", "on", "Y", "yes", "1", " YES ")),
    *(({"rotational": word}, DOES_NOT) for word in (False, 0, "false", "F", "off", "n", "NO", "0")),
    ({"size": 480}, ROTATES),
    ({"size": " 480 "}, ROTATES),
    ({"size": "= 481"}, DOES_NOT),
    ({"size": ">=480"}, ROTATES | DOES_NOT),
    ({"size": "<or> 1 <or> 960"}, DOES_NOT),
    ({"size": "<range-in> ( 480 960 ]"}, DOES_NOT),
    ({"model": "samsung mz7lh480"}, ROTATES),
    ({"model": "s!= samsung mz7lh480"}, DOES_NOT),
    ({"model": "s< n"}, DOES_NOT),
    ({"model": "<in> 450"}, DOES_NOT),
    ({"model": "<all-in> 480 sam"}, ROTATES),
    ({"model": "<OR> x <or> Micron 7450"}, DOES_NOT),
]


@pytest.mark.parametrize(("hints", "expected"), READ)
def test_read(hints: dict[str, t.Any], expected: set[str]) -> None:
    assert chosen(hints) == expected


WIDE = "".join(chr(ord(digit) + 0xFEE0) for digit in "480")  # digits to Python's int(), and to nobody's eyes
REFUSED = [
    *(
        {"rotational": hint}
        for hint in ("maybe", "", "s== true", "<in> 0", "tru", 2, -1, 1.0, "\uff11", None, ["true"])
    ),
    *({"size": hint} for hint in (">= 1 TB", "480 GiB", "large", "", ">=", "<in> 0", "<in> 480", "s== 480", 480.0)),
    *({"size": hint} for hint in (0, -480, True, WIDE, "1e3", "0x1e0", "nan", "=> 480", "== 480 960", "== 1 <or> 2")),
    *({"size": hint} for hint in ("<or>", "<or> 1 <or>", "<range-in> [ 960 480 ]", "<range-in> 480 960", "! 1", "~1")),
    *({"model": hint} for hint in ("", " ", "s==", "s== ", "<in>", "<or> a <or> ", "== x", ">= 1", "=~ x", "!x")),
    *({"model": hint} for hint in ("s== a <or> b", "a <or> b", "<or> a <in> b", "s== s== a", "s<> a", "<any> x")),
    *({"model": hint} for hint in (7450, True, 1.5, None)),
]


@pytest.mark.parametrize("hints", REFUSED)
def test_what_can_not_be_read_whole_is_refused_with_what_was_expected(hints: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        chosen(hints)
    assert f"bm_root_device.{next(iter(hints))} '" in caught.value.message
    assert "Expected is " in caught.value.hint


WORDS = st.text("abz019-_:./", min_size=1, max_size=4)
NUMBERS = st.integers(1, 2000)
TEXT_OPERATORS = st.sampled_from(["s==", "s!=", "s<", "s<=", "s>", "s>=", "<in>"])
NUMBER_OPERATORS = st.sampled_from(["=", "==", "!=", "<", "<=", ">", ">="])


@given(operator=TEXT_OPERATORS, wanted=WORDS, value=WORDS)
def test_text_is_compared_as_ironic_compares_it(operator: str, wanted: str, value: str) -> None:
    disk = {**DISKS[0], "model": value.upper()}
    assert bool(chosen({"model": f"{operator} {wanted}"}, [disk])) == specs_matcher.match(value, f"{operator} {wanted}")


@given(wanted=st.lists(WORDS, min_size=1, max_size=3), value=WORDS)
def test_alternatives_of_text_are_those_of_ironic(wanted: list[str], value: str) -> None:
    spec = " ".join(f"<or> {word}" for word in wanted)
    assert bool(chosen({"model": spec}, [{**DISKS[0], "model": value}])) == specs_matcher.match(value, spec)
    words = f"<all-in> {' '.join(wanted)}"
    assert bool(chosen({"model": words}, [{**DISKS[0], "model": value}])) == all(word in value for word in wanted)


@given(operator=NUMBER_OPERATORS, wanted=NUMBERS, size=NUMBERS, rest=st.integers(0, root_device.GIB - 1))
def test_sizes_are_compared_as_ironic_compares_them(operator: str, wanted: int, size: int, rest: int) -> None:
    disk = {**DISKS[0], "size_bytes": size * root_device.GIB + rest}
    assert bool(chosen({"size": f"{operator} {wanted}"}, [disk])) == specs_matcher.match(size, f"{operator} {wanted}")
    assert bool(chosen({"size": wanted}, [disk])) == (size == wanted)


LIKE_WORDS = st.sampled_from(["true", "True", "on", "y", "t", "maybe", "nope", "01"])


@settings(max_examples=200)
@given(hint=st.text(max_size=8) | LIKE_WORDS, rotates=st.booleans())
def test_words_are_those_of_ironic(hint: str, rotates: bool) -> None:
    disk = {**DISKS[0], "rotational": rotates}
    try:
        wanted = strutils.bool_from_string(hint, strict=True)
    except ValueError:
        with pytest.raises(InvalidRequestError):
            chosen({"rotational": hint}, [disk])
    else:
        assert bool(chosen({"rotational": hint}, [disk])) == (rotates == wanted)


TOKENS = [*("s==", "s!=", "<in>", "<or>", "<all-in>", "=", "==", ">=", "<", ">", "!", "a", "480", "960", "[", "]", "0")]


@settings(max_examples=200)
@given(tokens=st.lists(st.sampled_from(TOKENS), max_size=5), gap=st.sampled_from([" ", "", "  "]))
def test_a_size_is_read_whole_or_refused(tokens: list[str], gap: str) -> None:
    hint = gap.join(tokens)
    try:
        fits = chosen({"size": hint})
    except InvalidRequestError:
        return
    numbers = [number for number in hint.replace("<or>", " ").strip("=<>! ").split() if number.isascii()]
    assert all(number.isdigit() and int(number) for number in numbers)
    assert hint.strip()[0] in "=<>!0123456789"
    sizes = {disk["name"]: disk["size_bytes"] // root_device.GIB for disk in DISKS}
    if "<or>" in hint:  # oslo.utils compares alternatives as text, of which no number is one
        assert fits == {name for name, size in sizes.items() if size in map(int, numbers)}
    else:
        assert fits == {name for name, size in sizes.items() if specs_matcher.match(size, spec(hint))}


def spec(hint: str) -> str:
    """Return a hint as oslo.utils wants it: with an operator, and spaces between."""
    text = hint.replace("<or>", " <or> ").strip()
    return f"== {text}" if text.isdigit() else text
