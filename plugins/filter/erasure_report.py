"""Turns the evidence that bm_erase_devices returns into a report to print, sign and keep."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: erasure_report
short_description: A report of erased disks, with the fields of a certificate of sanitization
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Prints the evidence of M(baremetal.lifecycle.bm_erase_devices) with one block a disk and a summary at the end.
  - The fields are those that NIST SP 800-88 Rev. 1 asks for in section 4.8 and appendix G. What a machine can't know
    is left open, to be filled in by hand.
positional: _input, node
options:
  _input:
    description: RV(baremetal.lifecycle.bm_erase_devices#module:evidence) of one node.
    type: list
    elements: dict
    required: true
  node:
    description: Name of the node, the source of the media.
    type: str
    required: true
  controller:
    description: The machine that the erase was started from.
    type: str
  operator:
    description: Who started it.
    type: str
"""

EXAMPLES = r"""
- name: Keep the report
  ansible.builtin.copy:
    content: "{{ erased.evidence | baremetal.lifecycle.erasure_report(inventory_hostname, operator='Jane Doe') }}"
    dest: "/srv/evidence/{{ inventory_hostname }}.txt"
    mode: "0640"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The text, with line breaks.
  type: str
"""

Evidence = t.Mapping[str, t.Any]

_WIDTH = 27
_BLANK = "_" * 40
_CATEGORIES = {"clear": "Clear", "purge": "Purge", None: "none"}
_METHODS = {
    "metadata": "signatures and partition tables wiped; the data itself is not erased",
    "nvme_sanitize": "NVMe Sanitize",
    "nvme_format": "NVMe Format NVM",
    "ata_secure_erase": "ATA SECURITY ERASE UNIT",
    "blkdiscard": "discard, then zeroing by the device",
    "overwrite": "overwrite, one pass of zeroes",
}
_RESULTS = ("erased", "failed", "guarded", "read-only", "skipped")


def erasure_report(
    evidence: t.Sequence[Evidence], node: str, controller: str | None = None, operator: str | None = None
) -> str:
    """Return the report as text; see DOCUMENTATION."""
    lines = ["DISK ERASURE REPORT", "Terms of NIST SP 800-88 Rev. 1, Guidelines for Media Sanitization", ""]
    lines += [_line("Node (media source)", node), _line("Started from", controller), _line("Operator", operator)]
    for number, disk in enumerate(evidence, start=1):
        lines += ["", f"Disk {number} of {len(evidence)}: {disk['device']}", *_block(disk)]
    return "\n".join([*lines, "", _summarize(evidence), ""])


def _block(disk: Evidence) -> t.Iterator[str]:
    yield _line("Manufacturer", _get_manufacturer(disk))
    yield _line("Model", disk.get("model"))
    yield _line("Serial number", disk.get("serial"))
    yield _line("World wide name", disk.get("wwn"))
    yield _line("Location", disk.get("by_path"))
    yield _line("Media type", disk.get("media_type"))
    yield _line("Size", f"{disk['size_bytes']} bytes")
    yield _line("Result", disk["result"])
    if disk.get("reason"):
        yield _line("Reason", disk["reason"])
    yield _line("Sanitization description", _CATEGORIES[disk.get("sanitization")])
    yield _line("Method used", _describe_method(disk.get("method"), disk.get("variant")))
    yield _line("Tool used", f"bm_erase_devices, {disk['tool']}" if disk.get("tool") else None)
    yield _line("Verification method", _describe_verification(disk["verification"]))
    yield _line("Started", disk.get("started_at"))
    yield _line("Finished", disk.get("finished_at"))
    for attempt in disk["attempts"]:
        if attempt["error"]:
            yield _line("Failed attempt", f"{attempt['method']}: {attempt['error']}")
    if disk["result"] == "erased":
        yield _line("Performed by, name, title", _BLANK)
        yield _line("Verified by, name, title", _BLANK)
        yield _line("Date, place, signature", _BLANK)


def _line(label: str, value: t.Any) -> str:
    # A line break in what a disk says of itself must not begin a line of the report.
    return f"  {label + ':':<{_WIDTH}} {' '.join(str(value).split()) if value not in (None, '') else '-'}"


def _get_manufacturer(disk: Evidence) -> str | None:
    # SATA disks report their interface as vendor; then the model tells the manufacturer.
    return None if disk.get("vendor") == "ATA" else disk.get("vendor")


def _describe_method(method: str | None, variant: str | None) -> str | None:
    if method is None:
        return None
    return f"{_METHODS[method]}, {variant}" if variant else _METHODS[method]


def _describe_verification(verification: Evidence) -> str | None:
    if verification["result"] == "no signature":
        return "search for signatures: none left"
    if verification["result"] is None:
        return None
    return f"sampling, {verification['samples']} blocks, {verification['bytes']} bytes: {verification['result']}"


def _summarize(evidence: t.Sequence[Evidence]) -> str:
    results = [disk["result"] for disk in evidence]
    counts = [f"{results.count(result)} {result}" for result in _RESULTS if result in results]
    reached = [disk.get("sanitization") for disk in evidence if disk["result"] == "erased"]
    kinds = [f"{reached.count(kind)} {name}" for kind, name in _CATEGORIES.items() if kind in reached]
    total = f"Summary: {len(evidence)} disk{'' if len(evidence) == 1 else 's'}"
    return f"{total}: {', '.join(counts) or 'nothing erased'}{'; sanitization: ' + ', '.join(kinds) if kinds else ''}."


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"erasure_report": erasure_report}
