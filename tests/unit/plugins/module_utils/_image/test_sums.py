"""SUMS files as distributions publish them: by algorithm and by name, or not at all."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Image
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import (
    BareMetalError,
    ImageError,
    InvalidRequestError,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._image.image import resolve_checksum
from tests import web

NAME = "image-1.0+x.raw"
DIGEST = {name: hashlib.new(name, b"image").hexdigest() for name in ("sha256", "sha384", "sha512", "sha512_256", "md5")}
DIGEST |= {name: hashlib.new(name, b"image").hexdigest() for name in ("sha1", "blake2b", "sha3_256", "sha3_512")}
OTHER = hashlib.sha256(b"other").hexdigest()
HEX = DIGEST["sha256"]
SHA256 = f"sha256:{HEX}"

CLEAR_SIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

# {NAME}: 420000 bytes
SHA256 ({NAME}) = {HEX}
- -----BEGIN PGP SIGNED MESSAGE-----
# Other.raw: 5 bytes
SHA256 (Other.raw) = {OTHER}
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCAAdFiEE
-----END PGP SIGNATURE-----
"""
ALL_HEADINGS = "".join(
    f"# {title} HASH\n{DIGEST[name]}  {NAME}\n"
    for title, name in (("MD5", "md5"), ("BLAKE2B", "blake2b"), ("SHA1", "sha1"), ("SHA512", "sha512"))
)

# what it is, the SUMS file, what is found in it; its name where that matters
FORMS: list[tuple[str, str | bytes, str, str]] = [
    ("text", f"{OTHER}  other.raw\n{HEX}  {NAME}\n", SHA256, ""),
    ("binary", f"{HEX} *{NAME}\n", SHA256, ""),
    ("one space", f"{HEX} {NAME}\n", SHA256, ""),
    ("tab", f"{HEX}\t{NAME}\n", SHA256, ""),
    ("many spaces", f"{HEX}      {NAME}\n", SHA256, ""),
    ("CRLF", f"{OTHER}  other.raw\r\n{HEX}  {NAME}\r\n", SHA256, ""),
    ("upper case", f"{HEX.upper()}  {NAME}\n", SHA256, ""),
    ("BOM", b"\xef\xbb\xbf" + f"{HEX}  {NAME}\r\n".encode(), SHA256, ""),
    ("path", f"{HEX}  ./{NAME}\n", SHA256, ""),
    ("no newline", f"{HEX}  {NAME}", SHA256, ""),
    ("comments", f"# {NAME}: 5 bytes\n; sums\n\n{HEX}  {NAME}\n", SHA256, ""),
    ("alone", HEX, SHA256, ""),
    ("alone, sha512", f"{DIGEST['sha512']}\n", f"sha512:{DIGEST['sha512']}", ""),
    ("alone, of another algorithm", f"{DIGEST['blake2b']}\n", f"blake2b:{DIGEST['blake2b']}", "image.raw.b2sum"),
    ("BSD", f"SHA256 (other.raw) = {OTHER}\nSHA256 ({NAME}) = {HEX}\n", SHA256, ""),
    ("openssl", f"SHA2-256({NAME})= {HEX}\n", SHA256, ""),
    ("--tag, SHA-512/256", f"SHA512/256 ({NAME}) = {DIGEST['sha512_256']}\n", f"sha512_256:{DIGEST['sha512_256']}", ""),
    ("--tag, SHA-3", f"SHA3-256 ({NAME}) = {DIGEST['sha3_256']}\n", f"sha3_256:{DIGEST['sha3_256']}", ""),
    ("--tag, BLAKE2", f"BLAKE2b ({NAME}) = {DIGEST['blake2b']}\n", f"blake2b:{DIGEST['blake2b']}", ""),
    ("signed", CLEAR_SIGNED, SHA256, ""),
    ("before a signature", f"{OTHER}  {NAME}\n{CLEAR_SIGNED}", SHA256, ""),
    ("several", "".join(f"{name} ({NAME}) = {DIGEST[name]}\n" for name in ("md5", "sha256", "sha1")), SHA256, ""),
    ("headings", ALL_HEADINGS, f"sha512:{DIGEST['sha512']}", ""),
    ("headings, SHA-512 first", f"# SHA512 HASH\n{DIGEST['sha512']}  {NAME}\n# WHIRLPOOL HASH\n{'0' * 128}  {NAME}\n",
     f"sha512:{DIGEST['sha512']}", ""),
    ("B2SUMS", f"{DIGEST['blake2b']}  {NAME}\n", f"blake2b:{DIGEST['blake2b']}", "B2SUMS"),
    ("SHA3-512SUMS", f"{DIGEST['sha3_512']}  {NAME}\n", f"sha3_512:{DIGEST['sha3_512']}", "SHA3-512SUMS"),
    ("twice the same", f"{HEX}  {NAME}\n{HEX}  ./{NAME}\n", SHA256, ""),
    ("same name elsewhere", f"{OTHER}  arm64/{NAME}\n{HEX}  amd64/{NAME}\n", SHA256, ""),
]  # fmt: skip


