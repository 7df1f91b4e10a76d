"""Finished config drives on the controller: whole, or an error that says so; never half of one."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import gzip
import hashlib
import random
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._image import config_drive
from tests import web

MIB = 1024 * 1024


@pytest.fixture
def build(fake_node: t.Any) -> t.Callable[..., bytes]:
    """Build the config drive of a node that has these parts of one."""

    def call(**drive: t.Any) -> bytes:
        built = config_drive.build(Node.from_params(fake_node.params(NODE_SPEC, config_drive=drive)))
        assert built is not None
        return built

    return call


@pytest.fixture
def iso(build: t.Any) -> bytes:
    """A config drive that can't be compressed well."""
    return bytes(build(meta_data={"hostname": "web1"}, user_data=random.Random(1).randbytes(100_000).hex()))


@pytest.fixture
def fat(tmp_path: Path) -> bytes:
    path = tmp_path / "fat"
    path.write_bytes(bytes(2 * MIB))
    subprocess.run(["mkfs.vfat", "-n", "config-2", path], check=True, stdout=subprocess.DEVNULL)
    return path.read_bytes()[:-100_000] + random.Random(1).randbytes(100_000)


def compress(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def damaged(data: bytes) -> bytes:
    packed = bytearray(compress(data))
    packed[-20000] ^= 0xFF
    return bytes(packed)


GOOD = [
    ("plain", lambda data: data),
    ("gzip", compress),
    ("two streams", lambda data: compress(data[:999]) + compress(data[999:])),
    ("padding", lambda data: compress(data) + bytes(512)),
]
BAD = [
    ("half", lambda data: data[: len(data) // 2], "is truncated: it has"),
    ("gzip, half", lambda data: compress(data)[:50_000], "truncated gzip"),
    ("gzip of half", lambda data: compress(data[: len(data) // 2]), "is truncated: it has"),
    ("gzip, damaged", damaged, "damaged gzip"),
    ("gzip, and more", lambda data: compress(data) + b"more", "damaged gzip"),
    ("gzip of too much", lambda data: compress(bytes(65 * MIB)), "larger than 64 MiB"),
    (
        "another label",
        lambda data: data.replace(b"config-2  ", b"cidata    ").replace(b"config-2   ", b"cidata     "),
        "cloud-init looks for config-2",
    ),
    ("text", lambda data: b"#cloud-config\n", "neither an ISO 9660 nor a FAT"),
    ("empty", lambda data: b"", "neither an ISO 9660 nor a FAT"),
]


@pytest.mark.parametrize(("how", "pack"), GOOD)
@pytest.mark.parametrize("kind", ["iso", "fat"])
def test_a_whole_one(
    how: str, pack: t.Callable[[bytes], bytes], kind: str, request: pytest.FixtureRequest, build: t.Any
) -> None:
    image = request.getfixturevalue(kind)
    packed = pack(image)
    assert build(iso=base64.encodebytes(packed).decode()) == image
    with web.serve() as site:
        site.answers["/drive"] = packed
        url = f"{site.url}/drive"
        checksum = f"sha256:{hashlib.sha256(packed).hexdigest()}"
        site.answers["/SUMS"] = f"{checksum[7:]}  drive\n".encode()
        assert (
            build(url=url) == build(url=url, checksum=checksum) == build(url=url, checksum=f"{site.url}/SUMS") == image
        )
        with pytest.raises(BareMetalError, match=r"The config drive .* has checksum"):
            build(url=url, checksum=f"sha256:{'0' * 64}")


@pytest.mark.parametrize(("how", "spoil", "message"), BAD, ids=[row[0] for row in BAD])
@pytest.mark.parametrize("kind", ["iso", "fat"])
def test_one_that_is_not_whole_is_an_error(
    how: str,
    spoil: t.Callable[[bytes], bytes],
    message: str,
    kind: str,
    request: pytest.FixtureRequest,
    build: t.Any,
) -> None:
    data = spoil(request.getfixturevalue(kind))
    with web.serve() as site:
        site.answers["/drive"] = data
        for drive in ({"iso": base64.b64encode(data).decode()}, {"url": f"{site.url}/drive"}):
            with pytest.raises(BareMetalError, match=message) as caught:
                build(**drive)
            assert caught.value.node == "node01"
            assert "bm_config_drive" in caught.value.hint


def test_half_of_what_the_server_announced_is_no_config_drive(iso: bytes, build: t.Any) -> None:
    def half(handler: web.Handler) -> None:
        handler.head(Content_Length=len(iso))
        handler.wfile.write(iso[: len(iso) // 2])

    def half_without_length(handler: web.Handler) -> None:
        handler.head()
        handler.wfile.write(iso[: len(iso) // 2])

    with web.serve() as site:
        for answer, retryable in ((half, True), (half_without_length, False)):
            site.answers["/drive"] = answer
            with pytest.raises(BareMetalError) as caught:
                build(url=f"{site.url}/drive?token=MARKER")
            assert caught.value.retryable == retryable
            assert "MARKER" not in str(caught.value.to_result())


@pytest.mark.parametrize("text", ["%%%", "AAA", "QUJD\u00e4"])
def test_what_is_no_base64_is_named(text: str, build: t.Any) -> None:
    with pytest.raises(BareMetalError, match="not valid base64") as caught:
        build(iso=text)
    assert "bm_config_drive" in caught.value.hint
