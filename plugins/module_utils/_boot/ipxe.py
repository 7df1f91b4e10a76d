"""Boot interface ipxe: the network card asks the boot server, which hands out the node's own script for iPXE."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._drivers.base import PXE
from .._errors import InvalidRequestError
from . import ramdisk
from .agent import Connection, make_key_pair
from .base import BootInterface
from .publication import Publication, check_entry

ENTRY = "chain --autofree {url}/boot.ipxe\n"
"""What is found by MAC address; it can be guessed, so it only points to what can't.

It ends as the script does that it points to: the boot server's boot.ipxe goes on to the disk then.
"""

SCRIPT = """\
#!ipxe
kernel --name vmlinuz {url}/vmlinuz initrd=initrd.img {arguments} || goto failed
initrd --name initrd.img {url}/initrd.img || goto failed
boot || goto failed
:failed
echo The deploy ramdisk could not be loaded. Next boot device in 5 seconds.
sleep 5
exit 1
"""


class IPXE(BootInterface):
    """PXE or UEFI network boot into iPXE, kernel and ramdisk over HTTP.

    Nobody proves who they are here, so the ramdisk gets no private key: it makes its own host key, and the first one
    that is seen is pinned.
    """

    calls = ("boot once from pxe",)

    @property
    def _entry(self) -> str:
        mac = (self.node.boot_mac or "").lower().replace(":", "-")
        return f"ipxe/{mac}.ipxe"

    def check_sources(self) -> None:
        if not self.node.boot_mac:
            raise InvalidRequestError(
                "bm_boot_mac is missing: the boot server knows a node by it.",
                node=self.node.name,
                hint="Set it to the MAC address of the port that boots.",
            )
        ramdisk.check_files(self.node, ("kernel", "initrd"))
        server = self.node.boot_server or {}
        ramdisk.checked_word(server["url"], self.node)
        check_entry(self.node, self._entry)

    def check_bmc(self) -> None:
        self.driver.management.check_boot_device(PXE, mode=self.node.boot_mode)

    def publish(self, publication: Publication, connection: Connection, deployment: str) -> None:
        node = self.node
        client = make_key_pair()
        connection.write_keys(None, client)
        initrd = ramdisk.read_file(node, "initrd")
        archive = ramdisk.node_archive(node, None, client, deployment)
        url = publication.open(node, "boot.ipxe", self._entry)
        arguments = ramdisk.kernel_command_line(node)
        publication.write(node, "vmlinuz", ramdisk.read_file(node, "kernel"))
        # The kernel wants an archive after a compressed one to begin at a multiple of four bytes.
        publication.write(node, "initrd.img", initrd + bytes(-len(initrd) % 4) + archive)
        publication.write(node, "boot.ipxe", SCRIPT.format(url=url, arguments=arguments).encode())
        publication.write_entry(node, ENTRY.format(url=url).encode())

    def boot(self, url: str, *, persistent: bool = False) -> None:
        self.driver.management.set_boot_device(PXE, mode=self.node.boot_mode)

    def clean_up(self, url: str | None) -> None:
        """Nothing was given to the BMC but the boot device."""
