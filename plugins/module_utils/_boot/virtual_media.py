"""Boot interface virtual_media: the node's own ISO in the BMC's virtual CD drive."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._drivers.base import CDROM, require_virtual_media
from . import media as boot_media
from . import ramdisk
from .agent import Connection, make_key_pair
from .base import BootInterface
from .publication import Publication
from .signatures import check_signed


class OwnMedia(BootInterface):
    """What virtual_media and http share: an ISO made for this deployment, or finished media (bm_ramdisk.iso)."""

    boots_iso = True
    boots_securely = True

    def check_sources(self) -> None:
        if not self.node.ramdisk.iso:
            ramdisk.check_files(self.node, boot_media.FILES)

    def check_bmc(self) -> None:
        node = self.node
        if node.deploy_interface != "direct" or node.ramdisk.iso:
            return
        boot_media.check_boot_mode(node)
        if self.driver.agent is None and (
            node.secure_boot or (node.secure_boot is None and self.driver.management.get_secure_boot())
        ):
            check_signed(node)

    def publish(self, publication: Publication, connection: Connection, deployment: str) -> None:
        if self.node.ramdisk.iso:
            publication.announce(self.node.ramdisk.iso)
            return
        host, client = make_key_pair(), make_key_pair()
        connection.write_keys(host, client)
        content = boot_media.make_media(self.node, host, client, deployment)
        publication.open(self.node, "boot.iso")
        publication.write(self.node, "boot.iso", content)


class VirtualMedia(OwnMedia):
    """The BMC fetches the ISO and shows it to the machine as a CD."""

    calls = ("insert virtual media", "boot from cdrom")
    clean_up_calls = ("eject virtual media",)

    def check_bmc(self) -> None:
        super().check_bmc()
        self.driver.management.check_boot_device(CDROM, mode=self.node.boot_mode)
        require_virtual_media(self.driver).check()

    def boot(self, url: str, *, persistent: bool = False) -> None:
        require_virtual_media(self.driver).insert_media(url)
        self.driver.management.set_boot_device(CDROM, mode=self.node.boot_mode, persistent=persistent)

    def clean_up(self, url: str | None) -> None:
        require_virtual_media(self.driver).eject_media()
