"""qcow2 images with their end missing: refused wherever they read otherwise, and no whole image is."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import ImageError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.qcow2_tables import check_tables

MIB = 1024 * 1024
WAYS = st.fixed_dictionaries(
    {
        "cluster": st.sampled_from([512, 4096, 65536, 1 << 20, 2 << 20]),
        "compat": st.sampled_from(["0.10", "1.1"]),
        "extended": st.booleans(),
        "zstd": st.booleans(),
        "compressed": st.booleans(),
        "preallocation": st.sampled_from(["off", "metadata", "falloc", "full"]),
        "snapshots": st.integers(0, 2),
        "sectors": st.integers(1, 6000),
        "runs": st.integers(0, 5),
        "seed": st.integers(0, 2**16),
        "cuts": st.lists(st.integers(1, 6 * MIB), min_size=1, max_size=3),
    }
)


def qemu_img(*argv: object) -> None:
    subprocess.run(["qemu-img", *map(str, argv)], check=True, stdout=subprocess.DEVNULL)


def read(path: Path) -> bytes | None:
    """Return the disk in an image as qemu-img reads it; None where it can't."""
    raw = path.with_suffix(".read")
    done = subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw], check=False, stderr=-3)
    return raw.read_bytes() if done.returncode == 0 else None


def make(folder: Path, way: dict[str, t.Any]) -> Path:
    """Make a random image in one of the ways that qemu-img has."""
    source = random.Random(way["seed"])
    data = bytearray(way["sectors"] * 512)
    for dummy in range(way["runs"]):
        start, length = source.randrange(len(data)), source.choice([1, 512, 4096, 70000, MIB])
        piece = source.randbytes(length) if source.random() < 0.5 else bytes([source.randrange(256)]) * length
        data[start : start + length] = piece[: len(data) - start]
    raw, image = folder / "raw", folder / "image.qcow2"
    raw.write_bytes(data)
    options = [f"cluster_size={way['cluster']}", f"compat={way['compat']}"]
    if way["compat"] == "1.1":
        options += ["extended_l2=on"] if way["extended"] and way["cluster"] >= 16384 else []
        options += ["compression_type=zstd"] if way["zstd"] else []
    if not way["compressed"]:
        options.append(f"preallocation={way['preallocation']}")
    qemu_img("convert", *(["-c"] if way["compressed"] else []), "-Oqcow2", "-o", ",".join(options), raw, image)
    for number in range(way["snapshots"] if way["compat"] == "1.1" else 0):
        qemu_img("snapshot", "-c", f"s{number}", image)
    return image


@settings(max_examples=20, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(way=WAYS)
def test_whole_images_pass_and_what_is_cut_off_passes_only_where_it_reads_the_same(
    way: dict[str, t.Any], tmp_path: Path
) -> None:
    path = make(tmp_path, way)
    with path.open("rb") as file:
        check_tables(file.fileno(), "image.qcow2")
    whole, content = path.read_bytes(), read(path)
    for cut in way["cuts"]:
        cut_off = path.with_name("cut.qcow2")
        cut_off.write_bytes(whole[: max(512, len(whole) - cut)])
        with cut_off.open("rb") as file:
            try:
                check_tables(file.fileno(), "cut.qcow2")
            except ImageError:
                continue
        assert read(cut_off) == content


def cut(data: bytes) -> bytes:
    return data[: len(data) - 2 * MIB]


def patch(offset: int, form: str, *values: int) -> t.Callable[[bytes], bytes]:
    """Return a function that puts other values into an image."""
    raw = struct.pack(form, *values)
    return lambda data: data[:offset] + raw + data[offset + len(raw) :]


def second_table_twice(data: bytes) -> bytes:
    (level1,) = struct.unpack_from(">Q", data, 40)
    return patch(level1 + 8, ">8s", data[level1 : level1 + 8])(data)  # type: ignore[arg-type]


def wrong_refcount(data: bytes) -> bytes:
    (table,) = struct.unpack_from(">Q", data, 48)
    (block,) = struct.unpack_from(">Q", data, table)
    return patch(block + 8, ">8H", *[0] * 8)(data)


HOSTILE = [
    ("end-missing", cut, "is truncated: it has"),
    ("level-1-huge", patch(36, ">I", 1 << 27), "an L1 table of 134217728 entries"),
    ("level-1-behind-the-end", patch(40, ">Q", 1 << 40), "its L1 table ends at byte"),
    ("level-1-too-short", patch(36, ">I", 0), "an L1 table of 0 entries"),
    ("level-2-twice", second_table_twice, "one L2 table twice"),
    ("refcounts-huge", patch(56, ">I", 1 << 24), "a refcount table of 16777216 clusters"),
    ("refcounts-wrong", wrong_refcount, "qemu-img check refuses the image"),
    ("snapshots-many", patch(60, ">IQ", 1 << 20, 65536), "1048576 snapshots"),
    ("snapshots-behind-the-end", patch(60, ">IQ", 1, 1 << 40), "its snapshot ends at byte"),
]


@pytest.mark.parametrize(("name", "spoil", "message"), HOSTILE)
def test_an_image_that_can_not_be_read_whole_is_refused_before_the_disk_is_touched(
    name: str,
    spoil: t.Callable[[bytes], bytes],
    message: str,
    server: t.Any,
    image: bytes,
    disk: Path,
    tmp_path: Path,
    tools: t.Any,
) -> None:
    cluster = "cluster_size=4096" if name == "level-2-twice" else "cluster_size=65536"
    data = spoil(tools.to_qcow2(image, tmp_path, "-o", cluster))
    url = server.add(f"{name}.qcow2", data)
    with pytest.raises(ImageError) as caught:
        write_image(ImageRequest(url, tools.sha256(data), str(disk), format="qcow2"))
    assert message in caught.value.message
    assert f"{name}.qcow2" in caught.value.message
    assert "/proc/" not in str(caught.value.to_result())
    assert disk.read_bytes() == b"\xff" * len(image)
