"""Patterns of values in the contract, and how they are said in words where a pattern says little."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

_PLACE = (  # of an http URL: a password is percent-encoded, or what follows it would be taken for the host
    "https?://(([^\\s/?#@%\"'<>]|%[0-9A-Fa-f]{2})*@)?(\\[[0-9A-Fa-f:.]+\\]|[^\\s/?#@:\\[\\]]+)(:[0-9]{1,5})?"
    '(/[^\\s?#"<>]*(\\?[^\\s#"<>]*)?(#\\S*)?)?'
)
_ENCODED = "with @ : / ? # % of a password written as %40 %3A %2F %3F %23 %25"
HTTP_URL = {
    "pattern": f"^({_PLACE}|file://(localhost)?/[^\\n]+)(?!\\n)$",
    "patternErrorMessage": f"an http, https or file URL, {_ENCODED}",
}
CHECKSUM = {
    "pattern": f"^({_PLACE}|file://(localhost)?/[^\\n]+|([A-Za-z0-9_-]+:)?[0-9A-Fa-f]+)(?!\\n)$",
    "patternErrorMessage": "algorithm:hex, such as sha256:0123…, or the http, https or file URL of a SUMS file alone, "
    f"{_ENCODED}",
}
MAC = {"pattern": "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?!\\n)$"}
SHA256 = "^sha256:[0-9a-fA-F]{64}$"
BOOT_URL = "^http://[A-Za-z0-9_.~:/%+@\\[\\]-]+(?!\\n)$"
PREFIX = "^[0-9.]+/[0-9]{1,2}(?!\\n)$"
ADDRESS = "^[0-9A-Fa-f.:]+(?!\\n)$"
BMC_ADDRESS = {
    "pattern": "^([^@]*|fake:.*)(?!\\n)$",
    "patternErrorMessage": "a URL or host name without user and password, which are bm_bmc.username and password",
}
KG_KEY = "^([0-9A-Fa-f]{2}){1,20}(?!\\n)$"
