"""Values of the kernel's virtual file systems: one text in one file."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path


def read_value(path: Path) -> str | None:
    """Return a file's text; None where it is absent, or the kernel has no answer (a port that is down)."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
