"""What comes of a BMC that is played: what the doctor finds, and a deployment of an ISO as the instance."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import os
import typing as t
from pathlib import Path

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.examination import MEDIA, OVERRIDE
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.interfaces import Finding
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import sessions
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.registry import connect
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import (
    bmc_doctor,
    deploy,
    prepare,
    validate,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from tests import web
from tests.bmcs.library import Known
from tests.bmcs.player import Player

Result = dict[str, t.Any]

CONTENT = b"\0" * 32768 + b"\1CD001" + b"\0" * 34810
"""An ISO that is one as far as anybody looks (ECMA-119, 8.1)."""

CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"

BMC, ISO = "https://192.0.2.10", "http://192.0.2.1/system.iso"
"""What stands for the addresses that a trial happens to have."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A deployment: ``requests`` and ``connections`` to the BMC, ``logins``; ``booted``: what the machine started from,
    and how; ``refused_by``: the operation that failed, with ``error`` and ``hint``; ``writes``: what had been changed.
    """

    requests: int
    connections: int
    logins: int
    writes: int
    booted: str
    refused_by: str = ""
    error: str = ""
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of a BMC: findings by what they are of, the variables to set, the ``inventory``, and two deployments:
    of a node that is ``new``, and of one whose BMC is ``known``."""

    bmc: Known
    findings: dict[str, Finding]
    variables: dict[str, t.Any]
    inventory: dict[str, t.Any]
    new: Run
    known: Run


def log_in_once() -> None:
    """Let the operations of this process share sessions, as the tasks of a play do; for a process of its own."""
    sessions.share()


def tried(bmc: Known, folder: Path) -> Trial:
    """Play a BMC twice, and return what came of it; each time with a store of its own in ``folder``."""
    with web.serve() as site:
        site.answers["/system.iso"] = web.content(CONTENT)
        with bmc.play() as service:
            new = _Node(service, bmc, site.url, folder / "new").deploy()
        with bmc.play() as service:
            node = _Node(service, bmc, site.url, folder / "known")
            inventory = node.inventory()
            findings, dummy = node.examine(write=False)
            tried, variables = node.examine(write=True)
            findings |= {what: finding for what, finding in tried.items() if what in (OVERRIDE, MEDIA)}
            known = node.deploy()
    return Trial(bmc, findings, variables, inventory, new, known)


class _Node:
    """A node whose BMC is played, and the operations as the role calls them."""

    def __init__(self, service: Player, bmc: Known, site: str, folder: Path) -> None:
        self._service = service
        self._known = bmc
        self._site = site
        self._folder = folder

    def examine(self, *, write: bool) -> tuple[dict[str, Finding], dict[str, t.Any]]:
        told = self._call(bmc_doctor, write=write, media_url=f"{self._site}/system.iso")
        assert not told.get("failed"), told["msg"]
        found = [Finding(**{key: self._plain(text) for key, text in item.items()}) for item in told["findings"]]
        return {finding.what: finding for finding in found}, told["variables"]

    def inventory(self) -> dict[str, t.Any]:
        with connect(Node.from_params(self._params(bmc_doctor))) as driver:
            return driver.inspect.get_inventory() if driver.inspect else {}

    def deploy(self) -> Run:
        bmc = self._service
        before = len(bmc.requests), bmc.connections, bmc.logins, len(bmc.writes)
        failed: dict[str, str] = {}
        for operation in (validate, prepare, deploy):
            result = self._call(operation, verb="deploy")
            if result.get("failed"):
                name = operation.__name__.rpartition(".")[2]
                hint = result["error"].get("hint") or ""
                message = result["msg"].removeprefix("Node node01: ").removesuffix(hint).strip()
                failed = {"refused_by": name, "error": self._plain(message), "hint": hint}
                break
        after = len(bmc.requests), bmc.connections, bmc.logins, len(bmc.writes)
        counts = [now - then for now, then in zip(after, before)]
        return Run(*counts, booted=self._booted(), **failed)

    def _booted(self) -> str:
        """Return what the machine was started from last, in Redfish's words; empty where it was not."""
        if not self._service.starts:
            return ""
        start = self._service.starts[-1]
        names = ("BootSourceOverrideTarget", "BootSourceOverrideEnabled", "BootSourceOverrideMode")
        told = [[boot.get(name) for name in names] for boot in start["boots"]]
        overrides = [", ".join(filter(None, words)) for words in told if words[1] in ("Once", "Continuous")]
        return overrides[-1] if overrides and start["media"] else "something else"

    def _call(self, operation: t.Any, **options: t.Any) -> Result:
        return runner.execute(
            operation.run, self._params(operation, **options), owner=str(owners.current_owner(os.getpid()))
        )

    def _params(self, operation: t.Any, **options: t.Any) -> dict[str, t.Any]:
        bmc = self._service.bmc(system_id=self._known.system_id)
        return {
            **{key: option.get("default") for key, option in operation.ARGUMENT_SPEC.items()},
            "name": "node01",
            "bmc": {"verify": True, "timeout": 10.0, "power_timeout": 30.0, **bmc},
            "state_dir": str(self._folder),
            **{"deploy_interface": "ramdisk", "boot_interface": "virtual_media", "boot_mode": "uefi"},
            "image": {"url": f"{self._site}/system.iso", "checksum": CHECKSUM, "format": "iso"},
            **options,
        }

    def _plain(self, text: str) -> str:
        return text.replace(f"{self._site}/system.iso", ISO).replace(self._service.url, BMC)
