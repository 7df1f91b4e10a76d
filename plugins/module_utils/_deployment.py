"""A deployment: what is wanted, how far it is, and which files it keeps on its controller."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t
from pathlib import Path

from . import _states as states
from . import _steps as steps
from ._agent import Connection
from ._boot.registry import boot_interface
from ._drivers.base import POWER_OFF
from ._errors import (
    BareMetalError,
    BMCAuthenticationError,
    BMCConnectionError,
    BMCError,
    InvalidRequestError,
    InvalidStateError,
)
from ._image import resolve_checksum
from ._machine import allowed_events
from ._node import Node, digest_of
from ._publication import Publication
from ._record import NodeRecord
from ._request import Request
from ._task import Task, acquire

PATHS: dict[str, tuple[str, ...]] = {
    states.ENROLL: ("manage", "done", "provide", "done", "deploy"),
    states.VERIFYING: ("done", "provide", "done", "deploy"),
    states.MANAGEABLE: ("provide", "done", "deploy"),
    states.CLEANING: ("done", "deploy"),
    states.AVAILABLE: ("deploy",),
    states.DEPLOY_FAILED: ("deploy",),
    states.WAIT_CALLBACK: ("resume",),
    states.DEPLOYING: (),
    states.ACTIVE: ("rebuild",),
}
"""From each state in which a deployment may start, or is found half way, the events that lead to deploying."""

RESUMABLE = frozenset({states.WAIT_CALLBACK, states.DEPLOYING})


class Files:
    """What a deployment keeps on its controller, for the owner of the run only."""

    def __init__(self, node: Node) -> None:
        self.folder = Path(node.state_dir) / node.name
        self.config_drive = self.folder / "config_drive.b64"
        self.publication = Publication(self.folder / "media.json")

    def remove_keys(self) -> None:
        """Remove the keys of a ramdisk that is gone. Idempotent."""
        for name in ("ramdisk_key", "known_hosts"):
            (self.folder / name).unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a deployment of this node would do now: the events up to deploying, and what will be kept of it."""

    events: tuple[str, ...]
    instance_info: dict[str, t.Any]
    resume: bool = False

    @property
    def needed(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.events) or self.resume


def wanted_instance(node: Node) -> dict[str, t.Any]:
    """Return what identifies the wanted instance: image digest, config drive digest, root disk.

    :raises InvalidRequestError: there is no image, or no usable checksum.
    :raises ImageError: the checksum can't be fetched.
    """
    image = node.image
    if node.deploy_interface != "noop" and image is None:
        raise InvalidRequestError(
            "bm_image is missing.", node=node.name, hint="Say what to deploy: bm_image.url and bm_image.checksum."
        )
    checksum = None
    if image is not None and (node.deploy_interface == "direct" or image.checksum):
        checksum = resolve_checksum(image, node.name)
    return {
        "deploy_interface": node.deploy_interface,
        "image_url": image.url if image else None,
        "image_checksum": checksum,
        "config_drive": digest_of(node.config_drive) if node.config_drive else None,
        "root_device": digest_of(dict(node.root_device)),
    }


def is_same(wanted: t.Mapping[str, t.Any], recorded: t.Mapping[str, t.Any]) -> bool:
    """Say whether two instances are the same: an image is known by its digest, without one by its URL."""
    keys = {*wanted} - ({"image_url"} if wanted["image_checksum"] else set())
    return all(recorded.get(key) == wanted[key] for key in keys)


def make_plan(node: Node, record: NodeRecord | None) -> Plan:
    """Decide from the state found what the same playbook does now.

    :raises InvalidStateError: no deployment can start there.
    :raises InvalidRequestError: an active node would be replaced, which was not asked for.
    """
    state = record.provision_state if record else states.INITIAL_STATE
    if state not in PATHS:
        raise InvalidStateError(
            f"Node {node.name} is '{state}', where no deployment can start.",
            node=node.name,
            hint=f"Allowed in '{state}': {', '.join(allowed_events(state))}. Deployments start in: {', '.join(PATHS)}.",
        )
    wanted = wanted_instance(node)
    if state == states.ACTIVE and record is not None:
        return _plan_for_active(node, record, wanted)
    resume = state in RESUMABLE and record is not None and is_same(wanted, record.instance_info)
    return Plan(PATHS[state], wanted, resume=resume or state == states.DEPLOYING)


