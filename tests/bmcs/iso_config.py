"""Supermicro's CfgCD, as a player has it: what is mounted is in the collection only while it is."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from tests.redfish import Answer, make_error

DONE: Answer = (200, {"Success": {"code": "Base.1.0.0.Success", "Message": "Successfully Completed Request."}}, {})


def mount(player: t.Any, path: str) -> Answer:
    """Mount what Host and Path of the drive name."""
    collection, drive = path.rpartition("/")[0], player.tree[path]
    if not (drive.get("Host") and drive.get("Path")):
        return make_error(400, "There is no Host or Path.")
    if f"{collection}/CD1" in player.tree:
        player.doubles.append("insert")
        return make_error(400, "Something is mounted.")

    def become() -> None:
        player.tree[f"{collection}/CD1"] = {
            "@odata.id": f"{collection}/CD1",
            "@odata.type": "#VirtualMedia.v1_2_0.VirtualMedia",
            **{"Id": "CD1", "Name": "Virtual Removable Media", "ConnectedVia": "URI", "Inserted": True},
            **{"Image": f"{drive['Host']}{drive['Path']}", "ImageName": drive["Path"].rpartition("/")[2]},
        }
        _list(player, collection, [{"@odata.id": f"{collection}/CD1"}])

    player._after(player.does["media"]["seconds"], become)
    player.acts.append("insert")
    return DONE


def unmount(player: t.Any, path: str) -> Answer:
    """Take it away again; of what was not mounted too."""
    collection = path.rpartition("/")[0]
    if player.tree.pop(f"{collection}/CD1", None) is None:
        player.doubles.append("eject")
    _list(player, collection, None)
    player.acts.append("eject")
    return DONE


def _list(player: t.Any, collection: str, members: list[dict[str, str]] | None) -> None:
    listing = player.tree[collection]
    listing.pop("Members", None)
    if members is not None and player.does["media"]["lists"]:
        listing["Members"] = members
    listing["Members@odata.count"] = len(members or ())
