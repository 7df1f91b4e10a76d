"""A corpus of images that are hostile, broken or only odd: never another disk than the image, and bounded memory."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import struct
import subprocess
import typing as t
import uuid
import zlib
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write import memory
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image

MIB = 1024 * 1024
GPT_ENTRIES = 1024
ZSTD = b"\x28\xb5\x2f\xfd"
Make = t.Callable[[bytes, t.Any, Path], bytes]

WRITTEN = ""
UNTOUCHED, SEALED = "as it was", "unbootable"


@pytest.fixture(autouse=True)
def small_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 300 MB of free memory."""
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 500000 kB\nMemAvailable: 300000 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", file)


def changed(at: int, new: bytes) -> Make:
    return lambda data, *dummy: data[:at] + new + data[at + len(new) :]


def partitions(*places: tuple[int, int]) -> Make:
    """Give the image a GPT, with right checksums, that has partitions from sector to sector."""

    def make(data: bytes, *dummy: t.Any) -> bytes:
        table = bytearray(128 * 128)
        for number, (first, last) in enumerate(places):
            kind = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le
            struct.pack_into("<16s16sQQ", table, 128 * number, kind, uuid.uuid4().bytes_le, first, last)
        header = bytearray(data[512:604])
        struct.pack_into("<I", header, 88, zlib.crc32(table))
        struct.pack_into("<I", header, 16, 0)
        struct.pack_into("<I", header, 16, zlib.crc32(header))
        return data[:512] + bytes(header) + data[604:1024] + bytes(table) + data[1024 + len(table) :]

    return make


def packed(encode: t.Callable[[bytes], bytes], spoil: t.Callable[[bytes], bytes] = bytes) -> Make:
    return lambda data, *dummy: spoil(encode(data))


def flipped(data: bytes) -> bytes:
    at = len(data) * 3 // 4
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


@functools.cache
def xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def zst(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc", "-1"], input=data, check=True, stdout=subprocess.PIPE).stdout


def with_dictionary(code: int) -> t.Callable[[bytes], bytes]:
    """Have an xz stream ask for a larger dictionary (xz format specification, 5.3.1)."""

    def spoil(data: bytes) -> bytes:
        end = 12 + (data[12] + 1) * 4
        header = bytearray(data[12 : end - 4])
        header[4] = code
        return data[:12] + bytes(header) + struct.pack("<I", zlib.crc32(header)) + data[end:]

    return spoil


def zstd_frame(exponent: int) -> bytes:
    """Return a frame with a window of two to the power of ``exponent`` KiB, that is one byte 131,000 times."""
    return ZSTD + bytes([0, exponent << 3]) + struct.pack("<I", 131000 << 3 | 1 << 1 | 1)[:3] + b"x"


def as_qcow2(*options: str) -> Make:
    return lambda data, tools, folder: tools.to_qcow2(data, folder, *options)


def qcow2_in_qcow2(data: bytes, tools: t.Any, folder: Path) -> bytes:
    return bytes(tools.to_qcow2(tools.to_qcow2(data, folder) + bytes(-len(data) % 512), folder))


def qcow2_with_backing_file(data: bytes, tools: t.Any, folder: Path) -> bytes:
    (folder / "secret").write_bytes(data)
    image = folder / "over.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", folder / "secret", "-F", "raw", image]
    subprocess.run(argv, check=True)
    return image.read_bytes()


def with_snapshot(data: bytes, tools: t.Any, folder: Path) -> bytes:
    image = folder / "snapshot.qcow2"
    image.write_bytes(tools.to_qcow2(data, folder))
    subprocess.run(["qemu-img", "snapshot", "-c", "one", image], check=True)
    return image.read_bytes()


def overlapping_in_qcow2(data: bytes, tools: t.Any, folder: Path) -> bytes:
    return bytes(tools.to_qcow2(partitions((2048, 4095), (4000, 6000))(data, tools, folder), folder))


OPENWRT = b'{"metadata": 1}FWx0' + bytes(range(64))

