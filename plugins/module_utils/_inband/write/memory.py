"""How much memory an image may take: what the machine has free, less what the ramdisk needs itself."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

from ..._errors import ImageError

MEMINFO = Path("/proc/meminfo")
_RESERVE = 128 * 1024 * 1024
_LEAST = 8 * 1024 * 1024  # what every decompressor may have
_MOST = 2 * 1024**3
_MEM_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)


def get_free_memory() -> int:
    """Return how many bytes may be used; 2 GiB where the kernel does not tell."""
    try:
        found = _MEM_AVAILABLE.search(MEMINFO.read_text(encoding="ascii"))
    except OSError:
        found = None
    return max(0, int(found[1]) * 1024 - _RESERVE) if found else _MOST


def get_window_limit() -> int:
    """Return how many bytes a decompressor may look back: never more than 2 GiB, which no honest image needs."""
    return max(_LEAST, min(_MOST, get_free_memory()))


def needs_memory(name: str, compression: str, window: int = 0) -> ImageError:
    """Return the error for an image whose decompression would use up the machine."""
    wanted = f"{window >> 20} MiB" if window else "more"
    return ImageError(
        f"The image {name} needs {wanted} of memory to be decompressed ({compression}), "
        f"{get_window_limit() >> 20} MiB are free.",
        hint="Compress it with a smaller window: zstd without --long and --ultra, xz -6.",
    )
