"""ISO 9660 images: for config drives, and for boot media of UEFI machines."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import typing as t

from .. import _dependency


def make_iso(files: t.Mapping[str, bytes], label: str, *, efi_image: str | None = None) -> bytes:
    """Return an ISO 9660 image with Rock Ridge and Joliet names.

    :param files: content by path, such as ``openstack/latest/meta_data.json``.
    :param efi_image: the path among ``files`` of a FAT image that UEFI firmware boots (El Torito, platform 0xEF).
    """
    iso = _dependency.load("pycdlib", "pycdlib").PyCdlib()
    iso.new(interchange_level=4, joliet=3, rock_ridge="1.09", vol_ident=label)
    folders: set[str] = set()
    for path, content in files.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/" + "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                iso.add_directory(folder.upper(), rr_name=parts[depth - 1], joliet_path=folder)
        iso.add_fp(io.BytesIO(content), len(content), f"/{path.upper()}", rr_name=parts[-1], joliet_path=f"/{path}")
    if efi_image:
        iso.add_eltorito(f"/{efi_image.upper()}", efi=True, platform_id=0xEF)
    result = io.BytesIO()
    iso.write_fp(result)
    iso.close()
    return result.getvalue()