# what it is, how it is made of a good image, options, what is said (nothing: it is written), the disk then
CORPUS: list[tuple[str, Make, dict[str, str], str, str]] = [
    ("gz.zeroes-behind", packed(gz, lambda data: data + bytes(700)), {}, WRITTEN, ""),
    ("gz.openwrt-behind", packed(gz, lambda data: data + OPENWRT), {}, WRITTEN, ""),
    ("gz.junk-behind", packed(gz, lambda data: data + b"junk"), {}, "is not valid gz data", SEALED),
    ("gz.flipped", packed(gz, flipped), {}, "", SEALED),
    ("gz.cut", packed(gz, lambda data: data[:-9]), {}, "stream has no end", SEALED),
    ("gz.twice", packed(gz, gz), {}, "is declared raw, is gzip", UNTOUCHED),
    ("gz.bomb", packed(lambda data: gz(data + bytes(40 * MIB))), {}, "needs", SEALED),
    ("xz.flipped", packed(xz, flipped), {}, "", SEALED),
    ("xz.junk-behind", packed(xz, lambda data: data + b"junk" * 9), {}, "is not valid xz data", SEALED),
    ("xz.dictionary-of-1-GiB", packed(xz, with_dictionary(36)), {}, "needs more of memory", UNTOUCHED),
    ("xz.dictionary-of-4-GiB", packed(xz, with_dictionary(40)), {}, "needs more of memory", UNTOUCHED),
    ("zst.flipped", packed(zst, flipped), {}, "", SEALED),
    ("zst.junk-behind", packed(zst, lambda data: data + b"junk"), {}, "not valid zstd data", SEALED),
    ("zst.window-of-2-GiB", lambda *dummy: zstd_frame(21), {}, "needs 2048 MiB of memory", UNTOUCHED),
    ("zst.window-of-2-TiB", lambda *dummy: zstd_frame(31), {}, "needs 2097152 MiB of memory", UNTOUCHED),
    ("zst.second-window", packed(zst, lambda data: data + zstd_frame(21)), {}, "needs more of memory", SEALED),
    ("zst.bomb", packed(lambda data: zst(data + bytes(40 * MIB))), {}, "needs", SEALED),
    ("bz2.flipped", packed(bz2.compress, flipped), {}, "", SEALED),
    ("raw.checksum-of-another", changed(9 * MIB, b"other"), {"checksum": f"sha256:{'0' * 64}"}, "declared is", SEALED),
    ("raw.gpt-checksum", changed(512 + 16, b"\0\0\0\0"), {}, "has no partition table", UNTOUCHED),
    ("raw.overlap", partitions((2048, 4095), (4000, 6000)), {}, "partitions 1 and 2 overlap", UNTOUCHED),
    ("raw.inside", partitions((2048, 8191), (4096, 5000)), {}, "partitions 1 and 2 overlap", UNTOUCHED),
    ("raw.reversed", partitions((2048, 2000)), {}, "partition 1 ends before it begins", UNTOUCHED),
    ("raw.over-its-table", partitions((1, 4095)), {}, "begins in the partition table", UNTOUCHED),
    ("raw.partition-far-behind", partitions((2048, 1 << 54)), {}, "is truncated", UNTOUCHED),
    ("raw.vdi", changed(64, b"\x7f\x10\xda\xbe"), {}, "is declared raw, is vdi", UNTOUCHED),
    ("raw.vhdx", changed(0, b"vhdxfile"), {}, "is declared raw, is vhdx", UNTOUCHED),
    ("raw.vmdk-descriptor", changed(0, b"# Disk DescriptorFile"), {}, "is declared raw, is vmdk", UNTOUCHED),
    ("raw.luks", changed(0, b"LUKS\xba\xbe"), {}, "is declared raw, is luks", UNTOUCHED),
    ("raw.zeroes", lambda data, *dummy: bytes(len(data)), {}, "has no partition table", UNTOUCHED),
    ("raw.one-byte", lambda *dummy: b"x", {}, "has no partition table", UNTOUCHED),
    ("qcow2.snapshot", with_snapshot, {"format": "qcow2"}, WRITTEN, ""),
    ("qcow2.zstd", as_qcow2("-c", "-o", "compression_type=zstd"), {"format": "qcow2"}, WRITTEN, ""),
    ("qcow2.extended", as_qcow2("-o", "extended_l2=on,cluster_size=128k"), {"format": "qcow2"}, WRITTEN, ""),
    ("qcow2.preallocated", as_qcow2("-o", "preallocation=metadata"), {"format": "qcow2"}, WRITTEN, ""),
    ("qcow2.old", as_qcow2("-o", "compat=0.10,cluster_size=512"), {"format": "qcow2"}, WRITTEN, ""),
    ("qcow2.backing", qcow2_with_backing_file, {"format": "qcow2"}, "has a backing file", UNTOUCHED),
    ("qcow2.in-qcow2", qcow2_in_qcow2, {"format": "qcow2"}, "is declared raw, is qcow2", UNTOUCHED),
    ("qcow2.partitions", overlapping_in_qcow2, {"format": "qcow2"}, "partitions 1 and 2 overlap", UNTOUCHED),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "options", "message", "after"), CORPUS, ids=[row[0] for row in CORPUS])
def test_the_disk_is_the_image_or_as_it_was_or_unbootable(
    name: str,
    make: Make,
    options: dict[str, str],
    message: str,
    after: str,
    server: t.Any,
    image: bytes,
    disk: Path,
    tmp_path: Path,
    tools: t.Any,
) -> None:
    data = make(image, tools, tmp_path)
    kind = name.partition(".")[0]
    compression = kind if kind in ("gz", "xz", "zst", "bz2") else "none"
    given = {"checksum": tools.sha256(data), "compression": compression, **options}
    request = ImageRequest(url=server.add(name, data), device=str(disk), **given)
    if not after:
        assert write_image(request)["verified"]
        assert disk.read_bytes() == image
        return
    with pytest.raises(BareMetalError) as caught:
        write_image(request)
    assert message in caught.value.message
    assert name in caught.value.message
    found = disk.read_bytes()
    assert found == b"\xff" * len(image) if after == UNTOUCHED else not any(found[:MIB] + found[-MIB:])


def test_the_active_flag_of_a_protective_mbr_stays(server: t.Any, image: bytes, disk: Path, tools: t.Any) -> None:
    disk.write_bytes(bytes(20 * MIB))
    data = image[:446] + b"\x80" + image[447:]
    write_image(ImageRequest(server.add("x", data), tools.sha256(data), str(disk)))
    assert disk.read_bytes()[446] == 0x80
    assert b"No problems" in subprocess.run(["sgdisk", "-v", disk], capture_output=True, check=True).stdout


def test_the_beginning_of_a_larger_disk_fits_where_its_partitions_do(
    server: t.Any, roomy_image: bytes, disk: Path, tools: t.Any
) -> None:
    disk.write_bytes(bytes(26 * MIB))
    data = roomy_image[: 24 * MIB]  # its GPT names a backup at 30 MiB
    write_image(ImageRequest(server.add("x", data), tools.sha256(data), str(disk)))
    assert disk.read_bytes()[MIB : 22 * MIB] == data[MIB : 22 * MIB]
    assert b"No problems" in subprocess.run(["sgdisk", "-v", disk], capture_output=True, check=True).stdout
