"""Text that stands for a boolean, a number, an object or a list: surveys, ``-e`` and INI inventories have nothing else.

Only where the contract (a JSON Schema) means no text; what can't be converted stays, and is told of by the check.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import typing as t

NUMBERS = {
    "integer": (re.compile(r"[+-]?[0-9]+"), int),
    "number": (re.compile(r"[+-]?[0-9]+(\.[0-9]+)?"), float),
}
"""How they are written; what Python also takes for one, nan and 1_000, is none."""

OF_JSON = {"object": dict, "array": list}
"""What is written as JSON; a list of names may also be written with commas, which Ansible reads."""

Schema = t.Mapping[str, t.Any]

BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "f", "0"), False),
}
"""Ansible's words."""

WORDS = frozenset({"true", "yes", "on", "false", "no", "off"})
"""Those that are a boolean also where text may be meant, as the name of a file."""


def convert(value: t.Any, schema: Schema) -> t.Any:
    """Return a value of a host variable as its schema means it."""
    if isinstance(value, str):
        value = _of_text(value.strip(), value, _kinds(schema))
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        below = others if isinstance(others, dict) else {}
        return {key: convert(item, known.get(key, below)) for key, item in value.items()}
    if isinstance(value, list):
        return [convert(item, schema.get("items", {})) for item in value]
    return value


def _kinds(schema: Schema) -> frozenset[str]:
    """Return the types that a schema allows; an enumeration of numbers is one of them."""
    kind = schema.get("type") or ("integer" if all(isinstance(item, int) for item in schema.get("enum", [""])) else ())
    return frozenset([kind] if isinstance(kind, str) else kind)


def _of_text(text: str, value: str, kinds: frozenset[str]) -> t.Any:
    word = text.lower()
    if kinds == {"boolean"} or (kinds == {"boolean", "string"} and word in WORDS):
        return BOOLEANS.get(word, value)
    for kind, (written, make) in NUMBERS.items():
        if kinds == {kind} and written.fullmatch(text):
            return make(text)
    for kind, wanted in OF_JSON.items():
        if kinds == {kind} and text[:1] in ("{", "["):
            return _of_json(text, value, wanted)
    return value


def _of_json(text: str, value: str, wanted: type) -> t.Any:
    try:
        found = json.loads(text)
    except ValueError:
        return value
    return found if isinstance(found, wanted) else value
