"""The config drive: built from its parts, or taken finished, and kept beside the store.

Layout: OpenStack's config drive v2, ``openstack/latest/*.json``, on ISO 9660 with the label ``config-2``
(cloud-init documentation, "Config drive" data source).
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
import uuid

from .._boot.iso import make_iso
from .._contract.node import Node
from .._errors import InvalidRequestError
from .._inband.config_drive.config_content import LABEL, MAX_SIZE, decode_content, unpack
from .._inband.write.checksum import Checksum
from .checksums import resolve
from .fetch import fetch


def build(node: Node) -> bytes | None:
    """Return the config drive of a node as a file system image, None if it has none.

    :raises InvalidRequestError: what was given finished is no whole file system image that cloud-init would find.
    :raises ImageError: the URL of a finished one can't be fetched whole, or has another checksum.
    """
    source = node.config_drive
    if not source:
        return None
    try:
        if "iso" in source:
            return decode_content(source["iso"])
        if "url" in source:
            return unpack(_fetch(source, node.name))
        return unpack(make_iso(_files(source, node.name), LABEL))
    except InvalidRequestError as exc:
        exc.node, exc.hint = node.name, f"Correct bm_config_drive. {exc.hint}"
        raise


def _fetch(source: t.Mapping[str, t.Any], node: str) -> bytes:
    url, declared = source["url"], source.get("checksum")
    wanted = Checksum(resolve(declared, url=url, variable="bm_config_drive", node=node)) if declared else None
    content = fetch(url, limit=MAX_SIZE, node=node, what="config drive")
    if wanted:
        for dummy in wanted.tee([content]):
            pass
        wanted.check(url, "config drive")
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
