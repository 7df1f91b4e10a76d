"""How a deploy ramdisk gets to a node: prepared on the controller, booted over the BMC, and nothing left behind."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import abc
import typing as t
from pathlib import Path

from .._contract.node import Node
from .._drivers.base import Driver
from .._errors import InvalidRequestError
from .agent import Connection
from .publication import Publication


class BootInterface(abc.ABC):
    """One way to boot. Which one a node has is bm_boot_interface."""

    calls: t.ClassVar[tuple[str, ...]]
    """What ``boot`` asks of the BMC, in words: for check mode."""

    clean_up_calls: t.ClassVar[tuple[str, ...]] = ()
    """What ``clean_up`` asks of the BMC, in words."""

    boots_iso: t.ClassVar[bool] = False
    """Whether any ISO can be booted with it, as the deploy interface ``ramdisk`` does."""

    boots_securely: t.ClassVar[bool] = False
    """Whether what it boots can be signed for Secure Boot."""

    def __init__(self, node: Node, driver: Driver) -> None:
        self.node = node
        self.driver = driver

    def check(self) -> None:
        """Check that it can work for this node, changing nothing; asks the BMC.

        :raises InvalidRequestError: naming the variable to correct.
        :raises UnsupportedOperationError: this BMC can't.
        """
        node = self.node
        if node.deploy_interface == "ramdisk" and not self.boots_iso:
            raise InvalidRequestError(
                f"bm_boot_interface {node.boot_interface} can't boot an ISO as the instance.",
                node=node.name,
                hint="Set bm_boot_interface: virtual_media, or another bm_deploy_interface.",
            )
        if node.secure_boot and not (self.boots_securely and node.boot_mode == "uefi"):
            raise InvalidRequestError(
                f"Secure Boot does not work with bm_boot_interface {node.boot_interface} and bm_boot_mode"
                f" {node.boot_mode}: nothing there is signed.",
                node=node.name,
                hint="Set bm_boot_interface: virtual_media or http and bm_boot_mode: uefi; or bm_secure_boot: false.",
            )
        if node.deploy_interface == "direct" and self.driver.agent is None:
            Connection.of(node, Path(node.state_dir))
            self.check_sources()
        self.check_bmc()

    def prepare(self, publication: Publication, folder: Path, deployment: str) -> None:
        """Publish what the machine will boot; what was published before is taken back first.

        :param folder: where the keys of the connection to the ramdisk are kept.
        :raises InvalidRequestError: it can't be made, or the boot server's folder can't be written.
        """
        publication.remove()
        if self.driver.agent is not None:
            publication.announce("fake:ramdisk")
        else:
            self.check_sources()
            self.publish(publication, Connection.of(self.node, folder), deployment)

    @abc.abstractmethod
    def check_sources(self) -> None:
        """Check what the ramdisk is made of.

        :raises InvalidRequestError: naming the variables that are missing.
        """

    @abc.abstractmethod
    def check_bmc(self) -> None:
        """Check that the BMC can do its part.

        :raises UnsupportedOperationError: it can't.
        """

    @abc.abstractmethod
    def publish(self, publication: Publication, connection: Connection, deployment: str) -> None:
        """Make keys and files, and publish them."""

    @abc.abstractmethod
    def boot(self, url: str, *, persistent: bool = False) -> None:
        """Make the machine, which is off, boot ``url`` at its next power-on.

        :raises BMCError: the BMC is away, refuses or forgets.
        """

    @abc.abstractmethod
    def clean_up(self, url: str | None) -> None:
        """Take back from the BMC what ``boot`` gave it, but for the boot device. Idempotent.

        :raises BMCError: the BMC is away or refuses.
        """
