"""A deployment: which instance is wanted, and what the same playbook does about it in the state found."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from . import _states as states
from ._errors import InvalidRequestError
from ._image import resolve_checksum
from ._node import Node, digest_of
from ._record import NodeRecord
from ._verbs import VERBS
from ._work import FORBIDDING, Plan, check_flags, check_start, state_now

DEPLOY = VERBS["deploy"]

RESUMABLE = frozenset({states.WAIT_CALLBACK, states.DEPLOYING})

BEFORE_AVAILABLE = frozenset({states.ENROLL, states.VERIFYING, states.MANAGEABLE, states.CLEANING})
"""States from which a deployment has to make the node available first."""


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
    check_start(DEPLOY, node, record)
    state = state_now(record)
    wanted = wanted_instance(node)
    if state == states.ACTIVE and record is not None:
        return _plan_for_active(node, record, wanted)
    check_flags(DEPLOY, node, record)
    resume = state in RESUMABLE and record is not None and is_same(wanted, record.instance_info)
    return Plan(DEPLOY.paths[state], wanted, resume=resume or state == states.DEPLOYING)


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
    if node.protected or record.protected:
        what, hint = FORBIDDING["protected"]
        reason = f" ({record.protected_reason})" if record.protected_reason else ""
        raise InvalidRequestError(
            f"Node {node.name} {what}{reason}, which forbids a rebuild.", node=node.name, hint=hint
        )
    return Plan(DEPLOY.paths[states.ACTIVE], wanted)
