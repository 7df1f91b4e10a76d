"""The config drive: built from its parts, or taken finished, and kept beside the store.

Layout: OpenStack's config drive v2, ``openstack/latest/*.json``, on ISO 9660 with the label ``config-2``
(cloud-init documentation, "Config drive" data source).
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import gzip
import json
import typing as t
import uuid

from .._boot.iso import make_iso
from .._contract.node import Node
from .._errors import InvalidRequestError
from .fetch import fetch

LABEL = "config-2"
SIZE_LIMIT = 64 * 1024 * 1024
"""Bytes; the size of the partition, as in Ironic."""


def build(node: Node) -> bytes | None:
    """Return the config drive of a node as a file system image, None if it has none.

    :raises InvalidRequestError: what was given finished is no file system image, or too large.
    :raises ImageError: the URL of a finished one can't be fetched.
    """
    source = node.config_drive
    if not source:
        return None
    if "iso" in source:
        content = _decode(source["iso"], node.name)
    elif "url" in source:
        content = _unzip(fetch(source["url"], limit=SIZE_LIMIT, node=node.name))
    else:
        content = make_iso(_files(source, node.name), LABEL)
    if content[32769:32774] != b"CD001" and content[510:512] != b"\x55\xaa":
        raise InvalidRequestError(
            "The finished config drive is neither ISO 9660 nor VFAT.", node=node.name, hint="Correct bm_config_drive."
        )
    if len(content) > SIZE_LIMIT:
        raise InvalidRequestError(
            f"The config drive has {len(content)} bytes; at most {SIZE_LIMIT} fit.",
            node=node.name,
            hint="Make user_data smaller.",
        )
    return content


def _files(source: t.Mapping[str, t.Any], node: str) -> dict[str, bytes]:
    meta_data = {"uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, node)), "hostname": node, **source.get("meta_data", {})}
    files = {"meta_data.json": json.dumps(meta_data)}
    user_data = source.get("user_data")
    if user_data is not None:
        files["user_data"] = user_data if isinstance(user_data, str) else f"#cloud-config\n{json.dumps(user_data)}\n"
    for key in ("network_data", "vendor_data"):
        if key in source:
            files[f"{key}.json"] = json.dumps(source[key])
    return {f"openstack/latest/{name}": content.encode() for name, content in files.items()}


def _decode(text: str, node: str) -> bytes:
    try:
        return _unzip(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, OSError) as exc:
        raise InvalidRequestError(
            f"bm_config_drive.iso is not base64: {exc}.", node=node, hint="Encode the image with base64."
        ) from exc


def _unzip(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
