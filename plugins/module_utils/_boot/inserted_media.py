"""Boot interface inserted_media: a CD that an operator has put into the machine."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from .._drivers.base import CDROM
from .._errors import InvalidRequestError
from .agent import Connection
from .base import BootInterface
from .publication import Publication


class InsertedMedia(BootInterface):
    """Made once, by bm_boot_media; nothing is published, and nothing is inserted or ejected over the BMC."""

    calls = ("boot once from cdrom",)
    boots_securely = True  # bm_boot_media sees to it

    def check_sources(self) -> None:
        key = self.node.ramdisk.ssh_key
        if not key or not Path(key).expanduser().is_file():
            raise InvalidRequestError(
                f"bm_ramdisk.ssh_key is {f'not a file: {key}' if key else 'missing'}.",
                node=self.node.name,
                hint="Make media and key with baremetal.lifecycle.boot_media, and put the media into the machine.",
            )

    def check_bmc(self) -> None:
        self.driver.management.check_boot_device(CDROM, mode=self.node.boot_mode)

    def publish(self, publication: Publication, connection: Connection, deployment: str) -> None:
        connection.forget_host_key()
        publication.announce("inserted media")

    def boot(self, url: str, *, persistent: bool = False) -> None:
        self.driver.management.set_boot_device(CDROM, mode=self.node.boot_mode)

    def clean_up(self, url: str | None) -> None:
        """The media stay where they are."""
