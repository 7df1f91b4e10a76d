"""Supermicro's own virtual CD drive, CfgCD: where an image is, is set in two parts, and mounted by an action.

Machines of the generations X10 and X11 have no other way: their VirtualMedia collection is empty until something is
mounted, and what is mounted then has no InsertMedia. Supermicro, Redfish User's Guide, section Virtual Media; badfish
(mount_virtual_media) and kcli do the same.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from urllib.parse import urlsplit

from .drive import Drive
from .known import Document
from .system import SystemSession

MOUNT, UNMOUNT = "#IsoConfig.Mount", "#IsoConfig.UnMount"

NAME = "CfgCD"
MOUNTED = "CD1"
"""Names in the collection: of the drive, and of what is mounted, which some do not list."""

READING = "read its virtual media"


class IsoConfig(Drive):
    """CfgCD as it was read, with what is mounted."""

    @property
    def takes_media(self) -> bool:
        return bool(self._target(MOUNT))

    @property
    def lacks(self) -> str:
        return f"{self.path} has no IsoConfig.Mount"

    def insert(self, session: SystemSession, url: str) -> None:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        session.change(self.path, {"Host": f"{parts.scheme}://{parts.netloc}", "Path": path})
        session.act(str(self._target(MOUNT)), {})

    def eject(self, session: SystemSession) -> None:
        session.act(str(self._target(UNMOUNT)), {})


def place_in(collection: str) -> str:
    """Return where the drive of a VirtualMedia collection is, if it has one."""
    return f"{collection.rstrip('/')}/{NAME}"


def is_place(path: str) -> bool:
    """Say whether a path is one that ``place_in`` returns."""
    return path.endswith(f"/{NAME}")


def read(session: SystemSession, path: str, actions: Document | None) -> IsoConfig:
    """Return the drive as it is now.

    :param actions: its actions, where they are known.
    :raises BMCResponseError: there is none.
    """
    if actions is None:
        actions = session.read(READING, path).get("Actions") or {}
    collection = path.rpartition("/")[0]
    listed = (session.read_now(READING, collection) or {}).get("Members") or ()
    members = [str(item["@odata.id"]) for item in listed if isinstance(item, dict) and item.get("@odata.id")]
    for place in members or [f"{collection}/{MOUNTED}"]:
        media = Drive(place, session.read_now(READING, place) or {}, by_change=False).media
        if media is not None:
            return IsoConfig(path, {"Actions": actions, "Inserted": True, "Image": media}, by_change=False)
    return IsoConfig(path, {"Actions": actions, "Inserted": False}, by_change=False)
