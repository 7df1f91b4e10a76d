"""Fetches by the controller, over HTTP, HTTPS or from a file, by the rules of those in the ramdisk; bounded in all."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t

from .._errors import BareMetalError, ImageError
from .._inband.write.source import Source, SourceOptions, open_source

_TIMEOUT = 30
"""Seconds without a byte."""
_SECONDS = 120
"""Limit for the whole of a small fetch."""
_RETRIES = 1


def fetch(url: str, *, limit: int, node: str, what: str, **trust: t.Any) -> bytes:
    """Return what is at a URL: all of it, or an error.

    :param limit: bytes; more is an error.
    :param what: what it is, in messages.
    :param trust: ``ca_path`` and ``validate_certs``.
    :raises ImageError: it can't be fetched whole, comes too slowly, or is too large.
    """
    content = bytearray()
    for piece in stream(url, node=node, what=what, deadline=_SECONDS, **trust):
        content += piece
        if len(content) > limit:
            raise ImageError(
                f"The {what} {url} is larger than {limit} bytes.", node=node, hint="Is that the right URL?"
            )
    return bytes(content)


def fetch_beginning(url: str, *, size: int, node: str, **trust: t.Any) -> bytes:
    """Return the first ``size`` bytes of an image, or all of a smaller one.

    :raises ImageError: it can't be fetched, or comes too slowly.
    """
    content = bytearray()
    with contextlib.closing(stream(url, node=node, deadline=_SECONDS, first=size, **trust)) as pieces:
        for piece in pieces:
            content += piece
            if len(content) >= size:
                break
    return bytes(content[:size])


def get_location(url: str, *, node: str, **trust: t.Any) -> str:
    """Return the URL that a URL leads to by redirects: itself as a rule.

    :raises ImageError: it can't be fetched.
    """
    source = _open(url, deadline=_SECONDS, first=1, **trust)
    with _naming(node), contextlib.closing(source.chunks()) as pieces:
        next(pieces, b"")
    return source.location


def stream(url: str, *, node: str, **options: t.Any) -> t.Generator[bytes, None, None]:
    """Yield what is at a URL.

    :param options: as ``SourceOptions``.
    :raises ImageError: naming the node, the URL and the cause; retryable where the server is away or slow.
    """
    with _naming(node):
        yield from _open(url, **options).chunks()


def _open(url: str, **options: t.Any) -> Source:
    return open_source(url, SourceOptions(timeout=_TIMEOUT, retries=_RETRIES, **options))


@contextlib.contextmanager
def _naming(node: str) -> t.Iterator[None]:
    try:
        yield
    except BareMetalError as exc:
        exc.node = exc.node or node
        raise
