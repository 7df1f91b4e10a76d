"""Checks host variables against the contract; errors name the variable and the fix."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import difflib
import functools
import re
import typing as t
from datetime import date

try:
    import jsonschema
    from jsonschema.exceptions import relevance
except ImportError as exc:
    JSONSCHEMA_ERROR: ImportError | None = exc
else:
    JSONSCHEMA_ERROR = None

from .._dependency import require
from .._errors import InvalidRequestError
from .schema import HOST_VARIABLES

_SECRET = {
    *("password", "kg_key", "username", "address", "verify", "bm_config_drive", "bm_store", "url", "root", "iso"),
    *("checksum", "args", "kernel_args"),
}
"""Parts of a host variable's name below which no value is quoted: secrets, and what may have one in it."""
_MOST = 10
"""Mistakes that are told at once."""
_LONGEST = 80
"""Characters of a value that is quoted: what is longer is another thing than was meant."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_KINDS: dict[type, str] = {bool: "a boolean", dict: "an object", list: "an array", str: "a string", object: "a number"}


def check(
    variables: t.Mapping[str, t.Any], *, node: str, only_known: bool = False, names: t.Iterable[str] = ()
) -> None:
    """Check the variables of a node. None and empty text stand for unset: a survey gives that for no answer.

    :param only_known: leave out names that are not in the contract, instead of refusing them.
    :param names: names of variables that are set beside these; those that begin with ``bm_`` have to be known.
    :raises InvalidRequestError: naming all that is wrong, and how to put it right.
    """
    require("jsonschema", JSONSCHEMA_ERROR)
    given = {key: value for key, value in variables.items() if value not in (None, "")}
    known = {key: value for key, value in given.items() if key in HOST_VARIABLES["properties"]}
    _refuse([*_unknown([*names, *(() if only_known else given)]), *_mistakes(known)], node)


def _refuse(wrong: t.Sequence[str], node: str) -> None:
    if not wrong:
        return
    more = len(wrong) - _MOST
    told = " ".join([*wrong[:_MOST], *([f"And {more} more."] if more > 0 else [])])
    what = "variables" if len(wrong) > 1 else "variable"
    raise InvalidRequestError(told, node=node, hint=f"Correct the host {what}; nothing was touched.")


def _mistakes(given: t.Mapping[str, t.Any]) -> list[str]:
    """Return a sentence for each mistake: of one place the one that tells most."""
    found: dict[tuple[str, str], t.Any] = {}
    for error in sorted(_validator().iter_errors(given), key=_tells_most, reverse=True):
        kind = error.validator if error.validator in ("required", "additionalProperties") else ""
        found.setdefault((".".join(map(str, error.absolute_path)), kind), error)
    return [sentence for dummy, error in sorted(found.items()) for sentence in _messages(error)]


def _tells_most(error: t.Any) -> t.Any:
    return (relevance(error), error.validator == "pattern")  # its own message says what is wanted


@functools.cache
def _validator() -> t.Any:
    return jsonschema.Draft202012Validator(HOST_VARIABLES)


def compile_patterns() -> None:
    """Compile the patterns of the contract, which ``re`` keeps for the checks to come."""
    for pattern in _patterns(HOST_VARIABLES):
        re.compile(pattern)


def _patterns(schema: t.Any) -> t.Iterator[str]:
    """Yield the patterns of a schema and of all that are in it."""
    if isinstance(schema, list):
        for item in schema:
            yield from _patterns(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            else:
                yield from _patterns(value)


def check_names(names: t.Iterable[str], *, node: str) -> None:
    """Refuse names that begin with ``bm_`` and are not in the contract: most likely a typing error.

    :raises InvalidRequestError: naming the variables and what may have been meant.
    """
    _refuse(_unknown(names), node)


def _unknown(names: t.Iterable[str]) -> list[str]:
    known = HOST_VARIABLES["properties"]
    unknown = sorted({name for name in names if name.startswith("bm_") and name not in known})
    return [f"The host variable {name} does not exist. {guess(name, sorted(known))}" for name in unknown]


def guess(name: str, known: t.Collection[str]) -> str:
    """Return what may have been meant by a name that is not known, as a sentence."""
    meant = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {meant[0]}?" if meant else f"Known are: {', '.join(known)}."


def _messages(error: t.Any) -> list[str]:
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return [f"The host variable {path + '.' if path else ''}{key} is missing." for key in missing]
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        unknown = sorted(str(key) for key in set(error.instance) - set(known))
        names = {key: key if _NAME.fullmatch(key) else "(a key that is no name)" for key in unknown}
        return [f"The host variable {path}.{names[key]} does not exist. {guess(key, known)}" for key in unknown]
    return [_message(error, path)]


def _message(error: t.Any, path: str) -> str:
    value = error.validator_value
    listed = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    form = error.schema.get("patternErrorMessage") if error.validator == "pattern" else None
    wants = {
        "type": "must be of type {}",
        "enum": "must be one of {}",
        "pattern": f"must be {form}" if form else "must match the pattern {}",
        "exclusiveMinimum": "must be greater than {}",
        "minItems": "must have at least {} entry",
        "minLength": "must not be empty" if value == 1 else "must have at least {} characters",
    }.get(str(error.validator), f"must satisfy {error.validator} {{}}")
    quotes = error.validator == "type" and value == "string" and isinstance(error.instance, (int, float, date))
    remedy = " Put it in quotes, or YAML makes a number, a date or a boolean of it." if quotes else ""
    return f"The host variable {path} {wants.replace('{}', listed)}, but {_seen(error)}.{remedy}"


def _seen(error: t.Any) -> str:
    """Return what was found, in words: the value itself only where it can't be, or have in it, a secret."""
    value, parts = error.instance, {str(part) for part in error.absolute_path}
    kind = next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "nothing")
    is_whole = isinstance(value, (dict, list)) or error.schema.get("type") in ("object", "array")
    if is_whole or parts & _SECRET or len(str(value)) > _LONGEST or "://" in str(value) or "@" in str(value):
        return f"is {kind}" if error.validator == "type" else "is not"
    return f"is {value!r}"