def resolve(folder: Path, content: str | bytes, name: str = "", path: str = f"amd64/{NAME}") -> str:
    sums = folder / (name or "SUMS")
    sums.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "amd64").mkdir(exist_ok=True)
    (folder / "amd64" / NAME).touch()
    return resolve_checksum(Image(f"file://{folder}/{path}", checksum=f"file://{sums}"), "node01")


@pytest.mark.parametrize(("what", "content", "expected", "name"), FORMS, ids=[form[0] for form in FORMS])
def test_found(what: str, content: str | bytes, expected: str, name: str, tmp_path: Path) -> None:
    assert resolve(tmp_path, content, name) == expected


def test_the_file_of_gnu_with_escapes(tmp_path: Path) -> None:
    (tmp_path / "a\\b.raw").touch()
    image = Image(f"file://{tmp_path}/a%5Cb.raw", checksum=f"file://{tmp_path}/SUMS")
    (tmp_path / "SUMS").write_text(f"\\{HEX}  a\\\\b.raw\n")
    assert resolve_checksum(image, "node01") == SHA256


NOT_FOUND: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "has no checksum of"),
    ("another's", f"{HEX}  other.raw\n", "has no checksum of"),
    ("alone, with another's name", f"{HEX}  x{NAME}", "has no checksum of"),
    ("longer name", f"{HEX}  {NAME}.sig\n", "has no checksum of"),
    ("MD5 alone", f"{DIGEST['md5']}  {NAME}\n", "has no checksum of"),
    ("of 128 digits, and no SHA-512", f"# WHIRLPOOL HASH\n{'0' * 128}  {NAME}\n", "has no checksum of"),
    ("wrong length", f"SHA512 ({NAME}) = {HEX}\n", "has no checksum of"),
    ("a digit short", f"{HEX[:-1]}  {NAME}\n", "has no checksum of"),
    ("HTML", f"<html><a href='{NAME}'>{HEX}  {NAME}</a></html>", "has no checksum of"),
    ("UTF-16", f"{HEX}  {NAME}\n".encode("utf-16"), "has no checksum of"),
    ("NUL", f"{HEX}  {NAME}\0\n", "has no checksum of"),
    ("behind the signed part", CLEAR_SIGNED.replace(NAME, "x") + f"{HEX}  {NAME}\n", "has no checksum of"),
    ("two things", f"{HEX}  {NAME}\n{OTHER}  {NAME}\n", "has two checksums of"),
    ("two things in two forms", f"{HEX}  {NAME}\nSHA256 ({NAME}) = {OTHER}\n", "has two checksums of"),
    ("too large", "#" * (4 * 1024 * 1024 + 1), "is larger than"),
]


@pytest.mark.parametrize(("what", "content", "message"), NOT_FOUND, ids=[form[0] for form in NOT_FOUND])
def test_not_found(what: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        resolve(tmp_path, content)
    assert caught.value.node == "node01"
    assert caught.value.hint


GIVEN: list[tuple[str, str | None]] = [
    (f"SHA-256:{HEX.upper()}", SHA256),
    (HEX, SHA256),
    (f" {SHA256}\n", SHA256),
    (f"sha512/256:{DIGEST['sha512_256']}", f"sha512_256:{DIGEST['sha512_256']}"),
    *((f"{name}:{'0' * digits}", None) for name, digits in (("md5", 32), ("sha1", 40), ("shake_256", 64))),
    *((text, None) for text in ("sha256:", f"sha256:{HEX[1:]}", f"sha256:{HEX}0", "none:ab", HEX[2:], f"sm3:{HEX}")),
    (f"md5-sha1:{'0' * 72}", None),
    (f"sha256:http://127.0.0.1/{HEX}", None),
    ("ftp://127.0.0.1/SUMS", None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), GIVEN)
def test_given(given: str, expected: str | None) -> None:
    image = Image("http://127.0.0.1:9/x", checksum=given)
    if expected:
        assert resolve_checksum(image, "node01") == expected
        return
    with pytest.raises(InvalidRequestError, match=r"bm_image\.checksum") as caught:
        resolve_checksum(image, "node01")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "sums"),
    [
        ("download?file=image.raw&x=1", f"{OTHER}  other.raw\n{HEX}  image.raw\n"),
        ("latest.raw", f"{OTHER}  other.raw\n{HEX}  image.raw\n"),
        ("latest.raw", f"{HEX}  latest.raw\n{OTHER}  image.raw\n"),
    ],
)
def test_the_name_is_the_url_s_or_its_query_s_or_that_of_where_it_leads(url: str, sums: str) -> None:
    with web.serve() as site:
        site.answers = {
            "/download": b"image",
            "/latest.raw": web.redirect("/image.raw?sig=MARKER"),
            "/image.raw": b"image",
            "/SUMS": sums.encode(),
        }
        image = Image(f"{site.url}/{url}", checksum=f"{site.url}/SUMS")
        assert resolve_checksum(image, "node01") == SHA256


def test_nothing_of_a_query_is_told() -> None:
    with web.serve() as site:
        site.answers = {"/SUMS": b""}
        url = f"{site.url}/SUMS?sig=MARKER".replace("http://", "http://user:MARKER@")
        with pytest.raises(BareMetalError) as caught:
            resolve_checksum(Image(url, checksum=url), "node01")
    assert "MARKER" not in str(caught.value.to_result())
