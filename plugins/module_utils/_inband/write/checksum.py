"""The declared checksum of an image, and the digest that is compared with it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import hmac
import typing as t

from ..._errors import ImageError, InvalidRequestError

_BROKEN = ("md5", "sha1")  # collisions can be made: they prove nothing about where an image comes from
_EXAMPLE = "Write it as sha256:0123…, with the output of sha256sum on the file as it is downloaded."


class Checksum:
    """A declared checksum; feed it all bytes as they are fetched, then compare."""

    def __init__(self, declared: str) -> None:
        """Parse ``algorithm:hex``.

        :raises InvalidRequestError: no such form, unknown or broken algorithm, or wrong length.
        """
        algorithm, dummy, expected = declared.strip().lower().partition(":")
        if algorithm in _BROKEN:
            raise InvalidRequestError(f"The checksum algorithm {algorithm} is broken.", hint="Use sha256 or sha512.")
        if algorithm not in hashlib.algorithms_available or algorithm.startswith("shake"):
            raise InvalidRequestError(f"The checksum {declared!r} names no known algorithm.", hint=_EXAMPLE)
        self._digest = hashlib.new(algorithm)
        digits = self._digest.digest_size * 2
        if len(expected) != digits or set(expected) - set("0123456789abcdef"):
            raise InvalidRequestError(
                f"The checksum {declared!r} does not have the {digits} hexadecimal digits of {algorithm}.",
                hint=_EXAMPLE,
            )
        self._algorithm = algorithm
        self._expected = expected

    def __str__(self) -> str:
        return f"{self._algorithm}:{self._expected}"

    def tee(self, chunks: t.Iterable[bytes]) -> t.Generator[bytes, None, None]:
        """Pass the chunks on and count them in."""
        for chunk in chunks:
            self._digest.update(chunk)
            yield chunk

    def check(self, name: str) -> None:
        """Compare, when all bytes went through.

        :raises ImageError: another image than the declared one.
        """
        found = self._digest.hexdigest()
        if not hmac.compare_digest(found, self._expected):
            raise ImageError(
                f"The image {name} has checksum {self._algorithm}:{found}, declared is {self}.",
                hint="If the image was published anew, put its new checksum in the inventory; if not, don't trust it.",
            )
