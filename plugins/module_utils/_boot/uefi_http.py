"""Boot interface http: the firmware itself fetches the node's own ISO (UEFI HTTP boot, UEFI 2.10, section 24.7)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._errors import InvalidRequestError
from .virtual_media import OwnMedia


class HTTP(OwnMedia):
    """The BMC tells the firmware the URL (Redfish Boot.HttpBootUri); the firmware gets its address by DHCP."""

    boots_iso = False
    calls = ("boot once from URL",)

    def check_bmc(self) -> None:
        if self.node.boot_mode != "uefi":
            raise InvalidRequestError(
                "UEFI firmware alone can boot over HTTP; bm_boot_mode is bios.",
                node=self.node.name,
                hint="Set bm_boot_interface: ipxe, or bm_boot_mode: uefi.",
            )
        super().check_bmc()
        self.driver.management.check_http_boot()

    def boot(self, url: str, *, persistent: bool = False) -> None:
        self.driver.management.set_http_boot(url)

    def clean_up(self, url: str | None) -> None:
        """The URL goes with the boot device that is set next.

        Some BMCs fetch the image themselves and show it as a CD: that is taken out, if it is ours.
        """
        drive = self.driver.virtual_media
        if drive is not None and url is not None and drive.get_media() == url:
            drive.eject_media()
