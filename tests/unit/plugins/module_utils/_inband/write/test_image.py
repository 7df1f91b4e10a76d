"""Whole writes: from a real web server to files and loop devices that stand for disks."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import signal
import ssl
import struct
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import (
    BareMetalError,
    ImageError,
    InvalidRequestError,
    StepError,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.disk.disk import open_disk
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.source import SourceOptions
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.target import inspect_target
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.verify import Digests, split_blocks

MIB = 1024 * 1024
QUICK = SourceOptions(retries=3, timeout=5, pause=0.01)


def write(url: str, checksum: str, device: t.Any, **options: t.Any) -> dict[str, t.Any]:
    check_mode = options.pop("check_mode", False)
    options.setdefault("source", QUICK)
    return write_image(ImageRequest(url, checksum, str(device), **options), check_mode=check_mode)


def is_unbootable(disk: Path) -> bool:
    data = disk.read_bytes()
    return not any(data[:MIB]) and not any(data[-MIB:])


def join(encode: t.Callable[[bytes], bytes]) -> t.Callable[..., bytes]:
    """Make two streams of one image, which count as one."""
    return lambda data, *_rest: encode(data[: 7 * MIB]) + encode(data[7 * MIB :])


ENCODERS: dict[str, t.Callable[..., bytes]] = {
    "raw": lambda data, *_rest: data,
    "raw.gz": join(lambda data: gzip.compress(data, 1)),
    "raw.xz": join(lambda data: lzma.compress(data, preset=0)),
    "raw.bz2": join(lambda data: bz2.compress(data, 1)),
    "raw.zst": lambda data, tools, _folder: join(tools.compress_zstd)(data),
    "qcow2": lambda data, tools, folder: tools.to_qcow2(data, folder),
    "qcow2.xz": lambda data, tools, folder: lzma.compress(tools.to_qcow2(data, folder, "-c"), preset=0),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_disk_is_byte_identical(
    kind: str, server: t.Any, image: bytes, disk: Path, tmp_path: Path, tools: t.Any
) -> None:
    data = ENCODERS[kind](image, tools, tmp_path)
    result = write(server.add(f"image.{kind}", data), tools.sha256(data), disk, format=kind.partition(".")[0])
    assert disk.read_bytes() == image
    assert result["changed"]
    assert result["verified"]
    assert result["image_size"] == len(image)
    assert result["bytes_fetched"] == len(data)
    assert result["bytes_written"] + result["bytes_zeroed"] == len(image)


def test_larger_disk_gets_its_backup_gpt_at_the_end(server: t.Any, image: bytes, disk: Path, tools: t.Any) -> None:
    disk.write_bytes(b"\xff" * (20 * MIB))
    write(server.add("image.raw", image), tools.sha256(image), disk)
    data = disk.read_bytes()
    assert data[MIB : 14 * MIB] == image[MIB : 14 * MIB]
    verdict = subprocess.run(["sgdisk", "-v", str(disk)], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in verdict
    assert not any(data[-MIB : -33 * 512])


def test_loop_device(server: t.Any, image: bytes, loop_device: str, tools: t.Any) -> None:
    data = tools.compress_zstd(image)
    write(server.add("image.raw.zst", data), tools.sha256(data), loop_device)
    assert Path(loop_device).read_bytes()[MIB : 14 * MIB] == image[MIB : 14 * MIB]
    verdict = subprocess.run(["sgdisk", "-v", loop_device], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in verdict


def test_qcow2_to_loop_device(server: t.Any, image: bytes, loop_device: str, tmp_path: Path, tools: t.Any) -> None:
    data = tools.to_qcow2(image, tmp_path)
    write(server.add("image.qcow2", data), tools.sha256(data), loop_device, format="qcow2")
    assert Path(loop_device).read_bytes()[MIB : 14 * MIB] == image[MIB : 14 * MIB]


@pytest.mark.parametrize(
    ("faults", "resumed"),
    [
        ({"cut_after": [3 * MIB + 7, 4 * MIB, 2 * MIB]}, 3),
        ({"stall_after": [6 * MIB]}, 1),
        ({"statuses": [503, 500]}, 0),
        ({"etag": 'W/"weak"', "cut_after": [9 * MIB]}, 1),
    ],
    ids=["cut", "stall", "busy", "weak-etag"],
)
def test_broken_connection_is_resumed(
    faults: dict[str, t.Any], resumed: int, server: t.Any, image: bytes, disk: Path, tools: t.Any
) -> None:
    url = server.add("image.raw", image, **faults)
    options = SourceOptions(retries=3, timeout=0.5, pause=0.01)
    result = write(url, tools.sha256(image), disk, source=options)
    assert result["resumed"] == resumed
    assert disk.read_bytes() == image


def vmdk(data: bytes) -> bytes:
    return b"KDMV" + data[4:]


def without_table(data: bytes) -> bytes:
    return bytes(MIB) + data[MIB:]


def iso(data: bytes) -> bytes:
    return bytes(32769) + b"CD001" + bytes(MIB)


def fat(data: bytes) -> bytes:
    sector = bytearray(512)
    sector[:3], sector[82:90], sector[446:462], sector[510:] = b"\xeb\x58\x90", b"FAT32   ", b"\x0e" * 16, b"\x55\xaa"
    return bytes(sector) + bytes(MIB)


def qcow2_header(data: bytes, **fields: int) -> bytes:
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb", fields.get("version", 3), fields.get("backing", 0), 0, 16, fields.get("size", MIB),
        fields.get("crypt", 0), 0, 0, 0, 0, 0, 0, fields.get("features", 0), 0, 0, 4, 104,
    )  # fmt: skip
    return header + bytes(MIB)


# name, what is served, options, part of the message
REFUSED_BEFORE_WRITING = [
    ("qcow2-as-raw", qcow2_header, {}, "is declared raw, is qcow2"),
    ("vmdk-as-raw", vmdk, {}, "is declared raw, is vmdk"),
    ("gzip-as-raw", lambda data: gzip.compress(data, 1), {}, "is declared raw, is gzip compressed"),
    ("raw-as-qcow2", bytes, {"format": "qcow2"}, "is declared qcow2, is raw"),
    ("raw-as-xz", bytes, {"compression": "xz"}, "is not valid xz data"),
    ("raw-as-zst", bytes, {"compression": "zst"}, "is truncated or not valid zstd data"),
    ("no-partition-table", without_table, {}, "it has no partition table"),
    ("iso", iso, {}, "an ISO 9660 file system"),
    ("fat", fat, {}, "it has no partition table"),
    ("cut-short", lambda data: data[: 9 * MIB], {}, "is truncated: it has 9437184 bytes"),
    ("empty", lambda data: b"", {}, "is empty"),
    ("backing-file", lambda data: qcow2_header(data, backing=112), {"format": "qcow2"}, "has a backing file"),
    ("external-data", lambda data: qcow2_header(data, features=4), {"format": "qcow2"}, "external data file"),
    (
        "unknown-feature",
        lambda data: qcow2_header(data, features=1 << 9),
        {"format": "qcow2"},
        "unknown qcow2 features",
    ),
    ("encrypted", lambda data: qcow2_header(data, crypt=1), {"format": "qcow2"}, "is encrypted"),
    ("version", lambda data: qcow2_header(data, version=9), {"format": "qcow2"}, "qcow2 version 9"),
    ("huge-qcow2", lambda data: qcow2_header(data, size=1 << 50), {"format": "qcow2"}, "needs 1125899906842624 bytes"),
    ("too-large", lambda data: data + bytes(MIB), {}, "bytes (0.0 GiB); nothing was written"),
]


@pytest.mark.parametrize(("name", "served", "options", "message"), REFUSED_BEFORE_WRITING)
@pytest.mark.parametrize("check_mode", [True, False], ids=["check", "write"])
def test_refused_before_anything_is_written(
    name: str,
    served: t.Callable[[bytes], bytes],
    options: dict[str, t.Any],
    message: str,
    check_mode: bool,
    server: t.Any,
    image: bytes,
    disk: Path,
    tools: t.Any,
) -> None:
    data = served(image)
    with pytest.raises(ImageError) as caught:
        write(server.add(name, data), tools.sha256(data), disk, check_mode=check_mode, **options)
    assert message in caught.value.message
    assert caught.value.hint
    assert disk.read_bytes() == b"\xff" * len(image)


@pytest.mark.parametrize("suffix", ["gz", "xz", "zst"])
def test_compressed_image_larger_than_the_disk_is_known_by_its_gpt(
    suffix: str, server: t.Any, image: bytes, disk: Path, tools: t.Any, tmp_path: Path
) -> None:
    data = ENCODERS[f"raw.{suffix}"](image, tools, tmp_path)
    os.truncate(disk, 12 * MIB)
    with pytest.raises(ImageError, match=f"needs {len(image)} bytes .* has {12 * MIB} bytes"):
        write(server.add(f"image.raw.{suffix}", data), tools.sha256(data), disk)
    assert disk.read_bytes() == b"\xff" * (12 * MIB)


# name, what is served, options, server's faults, part of the message
REFUSED_WHILE_WRITING = [
    ("wrong-checksum", bytes, {"checksum": f"sha256:{'0' * 64}"}, {}, "declared is sha256:000"),
    ("truncated", lambda data: data[: 9 * MIB], {}, {"promised": 14 * MIB + 1536}, "is truncated"),
    ("short", lambda data: gzip.compress(data[: 9 * MIB], 1), {"compression": "gz"}, {}, "is truncated: it has"),
    ("cut-gz", lambda data: gzip.compress(data, 1)[:-90000], {"compression": "gz"}, {}, "stream has no end"),
    ("cut-xz", lambda data: lzma.compress(data, preset=0)[:-90000], {"compression": "xz"}, {}, "stream has no end"),
    ("trailing", lambda data: gzip.compress(data, 1) + b"junk", {"compression": "gz"}, {}, "not valid gz data"),
    ("no-range", bytes, {}, {"cut_after": [9 * MIB], "ranges": False}, "could not be resumed"),
    ("always-cut", bytes, {}, {"cut_after": [9 * MIB, 0, 0, 0, 0, 0]}, "could not be fetched in 4 attempts"),
    ("longer", lambda data: gzip.compress(data + bytes(MIB), 1), {"compression": "gz"}, {}, f"{15 * MIB + 1536} bytes"),
]


@pytest.mark.parametrize(("name", "served", "options", "faults", "message"), REFUSED_WHILE_WRITING)
def test_failure_while_writing_leaves_an_unbootable_disk(
    name: str,
    served: t.Callable[[bytes], bytes],
    options: dict[str, t.Any],
    faults: dict[str, t.Any],
    message: str,
    server: t.Any,
    image: bytes,
    disk: Path,
    tools: t.Any,
) -> None:
    data = served(image)
    options = {"checksum": tools.sha256(data), **options}
    with pytest.raises(ImageError) as caught:
        write(server.add(name, data, **faults), device=disk, **options)
    assert message in caught.value.message
    assert "was made unbootable" in caught.value.message
    assert is_unbootable(disk)


def test_image_without_its_backup_gpt_is_repaired(server: t.Any, image: bytes, disk: Path, tools: t.Any) -> None:
    data = image[: -33 * 512]
    write(server.add("image.raw", data), tools.sha256(data), disk)
    verdict = subprocess.run(["sgdisk", "-v", str(disk)], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in verdict


def test_qcow2_that_is_too_small_for_its_partitions(
    server: t.Any, image: bytes, disk: Path, tmp_path: Path, tools: t.Any
) -> None:
    data = tools.to_qcow2(image[: 9 * MIB], tmp_path)
    with pytest.raises(ImageError, match="is truncated: it has 9437184 bytes"):
        write(server.add("image.qcow2", data), tools.sha256(data), disk, format="qcow2")
    assert disk.read_bytes() == b"\xff" * len(image)


def test_wrong_checksum_of_qcow2_leaves_the_disk_alone(
    server: t.Any, image: bytes, disk: Path, tmp_path: Path, tools: t.Any
) -> None:
    url = server.add("image.qcow2", tools.to_qcow2(image, tmp_path))
    with pytest.raises(ImageError, match="declared is sha256:0"):
        write(url, f"sha256:{'0' * 64}", disk, format="qcow2")
    assert disk.read_bytes() == b"\xff" * len(image)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"url": "{server}/absent"}, ImageError, "HTTP 404"),
        ({"url": "http://127.0.0.1:1/image"}, ImageError, "Connection refused"),
        ({"url": "ftp://127.0.0.1/image"}, InvalidRequestError, "can't be fetched"),
        ({"url": "file:///nonexistent/image"}, ImageError, "No such file"),
        ({"checksum": f"md5:{'0' * 32}"}, InvalidRequestError, "md5 is broken"),
        ({"checksum": "sha256:12"}, InvalidRequestError, "64 hexadecimal digits"),
        ({"checksum": "whirl:12"}, InvalidRequestError, "no known algorithm"),
        ({"device": "/nonexistent"}, InvalidRequestError, "No such file"),
        ({"device": "/dev/null"}, InvalidRequestError, "neither a disk nor a regular file"),
        ({"progress_path": "/nonexistent/progress"}, InvalidRequestError, "progress_path"),
        ({"source": SourceOptions(ca_path="/nonexistent")}, InvalidRequestError, "CA file"),
    ],
)
def test_bad_request(
    options: dict[str, t.Any],
    error: type[BareMetalError],
    message: str,
    server: t.Any,
    image: bytes,
    disk: Path,
    tools: t.Any,
) -> None:
    url = server.add("image.raw", image)
    options = {"url": url, "checksum": tools.sha256(image), "device": disk, **options}
    options["url"] = options["url"].format(server=url.rpartition("/")[0])
    with pytest.raises(error) as caught:
        write(**options)
    assert message in str(caught.value)
    assert disk.read_bytes() == b"\xff" * len(image)


def test_password_and_query_are_not_told(server: t.Any, disk: Path) -> None:
    url = server.add("image.raw", b"").replace("http://", "http://user:secret@").replace("image", "absent")
    with pytest.raises(ImageError) as caught:
        write(f"{url}?signature=secret", f"sha256:{'0' * 64}", disk)
    assert "secret" not in str(caught.value)


def test_certificate_must_be_trusted(server: t.Any, image: bytes, disk: Path, tmp_path: Path, tools: t.Any) -> None:
    if shutil.which("openssl") is None:
        pytest.fail("needs openssl: run lab/setup.sh test")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    argv += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.add("image.raw", image).replace("http:", "https:")
    with pytest.raises(ImageError, match=r"certificate of https://.* is not trusted"):
        write(url, tools.sha256(image), disk, source=SourceOptions(retries=9, pause=10))
    for options in (SourceOptions(ca_path=str(certificate)), SourceOptions(validate_certs=False)):
        assert write(url, tools.sha256(image), disk, source=options)["verified"]


def test_check_mode_writes_nothing(server: t.Any, image: bytes, disk: Path, tools: t.Any) -> None:
    url = server.add("image.raw", image)
    result = write(url, tools.sha256(image), disk, check_mode=True)
    assert result["changed"]
    assert result["would_write"] == {"url": url, "device": str(disk), "bytes": len(image)}
    assert disk.read_bytes() == b"\xff" * len(image)


def test_read_back_names_what_differs(disk: Path, image: bytes) -> None:
    disk.write_bytes(image)
    digests = Digests()
    for block in split_blocks([image]):
        digests.add(block)
    with open_disk(inspect_target(str(disk))) as opened:
        digests.verify(opened, lambda _done: None)
        for offset in (5 * MIB, 10 * MIB):  # a block of zeroes, and one of data
            with disk.open("r+b") as file:
                file.seek(offset)
                file.write(b"changed")
            with pytest.raises(StepError, match=f"byte {offset // (4 * MIB) * 4 * MIB} "):
                digests.verify(opened, lambda _done: None)
            disk.write_bytes(image)


WRITER = """
import json, sys
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image
write_image(ImageRequest(**json.loads(sys.argv[1])))
"""


@pytest.fixture
def stalled_writer(server: t.Any, image: bytes, disk: Path, tmp_path: Path, tools: t.Any) -> t.Iterator[t.Any]:
    """A writer in a process of its own, half-way through the image."""
    progress = tmp_path / "progress.json"
    request = {
        "url": server.add("stalled.raw", image, stall_after=[13 * MIB]),
        "checksum": tools.sha256(image),
        "device": str(disk),
        "progress_path": str(progress),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, json.dumps(request)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    tools.wait_for(lambda: disk.read_bytes()[9 * MIB : 10 * MIB] == image[9 * MIB : 10 * MIB])
    assert json.loads(progress.read_text())["pid"] == process.pid
    yield process
    process.kill()
    process.wait()


def test_killed_writer_leaves_an_unbootable_disk(stalled_writer: t.Any, disk: Path) -> None:
    stalled_writer.send_signal(signal.SIGKILL)
    stalled_writer.wait()
    assert is_unbootable(disk)


def test_second_writer_ends_the_first(
    stalled_writer: t.Any, server: t.Any, image: bytes, disk: Path, tmp_path: Path, tools: t.Any
) -> None:
    link = tmp_path / "link"
    link.symlink_to(disk)
    write(server.add("image.raw", image), tools.sha256(image), link)
    assert stalled_writer.wait(5) == -signal.SIGTERM
    assert disk.read_bytes() == image
