"""Reads Bifrost's files, JSON, what YAML was parsed to, and the legacy CSV, into rows of one shape.

The format: Bifrost's "How-To", section "Inventory file format"; for CSV its Train release, section "Legacy CSV file
format".
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import io
import json
import typing as t

from .._errors import InvalidRequestError
from .fields import Row, is_name, prefix_of

_COLUMNS = {
    "nics[0].mac": "column 1 (MAC address)",
    "username": "column 2 (management username)",
    "password": "column 3 (management password)",
    "address": "column 4 (management address)",
    "properties.cpus": "column 5 (CPU count)",
    "properties.ram": "column 6 (memory in MB)",
    "properties.disk_size": "column 7 (disk in GB)",
    "name": "column 11 (node name)",
    "ipv4_address": "column 12 (IP address)",
    "driver_info.ipmi_bridging": "columns 13 to 16 (bridging)",
    "driver": "column 17 (driver)",
    "provisioning_ipv4_address": "column 18 (provisioning IP address)",
}
_FEWEST, _MOST = 11, 18


def rows_of_csv(text: str) -> list[Row]:
    """Return the rows of the legacy format, which has no header; empty lines count for nothing.

    :raises InvalidRequestError: this is no CSV.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [_csv_row(reader.line_num, cells) for cells in reader if cells]
    except csv.Error:
        raise InvalidRequestError(
            f"It is no valid CSV at row {reader.line_num} or above.", hint="Correct the quotes there."
        ) from None


def _csv_row(number: int, cells: list[str]) -> Row:
    row = Row(f"row {number}", {})
    if not _FEWEST <= len(cells) <= _MOST:
        row.problems.append(
            f"has {len(cells)} columns instead of {_FEWEST} to {_MOST}. Put values with a comma in double quotes."
        )
        return row
    cells = [*cells, *[""] * (_MOST - len(cells))]
    driver = cells[16] or "ipmi"
    prefix = prefix_of(driver) or "ipmi"
    info = {f"{prefix}_{key}": cells[i] for i, key in ((1, "username"), (2, "password"), (3, "address"))}
    bridging = {"ipmi_bridging": "used" if any(cells[12:16]) else ""}
    row.label += f" ({cells[10]})" if is_name(cells[10]) else ""
    row.columns = {f"driver_info.{prefix}_{key}": label for key, label in _COLUMNS.items()} | _COLUMNS
    row.values = {
        "name": cells[10],
        "uuid": cells[9],
        "driver": driver,
        "driver_info": info | bridging,
        "nics": [{"mac": cells[0]}],
        "properties": {"cpus": cells[4], "ram": cells[5], "disk_size": cells[6], "cpu_arch": "x86_64"},
        "ipv4_address": cells[11],
        "provisioning_ipv4_address": cells[17],
    }
    return row


def rows_of_json(text: str) -> list[Row]:
    """Return the rows of a JSON file.

    :raises InvalidRequestError: this is no JSON, or no mapping.
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
        found: dict[str, t.Any] = {}
        for key, value in pairs:
            if key in found:
                repeated.append(f"{key} is there twice in one mapping")
            found[key] = value
        return found

    try:
        document = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as exc:  # its message may quote the file, and so a password
        raise not_valid("JSON", exc.lineno, exc.colno) from None
    return rows_of_document(document, repeated)


def not_valid(language: str, line: int, column: int) -> InvalidRequestError:
    """Return the error for a file that can't be parsed; places count from 1."""
    return InvalidRequestError(
        f"It is no valid {language} at line {line}, column {column}.",
        hint="Correct it there; a string with special characters stands in quotes.",
    )


def rows_of_document(document: t.Any, repeated: t.Sequence[str] = ()) -> list[Row]:
    """Return the rows of a parsed JSON or YAML file, a mapping of names to nodes.

    :param repeated: which keys are there twice, what a parsed file doesn't show any more.
    :raises InvalidRequestError: this is no mapping.
    """
    if not isinstance(document, dict):
        raise InvalidRequestError("It is no mapping.", hint="Write each node's fields below its name.")
    rows = [Row("key", {}, [f"{what}. Remove or rename one of them." for what in repeated])] if repeated else []
    for name, values in document.items():
        if isinstance(values, dict):
            rows.append(Row(str(name), {"name": name, **values}))
        else:
            rows.append(Row(str(name), {}, ["is no mapping. Write the node's fields below its name."]))
    return rows
