"""The image of the benches: as small as a bootable one can be, behind a web server on this machine."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import subprocess
import threading
import typing as t
from pathlib import Path

MIB = 1024 * 1024
IMAGE_MIB = 8
ESP_MIB = 5


def _run(*command: t.Any) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def make_image(folder: Path) -> None:
    """Write disk.img, a GPT with an EFI system partition that holds a loader, and its SHA256SUMS."""
    image, esp, loader = folder / "disk.img", folder / "esp", folder / "loader"
    with esp.open("wb") as file:
        file.truncate(ESP_MIB * MIB)
    _run("mkfs.vfat", "-F", "16", "-s", "1", esp)
    _run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    loader.write_bytes(bytes(range(256)) * 1024)
    _run("mcopy", "-i", esp, loader, "::/EFI/BOOT/BOOTX64.EFI")
    with image.open("wb") as file:
        file.truncate(IMAGE_MIB * MIB)
    _run("sgdisk", "-n", f"1:2048:+{ESP_MIB}M", "-t", "1:ef00", image)
    with image.open("r+b") as file:
        file.seek(MIB)
        file.write(esp.read_bytes())
    esp.unlink()
    loader.unlink()
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(image.read_bytes()).hexdigest()}  {image.name}\n")


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Be quiet."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_args: object) -> None:
        """Be quiet: a run that is interrupted leaves requests half done."""


@contextlib.contextmanager
def serve(folder: Path) -> t.Iterator[str]:
    """Serve a folder; give the URL."""
    with _Server(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
