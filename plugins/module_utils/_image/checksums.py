"""What a file that is fetched must be: ``algorithm:hex``, given in the inventory or found in a SUMS file."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t
from urllib.parse import parse_qsl, unquote, urlsplit

from .._errors import BareMetalError, ImageError, InvalidRequestError
from .._inband.write.checksum import Checksum
from . import sums
from .fetch import fetch, get_location

_SUMS_LIMIT = 4 * 1024 * 1024


def resolve(given: str, *, url: str, variable: str, node: str, **trust: t.Any) -> str:
    """Return ``algorithm:hex`` of what is at ``url``.

    :param given: ``algorithm:hex``, digits alone, or the URL of a SUMS file.
    :param variable: the host variable that has ``url`` and ``checksum``, for messages.
    :param trust: ``ca_path`` and ``validate_certs``, for an https URL.
    :raises InvalidRequestError: it proves nothing, or has no such form.
    :raises ImageError: the SUMS file is away, does not name the file, or says two things of it.
    """
    given = given.strip()
    if given.startswith(("http://", "https://", "file://")):
        given = _from_sums(given, url, variable, node, trust)
    elif ":" not in given and len(given) in sums.OF_LENGTH:
        given = f"{sums.OF_LENGTH[len(given)]}:{given}"
    elif ":" not in given or "://" in given:
        raise InvalidRequestError(
            f"{variable}.checksum is neither algorithm:hex nor the http, https or file URL of a SUMS file alone.",
            node=node,
            hint="Write it as sha256:0123…, or as https://host/SHA256SUMS.",
        )
    try:
        return str(Checksum(given))
    except BareMetalError as exc:
        exc.node, exc.message = node, f"{variable}.checksum can't be used: {exc.message}"
        raise


def _from_sums(sums_url: str, url: str, variable: str, node: str, trust: dict[str, t.Any]) -> str:
    content = fetch(
        sums_url, limit=_SUMS_LIMIT, node=node, what="SUMS file", **(trust if sums_url.startswith("https") else {})
    )
    sums_name = unquote(urlsplit(sums_url).path).rpartition("/")[2]
    paths = list(_paths_in(url))
    try:
        for path in paths:
            found = sums.find(content, path, sums_name)
            if found:
                return found
        # A name that stays, such as latest.raw, may lead to a file that has another.
        location = paths[0]
        with contextlib.suppress(ImageError):  # whether the file is there is said elsewhere
            location = unquote(urlsplit(get_location(url, node=node, **trust)).path)
        found = None if location == paths[0] else sums.find(content, location, sums_name)
    except sums.AmbiguousError as exc:
        raise ImageError(
            f"{sums_url} has two checksums of {_name(paths[0])}.",
            node=node,
            hint=f"Give the right one as {variable}.checksum: sha256:<hex>.",
        ) from exc
    if found:
        return found
    raise ImageError(
        f"{sums_url} has no checksum of {_name(paths[0])}.",
        node=node,
        hint=f"Correct {variable}.checksum or {variable}.url; sha256 or better is wanted.",
    )


def _paths_in(url: str) -> t.Iterator[str]:
    """Yield the path of a URL, then what in its query looks like the name of a file."""
    parts = urlsplit(url)
    yield unquote(parts.path)
    for dummy, value in parse_qsl(parts.query):
        if "." in _name(value):
            yield value


def _name(path: str) -> str:
    return path.rpartition("/")[2]
