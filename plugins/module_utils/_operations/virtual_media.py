"""bm_virtual_media: put media into the BMC's virtual CD drive, or take them out."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from .._calls.request import Request, Result
from .._contract.argspec import NODE_SPEC
from .._drivers.base import require_virtual_media
from .._errors import InvalidRequestError
from .._url import shown
from .._work.single_act import check_free, hold, result_of

INSERTED = "inserted"
EJECTED = "ejected"

ARGUMENT_SPEC = {
    **NODE_SPEC,
    "state": {"type": "str", "required": True, "choices": [INSERTED, EJECTED]},
    "url": {"type": "str"},
}


def run(request: Request) -> Result:
    """Insert or eject media; what else is in the drive is ejected first. Idempotent.

    :raises InvalidRequestError: there is no URL to insert.
    :raises NodeLockedError: another live run holds the node; nothing was asked of its BMC.
    :raises UnsupportedOperationError: the BMC has no virtual media.
    :raises BMCError: the BMC is away, refuses, or can't fetch it.
    """
    url = _url(request)
    check_free(request)
    drive = require_virtual_media(request.driver)
    media = drive.get_media()
    changed = (media and _without_account(media)) != (url and _without_account(url))
    before, after = media and shown(media), url and shown(url)
    if changed and not request.check_mode:
        words = f"inserted {_file_name(after)}" if after else f"ejected {_file_name(before or '')}"
        with hold(request, "virtual media") as task:
            started = time.monotonic()
            request.report(f"virtual media: to be {words}")
            if url:
                drive.insert_media(url)
            else:
                drive.eject_media()
            task.note("media", words, seconds=round(time.monotonic() - started, 3))
    return {
        **result_of(request, changed, {"media": before}, {"media": after}),
        "media": before if request.check_mode else after,
    }


def _url(request: Request) -> str | None:
    """Return what is to be in the drive, None for nothing."""
    if request.params["state"] == EJECTED:
        return None
    url = request.params.get("url")
    if not url:
        raise InvalidRequestError(
            "url is missing: nothing says what to insert.",
            node=request.node.name,
            hint="Give the URL of the media, one that the BMC can reach.",
        )
    return str(url)


def _without_account(url: str) -> str:
    """Return a URL without user name and password, which BMCs leave out of what they tell."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _file_name(url: str) -> str:
    """Return the last part of a URL: the rest may be what keeps others out, and is not for the history."""
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]
