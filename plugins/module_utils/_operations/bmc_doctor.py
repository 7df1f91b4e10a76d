"""bm_bmc_doctor: what this BMC does, before anything depends on it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC
from .._drivers.interfaces import Finding
from .._errors import InvalidRequestError, UnsupportedOperationError
from .._work.single_act import check_free, hold

ARGUMENT_SPEC: dict[str, t.Any] = {
    **NODE_SPEC,
    "write": {"type": "bool", "default": False},
    "media_url": {"type": "str"},
    "record": {"type": "path"},
}


def run(request: Request) -> Result:
    """Return ``findings``, ``variables`` that suit this BMC, and ``table``: both for people to read.

    :raises InvalidRequestError: there is nothing to examine with, or the recording can't be written.
    :raises NodeLockedError: another live run holds the node; nothing was written.
    :raises BMCError: the BMC is away, or refuses the credentials.
    """
    if request.params["write"] and not request.check_mode:
        check_free(request)
        with hold(request, "examination") as task:
            findings, variables = _examine(request, write=True)
            task.note("examination", "boot device set and taken back")
    else:
        findings, variables = _examine(request, write=False)
    recorded = _record(request) if request.params["record"] and not request.check_mode else False
    return {
        **state_of(request.store.get(request.node.name)),
        "changed": recorded,
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "variables": variables,
        "table": table_of(findings, variables),
    }


def table_of(findings: t.Iterable[Finding], variables: t.Mapping[str, t.Any]) -> list[str]:
    """Return the lines of a table, and the variables to set as lines of an inventory."""
    rows = [("WHAT", "VERDICT", "SEEN"), *((found.what, found.verdict, found.seen) for found in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{row[0].ljust(widths[0])}  {row[1].ljust(widths[1])}  {row[2]}" for row in rows]
    advice = [f"{found.what}: {found.advice}" for found in findings if found.advice]
    wanted = [f"{name}: {json.dumps(value)}" for name, value in variables.items()]
    return [*lines, *(["", "ADVICE", *advice] if advice else []), *(["", "VARIABLES", *wanted] if wanted else [])]


def _examine(request: Request, *, write: bool) -> tuple[list[Finding], dict[str, t.Any]]:
    if request.driver.examine is None:
        raise UnsupportedOperationError(
            f"The driver '{request.node.driver}' knows no examination.", node=request.node.name, hint="Set bm_driver."
        )
    return request.driver.examine.examine(write=write, media_url=request.params["media_url"])


def _record(request: Request) -> bool:
    """Write the recording; say whether it is another one than was there."""
    path = Path(request.params["record"])
    if request.driver.examine is None:
        return False
    content = json.dumps(request.driver.examine.record(), indent=1, sort_keys=True) + "\n"
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            return False
        path.write_text(content, encoding="utf-8")
    except OSError as exc:
        raise InvalidRequestError(
            f"The recording can't be written: {exc}.", node=request.node.name, hint="Give record a file in a folder."
        ) from exc
    return True
