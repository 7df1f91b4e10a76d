"""Reads the fields of one row of a Bifrost file; what is wrong is noted with its place, never with its value."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
from urllib.parse import urlsplit

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~-]*")
_TAKEN_NAMES = ("all", "ungrouped", "localhost")

_PREFIXES = {
    "ipmi": "ipmi",
    "ipmitool": "ipmi",
    "redfish": "redfish",
    "idrac": "drac",
    "drac": "drac",
    "ilo": "ilo",
    "ilo5": "ilo",
    "irmc": "irmc",
}
"""How the keys of driver_info begin, by the last word of Ironic's driver: once it was agent_ipmitool, pxe_drac."""

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclasses.dataclass
class Row:
    """One node as a file has it.

    :param label: how messages call it: its row number or its key.
    :param values: its fields, as Bifrost's JSON has them.
    :param problems: what is wrong with it.
    :param columns: how messages call a field, where that is not its path.
    """

    label: str
    values: dict[str, t.Any]
    problems: list[str] = dataclasses.field(default_factory=list)
    columns: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def fields(self) -> Fields:
        """Return the reader of its fields."""
        return Fields(self, self.values)


class Fields:
    """The fields of one mapping in a row.

    Each method returns None, or what is empty, for a field that is not there or is wrong. A value is never in
    a message: where a row is out of step, a password stands in any field.
    """

    def __init__(self, row: Row, values: dict[str, t.Any], path: str = "") -> None:
        self.values = values
        self._row = row
        self._path = path

    def note(self, key: str, what: str) -> None:
        """Note what is wrong with a field, and the remedy."""
        path = f"{self._path}{key}"
        self._row.problems.append(f"{self._row.columns.get(path, path)} {what}")

    def text(self, key: str, *, missing: str = "") -> str | None:
        """Return a string; ``missing`` is the remedy where a field must be there."""
        value = self.values.get(key)
        if value is None or value == "":
            if missing:
                self.note(key, f"is missing. {missing}")
            return None
        if not isinstance(value, str):
            self.note(key, "is no string. Put it in quotes.")
            return None
        return value

    def whole(self, key: str, low: int = 0, high: int = 2**53) -> int | None:
        """Return a whole number, which may be written as a string."""
        value = self.values.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            limits = f"from {low} to {high}" if high < 2**53 else f"of at least {low}"
            self.note(key, f"is no whole number {limits}. Correct it.")
            return None
        return value

    def flag(self, key: str) -> bool | None:
        """Return a boolean, which may be written as a string."""
        value = self.values.get(key)
        if value is None or value == "":
            return None
        flag = _FLAGS.get(str(value).lower())
        if flag is None:
            self.note(key, "is neither true nor false. Correct it.")
        return flag

    def choice(self, key: str, allowed: t.Sequence[str]) -> str | None:
        """Return one of the allowed strings, whatever its case; a number is as good as its digits."""
        value = self.values.get(key)
        if value is None or value == "":
            return None
        found = str(value).lower()
        if found not in allowed:
            self.note(key, f"is not one of {', '.join(allowed)}. Correct it.")
            return None
        return found

    def mapping(self, key: str) -> Fields:
        """Return the reader of a mapping below this one."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            self.note(key, "is no mapping. Write it as {key: value}.")
        return self.below(key, value if isinstance(value, dict) else {})

    def below(self, key: str, values: dict[str, t.Any]) -> Fields:
        """Return the reader of a mapping that a field means."""
        return Fields(self._row, values, f"{self._path}{key}.")

    def mappings(self, key: str) -> list[Fields]:
        """Return the readers of a list of mappings."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.note(key, "is no list of mappings. Write it as [{key: value}].")
            return []
        return [Fields(self._row, item, f"{self._path}{key}[{i}].") for i, item in enumerate(value)]

    def texts(self, key: str) -> list[str]:
        """Return a list of strings; one string stands for a list of one."""
        value = self.values.get(key)
        if value is None or value == "":
            return []
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
            self.note(key, "is no list of strings. Write it as [first, second].")
            return []
        return items

    def mac(self, key: str) -> str | None:
        """Return a MAC address in small letters with colons."""
        value = self.text(key, missing="Write it as 52:54:00:12:34:56.")
        mac = (value or "").lower().replace("-", ":")
        if value and not _MAC.fullmatch(mac):
            self.note(key, "is no MAC address. Write it as 52:54:00:12:34:56.")
            return None
        return mac or None

    def ipv4(self, key: str) -> str | None:
        """Return an IPv4 address."""
        value = self.text(key)
        try:
            return str(ipaddress.IPv4Address(value)) if value else None
        except ValueError:
            self.note(key, "is no IPv4 address. Write one such as 192.0.2.11.")
            return None

    def host(self, key: str) -> str | None:
        """Return a BMC's host name or address, which must be there; IPv6 in brackets, as a URL wants it."""
        value = self.text(key, missing="Give the address of the node's BMC.")
        host = _bracketed(value or "")
        if value and not _is_host(host):
            self.note(key, "is no host name or IP address. Correct it.")
            return None
        return host or None

    def url(self, key: str) -> str | None:
        """Return the https or http URL of a BMC, which must be there; a host alone means https."""
        value = self.text(key, missing="Give the URL of the node's BMC, such as https://192.0.2.10.")
        if value is None:
            return None
        url = value if "://" in value else f"https://{_bracketed(value)}"
        try:
            parts = urlsplit(url)
            host, dummy_port = _bracketed(parts.hostname or ""), parts.port
        except ValueError:
            host, parts = "", urlsplit("")
        plain = not any(char.isspace() or char in "@?#" for char in url)
        if parts.scheme not in ("http", "https") or not plain or not _is_host(host):
            self.note(key, "is no URL of a BMC. Write one such as https://192.0.2.10, without account and password.")
            return None
        return url.rstrip("/")


def is_address(text: str) -> bool:
    """Return whether this is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_name(text: str) -> bool:
    """Return whether a host may be called so: without what patterns and paths are made of."""
    return bool(_NAME.fullmatch(text)) and text not in _TAKEN_NAMES


def prefix_of(driver: str) -> str | None:
    """Return how the keys of driver_info begin for a driver of Ironic's; None if it is none that we can replace."""
    return _PREFIXES.get(driver.rpartition("_")[2])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and is_address(host) else host


def _is_host(host: str) -> bool:
    """Return whether this is a host name or an IP address; four numbers that are no address are a typing error."""
    if host.startswith("[") or host.replace(".", "").isdigit():
        return is_address(host.strip("[]"))
    return bool(_HOST.fullmatch(host))
