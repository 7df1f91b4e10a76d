"""A deployment: which instance is wanted, and what the same playbook does about it in the state found."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._contract.node import Node, digest_of
from .._errors import InvalidRequestError
from .._image.image import resolve_checksum
from .._states import states
from .._states.verbs import VERBS, Verb
from .._store.record import NodeRecord
from .._url import shown
from .work import Plan, check_flags, check_start, state_now

REBUILD = VERBS["rebuild"]

RESUMABLE = frozenset({states.WAIT_CALLBACK, states.DEPLOYING})

BEFORE_AVAILABLE = frozenset(
    {
        states.ENROLL,
        states.VERIFYING,
        states.MANAGEABLE,
        states.CLEANING,
        states.CLEAN_WAIT,
        states.CLEAN_FAILED,
    }
)
"""States from which a deployment with automated cleaning has to make the node available first, or go on with that."""


def cleans_first(verb: Verb, node: Node, record: NodeRecord | None) -> bool:
    """Say whether a verb is a deployment that the verb ``provide`` has to come before."""
    return verb.name == "deploy" and node.automated_clean and state_now(record) in BEFORE_AVAILABLE


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
        "image_url": shown(image.url) if image else None,
        "image_source": digest_of(image.url) if image else None,
        "image_checksum": checksum,
        "config_drive": digest_of(node.config_drive) if node.config_drive else None,
        "root_device": digest_of(dict(node.root_device)),
    }


def is_same(wanted: t.Mapping[str, t.Any], recorded: t.Mapping[str, t.Any]) -> bool:
    """Say whether two instances are the same: see ``differing``."""
    return not differing(wanted, recorded)


def differing(wanted: t.Mapping[str, t.Any], recorded: t.Mapping[str, t.Any]) -> list[str]:
    """Return in what two instances differ, sorted: an image is known by its digest, without one by its URL."""
    by_url = {"image_url", "image_source"} if wanted["image_checksum"] else set()
    return sorted(key for key in {*wanted} - by_url if recorded.get(key) != wanted[key])


def make_plan(verb: Verb, node: Node, record: NodeRecord | None) -> Plan:
    """Decide from the state found what the same playbook does now.

    :param verb: deploy or rebuild.
    :raises InvalidStateError: no deployment can start there.
    :raises InvalidRequestError: an active node would be replaced, which was not asked for.
    """
    check_start(verb, node, record)
    state = state_now(record)
    wanted = wanted_instance(node)
    if state == states.ACTIVE and record is not None:
        return _plan_for_active(verb, node, record, wanted)
    check_flags(verb, node, record)
    resume = state in RESUMABLE and record is not None and is_same(wanted, record.instance_info)
    return Plan(verb.paths[state], wanted, resume=resume or state == states.DEPLOYING)


def _plan_for_active(verb: Verb, node: Node, record: NodeRecord, wanted: dict[str, t.Any]) -> Plan:
    if is_same(wanted, record.instance_info):
        return Plan((), record.instance_info)
    if verb is not REBUILD and not node.rebuild:
        what = ", ".join(differing(wanted, record.instance_info))
        raise InvalidRequestError(
            f"Node {node.name} is active with another instance; different: {what}.",
            node=node.name,
            hint="To replace it and lose what is on its disk, set bm_rebuild: true.",
        )
    check_flags(REBUILD, node, record)
    return Plan(REBUILD.paths[states.ACTIVE], wanted)
