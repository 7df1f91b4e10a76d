"""A web server that can misbehave, and images to serve."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import random
import shutil
import subprocess
import threading
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest

MIB = 1024 * 1024


def sha256(data: bytes) -> str:
    """Return a checksum as the inventory has it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Served:
    """A file and the faults of the server that has it."""

    data: bytes
    cut_after: list[int] = field(default_factory=list)  # each answer in turn ends after so many bytes
    stall_after: list[int] = field(default_factory=list)  # the same, but the connection stays open
    statuses: list[int] = field(default_factory=list)  # errors answered first
    ranges: bool = True
    promised: int = 0  # Content-Length instead of the true one
    etag: str = '"1"'
    requests: list[str] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        served = self.server.files.get(self.path.lstrip("/"))  # type: ignore[attr-defined]
        if served is None:
            return self.send_error(404)
        served.requests.append(self.headers.get("Range", ""))
        if served.statuses:
            return self.send_error(served.statuses.pop(0))
        length = served.promised or len(served.data)
        start = self._send_head(served, length)
        if start is None:
            return None
        cut = served.cut_after.pop(0) if served.cut_after else None
        stall = served.stall_after.pop(0) if served.stall_after else None
        end = cut if cut is not None else stall
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(served.data[start:] if end is None else served.data[start : start + end])
            if stall is not None:
                self.server.released.wait(20)  # type: ignore[attr-defined]
        self.close_connection = True
        return None

    def _send_head(self, served: Served, length: int) -> int | None:
        wanted = self.headers.get("Range")
        start = int(wanted[6:-1]) if wanted and served.ranges else 0
        if wanted and served.ranges and start >= len(served.data):
            self.send_error(416)
            return None
        if wanted and served.ranges and self.headers.get("If-Range", served.etag) == served.etag:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{length - 1}/{length}")
        else:
            start = 0
            self.send_response(200)
        self.send_header("ETag", served.etag)
        self.send_header("Content-Length", str(length - start))
        self.end_headers()
        return start

    def log_message(self, *_args: t.Any) -> None:
        pass


class ImageServer(http.server.ThreadingHTTPServer):
    """Serves ``files`` on a port of its own."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Served] = {}
        self.released = threading.Event()

    def add(self, name: str, data: bytes, **faults: t.Any) -> str:
        """Serve a file; return its URL."""
        self.files[name] = Served(data, **faults)
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, *_args: t.Any) -> None:
        pass


@pytest.fixture
def server() -> t.Iterator[ImageServer]:
    """A running web server."""
    httpd = ImageServer()
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield httpd
    httpd.released.set()
    httpd.shutdown()
    httpd.server_close()


def make_gpt(path: Path, size: int, end: str) -> None:
    """Make a disk with an EFI system partition and one that reaches to ``end``."""
    with path.open("wb") as file:
        file.truncate(size)
    argv = ["sgdisk", "-n", "1:2048:+4M", "-t", "1:ef00", "-c", "1:ESP", "-n", f"2:0:{end}", str(path)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def roomy_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A disk of 30 MiB with 8 MiB free at its end, where old content is."""
    path = tmp_path_factory.mktemp("roomy") / "image.raw"
    make_gpt(path, 30 * MIB, "22M")
    data = bytearray(path.read_bytes())
    data[23 * MIB : 29 * MIB] = b"\xff" * (6 * MIB)
    return bytes(data)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole-disk image: GPT, random areas, zero areas, a size that is no multiple of 4 KiB."""
    path = tmp_path_factory.mktemp("image") / "image.raw"
    make_gpt(path, 14 * MIB + 3 * 512, "0")
    source = random.Random(2)
    with path.open("r+b") as file:
        for start, size in ((1 * MIB, 2 * MIB), (9 * MIB + 100, 3 * MIB + 77)):
            file.seek(start)
            file.write(source.randbytes(size))
    return path.read_bytes()


@pytest.fixture
def disk(tmp_path: Path, image: bytes) -> Path:
    """A disk as large as the image, full of old content."""
    path = tmp_path / "disk"
    path.write_bytes(b"\xff" * len(image))
    return path


def to_qcow2(data: bytes, folder: Path, *options: str) -> bytes:
    """Return the qcow2 form of a raw image."""
    raw, qcow2 = folder / "convert.raw", folder / "convert.qcow2"
    raw.write_bytes(data)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, qcow2], check=True)
    return qcow2.read_bytes()


def compress_zstd(data: bytes) -> bytes:
    """Return the zstd form of data."""
    return subprocess.run(["zstd", "-qc", "-1"], input=data, check=True, stdout=subprocess.PIPE).stdout


@pytest.fixture
def tools() -> t.Any:
    """The functions above, for test files, which can't import this one."""
    return _Tools


class _Tools:
    sha256 = staticmethod(sha256)
    to_qcow2 = staticmethod(to_qcow2)
    compress_zstd = staticmethod(compress_zstd)

    @staticmethod
    def wait_for(condition: t.Callable[[], t.Any], seconds: float = 10) -> t.Any:
        """Wait until a condition holds and return its value."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError("not in time")

    @staticmethod
    def build_iso(content: bytes = b"1", label: str = "config-2", size: int = 400 * 1024) -> bytes:
        """Return what is taken for an ISO 9660 file system."""
        image = bytearray(size)
        image[32768 : 32768 + 7] = b"\x01CD001\x01"
        image[32768 + 40 : 32768 + 72] = label.encode().ljust(32)
        image[32768 + 80 : 32768 + 84] = (size // 2048).to_bytes(4, "little")
        image[32768 + 128 : 32768 + 130] = (2048).to_bytes(2, "little")
        image[40960 : 40960 + len(content)] = content
        return bytes(image)


def _detach_leftovers() -> None:
    """Detach what a killed run has left: our loop devices have our name on their backing file."""
    listed = subprocess.run(["losetup", "-n", "-O", "NAME,BACK-FILE"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        name, dummy, backing = line.strip().partition(" ")
        if "baremetal-lifecycle-disk" in backing and "(deleted)" in backing:
            subprocess.run(["losetup", "-d", name], check=True)


@pytest.fixture
def loop_device(tmp_path: Path, image: bytes) -> t.Iterator[str]:
    """A loop device of 30 MiB, full of old content."""
    if os.geteuid() or shutil.which("losetup") is None:
        pytest.fail("needs root and losetup")
    _detach_leftovers()
    backing = tmp_path / "baremetal-lifecycle-disk"
    backing.write_bytes(b"\xff" * (30 * MIB))
    made = subprocess.run(["losetup", "-f", "--show", str(backing)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.fail(f"no loop device: {made.stderr}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)
