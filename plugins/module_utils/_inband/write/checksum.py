"""The declared checksum of an image, and the digest that is compared with it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import hmac
import re
import typing as t

from ..._errors import ImageError, InvalidRequestError

#: The preferred ones first. Collisions of MD5 and SHA-1 can be made: they prove nothing.
ALGORITHMS = (
    *("sha512", "sha384", "sha256", "blake2b", "sha3_512", "sha3_384", "sha3_256"),
    *("blake2s", "sha512_256", "sha224", "sha3_224"),
)
_BROKEN = ("md5", "sha1")
_ALSO_CALLED = {"b2": "blake2b", "blake2b512": "blake2b", "blake2s256": "blake2s", "sha512256": "sha512_256"}
_EXAMPLE = "Write it as sha256:0123…, with the output of sha256sum on the file as it is downloaded."


def algorithm_called(name: str) -> str:
    """Return what hashlib calls an algorithm, such as SHA2-256, SHA512/256 or SHA3-512; empty for what is not taken."""
    plain = re.sub(r"[^a-z0-9]", "", re.sub(r"^sha2[-_/]", "sha", name.lower()))
    known = {algorithm.replace("_", ""): algorithm for algorithm in ALGORITHMS}
    return known.get(plain) or _ALSO_CALLED.get(plain, "")


def digits_of(algorithm: str) -> int:
    """Return how many hexadecimal digits a checksum has."""
    return hashlib.new(algorithm).digest_size * 2 if algorithm in hashlib.algorithms_available else 0


class Checksum:
    """A declared checksum; feed it all bytes as they are fetched, then compare."""

    def __init__(self, declared: str) -> None:
        """Parse ``algorithm:hex``.

        :raises InvalidRequestError: no such form, unknown or broken algorithm, or wrong length.
        """
        name, dummy, expected = declared.strip().lower().rpartition(":")
        if name in _BROKEN:
            raise InvalidRequestError(
                f"The checksum algorithm {name} is broken.", hint="Use sha256 or sha512; md5 and sha1 prove nothing."
            )
        algorithm = algorithm_called(name)
        if algorithm not in hashlib.algorithms_available:
            raise InvalidRequestError(f"The checksum {declared!r} names no known algorithm.", hint=_EXAMPLE)
        self._digest = hashlib.new(algorithm)
        digits = digits_of(algorithm)
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

    def check(self, name: str, what: str = "image") -> None:
        """Compare, when all bytes went through; ``what`` it is, in messages.

        :raises ImageError: another image than the declared one.
        """
        found = self._digest.hexdigest()
        if not hmac.compare_digest(found, self._expected):
            raise ImageError(
                f"The {what} {name} has checksum {self._algorithm}:{found}, declared is {self}.",
                hint=f"If the {what} was published anew, put its new checksum in the inventory; else don't trust it.",
            )
