"""bm_root_device: choose the disk that gets the image, by the node's hints, and keep the choice."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .. import _deployment as deployment
from .. import _root_device as root_device
from .._argspec import NODE_SPEC
from .._request import Request, Result, state_of

ARGUMENT_SPEC = {**NODE_SPEC, "disks": {"type": "list", "elements": "dict", "required": True}}

_KEPT = ("name", "by_path", "size_bytes", "serial", "wwn", "model")


def run(request: Request) -> Result:
    """Return ``device``, the path of the one disk that fits, and ``disk``, all that is known of it.

    :raises RootDeviceError: none fits, or more than one; the node is ``deploy failed`` then, if it was deploying.
    """
    node = request.node
    if request.check_mode:
        disk = root_device.choose(request.params["disks"], node.root_device, node.name)
        return {**state_of(request.store.get(node.name)), "device": root_device.path_of(disk), "disk": dict(disk)}
    with deployment.hold(request) as task:
        disk = root_device.choose(request.params["disks"], node.root_device, node.name)
        task.record.instance_info["disk"] = {key: disk.get(key) for key in _KEPT}
        task.note("root device", root_device.describe(disk))
        return {**state_of(task.record), "device": root_device.path_of(disk), "disk": dict(disk)}
