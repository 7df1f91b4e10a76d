"""What a URL keeps when it is shown: never a user, a password, a query or a fragment."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import ImageError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._url import mask, shown

URLS = [
    ("http://host/image.raw", "http://host/image.raw"),
    ("https://user:MARKER@host/image.raw", "https://host/image.raw"),
    ("https://MARKER@host/image.raw", "https://host/image.raw"),
    ("https://user@corp:MARKER@host:8443/image.raw", "https://host:8443/image.raw"),
    ("https://user:MAR/KER@host/image.raw", "https://host/image.raw"),
    ("https://user:MAR?KER#MARKER@host/image.raw", "https://host/image.raw"),
    ("https://user:MAR'KER@host/image.raw", "https://host/image.raw"),
    ("http://host/image.raw?sig=MARKER&se=1", "http://host/image.raw"),
    ("http://host/image.raw#MARKER", "http://host/image.raw"),
    ("http://host?token=MARKER", "http://host"),
    ("http://host:8080/a@b/image.raw?x=MARKER@c", "http://host:8080/a@b/image.raw"),
    ("http://[2001:db8::1]:80/image.raw?MARKER", "http://[2001:db8::1]:80/image.raw"),
    ("postgresql+psycopg://user:MARKER@host/name", "postgresql+psycopg://host/name"),
    ("file:///srv/image.raw", "file:///srv/image.raw"),
]


@pytest.mark.parametrize(("url", "expected"), URLS)
@pytest.mark.parametrize(
    "text", ["{}", "The image {} is truncated.", "see {}.", "'{}' can't", '{{"url": "{}", "b": 1}}', "({}), {}"]
)
def test_a_text_keeps_all_but_the_secrets(url: str, expected: str, text: str) -> None:
    assert mask(text.format(url, url)) == text.format(expected, expected)
    assert shown(url) == expected


def test_every_error_is_masked_whoever_raises_it() -> None:
    error = ImageError("http://u:MARKER@host/x?MARKER is away.", hint="Look at http://host/y?MARKER.")
    error.message += " Also https://u:MARKER@host/z."
    assert "MARKER" not in str(error)
    result = error.to_result()
    assert "MARKER" not in str(result)
    assert result["msg"].startswith("http://host/x is away. Also https://host/z. Look at http://host/y.")


@pytest.mark.parametrize(
    "url", ['http://u:MAR"KER@h/i', "http://h/i?a='b'&sig=MARKER", "http://u:MAR'KER@h/i?x='MARKER'"]
)
def test_quotes_in_a_url_hide_nothing_from_the_filter(url: str) -> None:
    assert shown(url) == "http://h/i"


@pytest.mark.parametrize(
    "text", ["x://h?" + ").:" * 20_000 + "a", "x://b:c" * 9_000, "x://" * 16_000, "x://a@" * 10_000]
)
def test_hostile_text_is_masked_in_a_moment(text: str) -> None:
    """It took minutes: the time of a text twice as long is not four times that."""

    def seconds(of: str) -> float:
        started = time.process_time()
        mask(of)
        return time.process_time() - started

    half = min(seconds(text[: len(text) // 2]) for dummy in range(3))
    assert min(seconds(text) for dummy in range(3)) < 3.2 * half + 0.05
