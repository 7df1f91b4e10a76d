"""What a service has answered, as a tree that can be given away: serials, addresses, names and secrets are replaced.

The same value is replaced by the same value, wherever it stands, so that links still lead somewhere.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import re
import typing as t

from ..._contract.node import BMC
from .known import Document

DROPPED = frozenset({"Oem", "Description", "Location", "Identifiers", "DateTimeLocalOffset"})
"""Properties that no driver reads, and that say much of whose machine it is."""

TELLING: dict[str, str] = {
    "SerialNumber": "SERIAL",
    "SKU": "TAG",
    "AssetTag": "ASSET",
    "HostName": "host",
    "FQDN": "host",
    "HostedServices": "host",
    "UserName": "user",
    "Password": "secret",
    "UUID": "uuid",
    "ServiceTag": "TAG",
    "ImageName": "image",
    "Image": "image",
}
"""Properties that tell whose machine it is, and what stands for their values."""

PATTERNS: dict[str, str] = {
    r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b": "uuid",
    r"(?i)\b(?:[0-9a-f]{2}[:-]){5,7}[0-9a-f]{2}\b": "mac",
    r"\b(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}\b(?!\.)": "address",
    r"(?i)(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])": "address6",
}
"""What tells it wherever it stands. A firmware version may look like an address, and is left: see ``KEPT``."""

KEPT = ("FirmwareVersion", "BiosVersion", "Version", "RedfishVersion", "SoftwareId", "@odata.type", "@odata.etag")

STANDS = {
    "uuid": "00000000-0000-4000-8000-{:012d}",
    "mac": "52:54:00:00:{:02x}:{:02x}",
    "address": "192.0.2.{}",
    "address6": "2001:db8::{:x}",
}


CLOCK = 300.0
"""Seconds by which a clock may differ that counts as right."""


class _Names:
    """What stands for what."""

    def __init__(self) -> None:
        self.instead: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def add(self, value: str, kind: str) -> None:
        if value.strip() and value not in self.instead:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            shape = STANDS.get(kind, f"{kind}{{:04d}}")
            parts = (number >> 8 & 255, number & 255) if kind == "mac" else (number,)
            self.instead[value] = shape.format(*parts)


def anonymous(documents: t.Mapping[str, Document], bmc: BMC) -> dict[str, Document]:
    """Return documents by path, with what tells whose machine it is replaced."""
    names = _Names()
    for secret, kind in ((bmc.username, "user"), (bmc.password, "secret")):
        if secret and len(secret) > 2:
            names.add(secret, kind)
    trimmed = {path: _trim(document) for path, document in sorted(documents.items())}
    for document in trimmed.values():
        _collect(document, names)
    instead = {json.dumps(value)[1:-1]: stand for value, stand in names.instead.items()}
    longest_first = "|".join(re.escape(value) for value in sorted(instead, key=len, reverse=True))
    text = json.dumps(trimmed)
    if instead:  # in one go: what stands for one value may be another one's
        text = re.sub(longest_first, lambda found: instead[found[0]], text)
    return t.cast("dict[str, Document]", json.loads(text))


def _trim(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        trimmed = {key: _trim(item) for key, item in value.items() if key not in DROPPED}
        return {**trimmed, **({"DateTime": _moment(str(value["DateTime"]))} if value.get("DateTime") else {})}
    return [_trim(item) for item in value] if isinstance(value, list) else value


def _is_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _moment(told: str) -> str:
    """Return what a clock tells that is right as "now": it is played later."""
    with contextlib.suppress(ValueError, TypeError):
        moment = datetime.datetime.fromisoformat(told.replace("Z", "+00:00"))
        now = datetime.datetime.now(moment.tzinfo)
        return "now" if abs((now - moment).total_seconds()) < CLOCK else told
    return told


def _collect(value: t.Any, names: _Names, key: str = "") -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _collect(item, names, name)
    elif isinstance(value, list):
        for item in value:
            _collect(item, names, key)
    elif isinstance(value, str) and key not in KEPT:
        for pattern, kind in PATTERNS.items():
            for found in re.findall(pattern, value):
                if kind != "address6" or _is_address(found):
                    names.add(found, kind)
        if key in TELLING and value not in names.instead and len(value) > 2:
            names.add(value, TELLING[key])
