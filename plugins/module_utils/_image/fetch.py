"""Small fetches by the controller, over HTTP, HTTPS or from a file: bounded in size and time."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import ssl
import typing as t
import urllib.error
import urllib.request

from .._errors import ImageError

TIMEOUT = 30
"""Seconds without an answer."""


def _context(ca_path: str | None, validate_certs: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_path)
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def open_url(
    url: str,
    *,
    node: str,
    headers: t.Mapping[str, str] | None = None,
    ca_path: str | None = None,
    validate_certs: bool = True,
) -> t.Any:
    """Open a URL for reading.

    :raises ImageError: naming the URL and the cause; retryable where the server is away.
    """
    try:
        request = urllib.request.Request(url, headers=dict(headers or {}))
        https = urllib.request.HTTPSHandler(context=_context(ca_path, validate_certs))
        return urllib.request.build_opener(https).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as exc:
        hint = "Correct the URL, or put the file there." if exc.code == 404 else "Look at the server's log."
        raise ImageError(
            f"{url} answers {exc.code} {exc.reason}.", node=node, hint=hint, retryable=exc.code >= 500
        ) from exc
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as exc:
        reason = getattr(exc, "reason", exc)
        raise ImageError(
            f"{url} can't be fetched: {reason}.",
            node=node,
            hint="Check the URL, its server and, for https, its certificate.",
            retryable=True,
        ) from exc


def fetch(url: str, *, limit: int, node: str, **options: t.Any) -> bytes:
    """Return what is at a URL.

    :param limit: bytes; more is an error.
    :raises ImageError: it can't be fetched, or is too large.
    """
    with open_url(url, node=node, **options) as response:
        try:
            content: bytes = response.read(limit + 1)
        except (OSError, http.client.HTTPException) as exc:
            raise ImageError(f"{url} broke off: {exc}.", node=node, hint="Try again.", retryable=True) from exc
    if len(content) > limit:
        raise ImageError(f"{url} is larger than {limit} bytes.", node=node, hint="Is that the right URL?")
    return content
