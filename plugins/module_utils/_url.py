"""URLs as they may be shown and stored: without user name, password, query and fragment. Pure; also in the ramdisk.

A query may hold a signature or a token, and where a password ends is told by ``@`` alone. Every error passes ``mask``,
and so does whatever the store keeps in words.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

_SECRETS = re.compile(
    r"""(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)
    (?: [^\s/?\#"]*@                                # user and password, as RFC 3986 has them
      | [^\s/?\#@":\[]*:(?![0-9]*[/?\#])[^\s"]{0,300}@    # a password with / ? or # in it, which no port has
    )?
    (?P<place>[^\s?\#"'<>]*)
    (?P<rest>[?\#][^\s"<>]*)?""",
    re.VERBOSE,
)
_AROUND = ".,;:)]}'"
"""What stands behind a URL in a sentence."""


def mask(text: str) -> str:
    """Return a text with all URLs in it as they may be shown."""
    return _SECRETS.sub(_without, text) if "://" in text else text


def _without(found: re.Match[str]) -> str:
    rest = found["rest"] or ""
    return found["scheme"] + found["place"] + rest[len(rest.rstrip(_AROUND)) :]


def shown(url: str) -> str:
    """Return a URL as it may be shown: ``http://user:secret@host/image.raw?sig=…`` is ``http://host/image.raw``."""
    scheme, mark, rest = _SECRETS.sub(r"\g<scheme>\g<place>", url).partition("://")
    place, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    return scheme + mark + place.rpartition("@")[2] + slash + path
