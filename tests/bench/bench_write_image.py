"""Measures bm_write_image against a local web server, into a file; prints, asserts nothing.

Run it as ``python tests/bench/bench_write_image.py [MiB]`` with the collection on the path, on a quiet machine.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import lzma
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".collections"))

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.image import ImageRequest, write_image

MIB = 1024 * 1024


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


def make_images(folder: Path, size: int) -> list[str]:
    """Make an image, a third of it data that compresses by half, in all its forms; return their names."""
    raw = folder / "image.raw"
    with raw.open("wb") as file:
        file.truncate(size * MIB)
    subprocess.run(["sgdisk", "-n", "1:2048:0", str(raw)], check=True, stdout=subprocess.DEVNULL)
    source = random.Random(1)
    half = bytes(range(256)) * 2048
    with raw.open("r+b") as file:
        for start in range(2, size - 2, 12):
            file.seek(start * MIB)
            for dummy in range(4):
                file.write(source.randbytes(MIB // 2) + half)
    data = raw.read_bytes()
    (folder / "image.raw.gz").write_bytes(gzip.compress(data, 1))
    (folder / "image.raw.xz").write_bytes(lzma.compress(data, preset=0))
    subprocess.run(["zstd", "-q", "-3", str(raw)], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(folder / "image.qcow2")], check=True)
    return ["image.raw", "image.raw.zst", "image.raw.gz", "image.raw.xz", "image.qcow2"]


def main() -> None:
    """Print a line for each form."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    with tempfile.TemporaryDirectory(prefix="baremetal-lifecycle-bench-") as name:
        folder = Path(name)
        names = make_images(folder, size)
        disk = folder / "disk"
        with disk.open("wb") as file:
            file.truncate(size * MIB)
        handler = functools.partial(_Quiet, directory=name)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for image in names:
                checksum = hashlib.sha256((folder / image).read_bytes()).hexdigest()
                url = f"http://127.0.0.1:{server.server_address[1]}/{image}"
                form = "qcow2" if image.endswith("qcow2") else "raw"
                result = write_image(ImageRequest(url, f"sha256:{checksum}", str(disk), form))
                seconds = result["seconds"]
                print(
                    f"{image:15} {result['bytes_fetched'] // MIB:5} MiB fetched, {size} MiB image: "
                    f"write {seconds['fetch_write']:6.2f} s ({size / seconds['fetch_write']:6.0f} MiB/s), "
                    f"verify {seconds['verify']:5.2f} s ({size / max(seconds['verify'], 0.01):6.0f} MiB/s), "
                    f"total {seconds['total']:6.2f} s",
                    flush=True,
                )
            server.shutdown()


if __name__ == "__main__":
    main()