def _plan_for_active(node: Node, record: NodeRecord, wanted: dict[str, t.Any]) -> Plan:
    if is_same(wanted, record.instance_info):
        return Plan((), record.instance_info)
    differing = ", ".join(sorted(key for key in wanted if record.instance_info.get(key) != wanted[key]))
    if not node.rebuild:
        raise InvalidRequestError(
            f"Node {node.name} is active with another instance; different: {differing}.",
            node=node.name,
            hint="To replace it and lose what is on its disk, set bm_rebuild: true.",
        )
    if node.protected:
        raise InvalidRequestError(
            f"Node {node.name} is protected.", node=node.name, hint="Set bm_protected: false to rebuild it."
        )
    return Plan(PATHS[states.ACTIVE], wanted)


def hold(request: Request) -> t.ContextManager[Task]:
    """Reserve a node for its deployment; a failure tidies up. See _task.acquire."""
    return acquire(
        request.store,
        request.node,
        request.owner,
        "deploy",
        timeout=request.reservation_timeout,
        on_failure=abandon(request),
    )


def agent_answers(request: Request) -> tuple[bool, str]:
    """Ask the ramdisk once; return whether it answers and what was seen."""
    agent = request.driver.agent or Connection.of(request.node, Files(request.node).folder)
    return agent.probe()


def current_step(record: NodeRecord) -> dict[str, t.Any] | None:
    """Return the first step that is not done, None after the last."""
    return next((entry for entry in record.steps if entry["status"] != steps.DONE), None)


def mark(task: Task, entry: dict[str, t.Any], status: str) -> None:
    """Write down how far a step is; done comes with its seconds."""
    entry["status"] = status
    if status == steps.RUNNING:
        entry["started_at"] = time.time()
        task.note("step", f"{entry['step']} started")
    elif status == steps.DONE:
        seconds = round(time.time() - entry.pop("started_at", time.time()), 3)
        entry["seconds"] = seconds
        task.phases[entry["step"]] = seconds
        task.note("step", f"{entry['step']} done", seconds=seconds)


def add_counters(task: Task, request: Request) -> None:
    """Add what this call did to the BMC to the deployment's own counters."""
    info = task.record.driver_internal_info
    info["bmc_requests"] = info.get("bmc_requests", 0) + request.driver.counters.bmc_requests
    info["power_ons"] = info.get("power_ons", 0) + request.driver.counters.power_ons


def abandon(request: Request) -> t.Callable[[Task, BareMetalError], None]:
    """Return what tidies up after a failed deployment: no media, no keys, and nothing boots from a half-written disk.

    A machine that this deployment has not started is left as it is.
    """

    def tidy(task: Task, exc: BareMetalError) -> None:
        files = Files(request.node)
        url = files.publication.url
        try:
            files.publication.remove()
        except InvalidRequestError as left:
            task.note("tidy up", left.message)
        info = task.record.driver_internal_info
        if task.record.provision_state != states.DEPLOY_FAILED or not info.pop("ramdisk_booted", False):
            return
        if not isinstance(exc, (BMCConnectionError, BMCAuthenticationError)):
            with contextlib.suppress(BMCError):
                request.driver.power.set_power_state(POWER_OFF)
                task.record.power_state = POWER_OFF
            with contextlib.suppress(BMCError):
                boot_interface(request.node, request.driver).clean_up(url)
                request.driver.management.clear_boot_device()
        files.remove_keys()
        task.note("tidy up", "machine powered off, nothing left to boot from")

    return tidy
