"""The verbs: from which states each may start, by which events, and what it promises. Data only."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from . import states

Paths = t.Mapping[str, tuple[str, ...]]

ABANDONING = "delete"
"""The event that gives up whatever was begun; others must not pass by what another verb has left half way."""


@dataclasses.dataclass(frozen=True)
class Verb:
    """One verb.

    ``paths``: from each state in which it may start, or is found half way, the events that lead to its working
    state. ``reached``: states in which nothing is left to do. ``end``: the event that ends it. ``kind``: whose
    user steps it runs (deploy, clean or service). ``forbidden``: flags of a node that forbid it. ``target``: what it
    works towards, where that is not what its states mean by themselves.
    """

    name: str
    does: str
    never: str
    paths: Paths
    reached: frozenset[str] = frozenset()
    end: str = "done"
    kind: str | None = None
    forbidden: tuple[str, ...] = ()
    validates: tuple[str, ...] = ("node", "power", "management")
    target: str | None = None


def _work(working: str, waiting: str | None, starts: Paths) -> Paths:
    """Return ``starts`` and the ways back into work that a dead run has left."""
    return {**starts, **({waiting: ("resume",)} if waiting else {}), working: ()}


_CLEAN = (states.CLEANING, states.CLEAN_WAIT)
_HAS_INSTANCE = (
    states.ACTIVE,
    states.DEPLOY_FAILED,
    states.ERROR,
    states.RESCUE,
    states.RESCUE_FAILED,
    states.RESCUE_WAIT,
    states.SERVICE_FAILED,
    states.SERVICE_WAIT,
    states.UNRESCUE_FAILED,
    states.WAIT_CALLBACK,
)
_BOOTS = ("node", "power", "management", "boot")
_DEPLOYS = ("node", "deploy", "power", "management", "boot")

VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "enroll",
            "Registers the node, proves that the BMC answers to the credentials, and records its power state, boot"
            " mode and firmware versions.",
            "Switches nothing on or off; changes nothing on the BMC.",
            _work(states.VERIFYING, None, {states.ENROLL: ("manage",)}),
            reached=frozenset(states.TARGETS) - {states.ENROLL, states.VERIFYING},
        ),
        Verb(
            "inspect",
            "Reads the hardware from the BMC and in the ramdisk, keeps it with the node, and reports what differs"
            " from the inventory.",
            "Writes to no disk; corrects no difference.",
            _work(
                states.INSPECTING,
                states.INSPECT_WAIT,
                {states.MANAGEABLE: ("inspect",), states.INSPECT_FAILED: ("inspect",)},
            ),
            validates=_BOOTS,
        ),
        Verb(
            "clean",
            "Runs the clean steps that it is given, in their order, and keeps the evidence of each erased disk.",
            "Touches a disk outside of bm_erase.allow, or one in bm_erase.skip; makes the node available.",
            _work(*_CLEAN, {states.MANAGEABLE: ("clean",), states.CLEAN_FAILED: ("manage", "clean")}),
            end="manage",
            kind="clean",
            validates=_BOOTS,
            target=states.MANAGEABLE,
        ),
        Verb(
            "provide",
            "Makes the node available, with bm_automated_clean after automated cleaning.",
            "Offers a retired node.",
            _work(
                *_CLEAN,
                {
                    states.ENROLL: ("manage", "done", "provide"),
                    states.VERIFYING: ("done", "provide"),
                    states.MANAGEABLE: ("provide",),
                    states.CLEAN_FAILED: ("manage", "provide"),
                },
            ),
            reached=frozenset({states.AVAILABLE}),
            kind="clean",
            forbidden=("retired",),
            validates=_BOOTS,
        ),
        Verb(
            "deploy",
            "Takes the node from wherever it is to active: image written and read back, config drive, boot entry. With"
            " bm_automated_clean the verb provide comes first, also where that was left half way or has failed.",
            "Replaces another instance without bm_rebuild; writes a disk that no hint has chosen.",
            _work(
                states.DEPLOYING,
                states.WAIT_CALLBACK,
                {
                    states.ENROLL: ("manage", "done", "provide", "done", "deploy"),
                    states.VERIFYING: ("done", "provide", "done", "deploy"),
                    states.MANAGEABLE: ("provide", "done", "deploy"),
                    states.CLEANING: ("done", "deploy"),
                    states.AVAILABLE: ("deploy",),
                    states.DEPLOY_FAILED: ("deploy",),
                    states.ACTIVE: ("rebuild",),
                },
            ),
            kind="deploy",
            forbidden=("retired",),
            validates=_DEPLOYS,
        ),
        Verb(
            "rebuild",
            "Replaces the instance with bm_image and bm_config_drive as they are now, also after a deployment that"
            " failed; with the same ones there is nothing to do.",
            "Deploys a node that has no instance; touches a protected node, or a partition in bm_preserve_partitions.",
            _work(
                states.DEPLOYING,
                states.WAIT_CALLBACK,
                dict.fromkeys((states.ACTIVE, states.DEPLOY_FAILED, states.ERROR), ("rebuild",)),
            ),
            kind="deploy",
            forbidden=("protected",),
            validates=_DEPLOYS,
        ),
        Verb(
            "undeploy",
            "Powers the instance off, takes back what its deployment left on BMC and boot server, cleans the disks"
            " with bm_automated_clean, and makes the node available (manageable, where it is retired).",
            "Touches a protected node.",
            _work(
                *_CLEAN,
                {
                    **dict.fromkeys(_HAS_INSTANCE, ("delete", "clean")),
                    states.DELETING: ("clean",),
                    states.CLEAN_FAILED: ("manage", "provide"),
                },
            ),
            reached=frozenset({states.AVAILABLE, states.MANAGEABLE, states.ENROLL}),
            kind="clean",
            forbidden=("protected",),
            validates=_BOOTS,
        ),
        Verb(
            "adopt",
            "Takes over a machine that somebody else deployed, as active with the inventory's bm_image.",
            "Switches it on or off, changes its boot device, or writes to its disk.",
            _work(states.ADOPTING, None, {states.MANAGEABLE: ("adopt",), states.ADOPT_FAILED: ("adopt",)}),
            reached=frozenset({states.ACTIVE}),
        ),
        Verb(
            "rescue",
            "Boots the ramdisk and lets the operator in, by SSH keys or a one-time password.",
            "Mounts or writes a disk.",
            _work(
                states.RESCUING,
                states.RESCUE_WAIT,
                dict.fromkeys(
                    (states.ACTIVE, states.RESCUE_FAILED, states.UNRESCUE_FAILED, states.SERVICE_FAILED), ("rescue",)
                ),
            ),
            reached=frozenset({states.RESCUE}),
            validates=_BOOTS,
        ),
        Verb(
            "unrescue",
            "Powers the ramdisk off and boots the instance again.",
            "Writes to a disk.",
            _work(
                states.UNRESCUING,
                None,
                dict.fromkeys((states.RESCUE, states.RESCUE_FAILED, states.UNRESCUE_FAILED), ("unrescue",)),
            ),
            reached=frozenset({states.ACTIVE}),
        ),
        Verb(
            "service",
            "Runs the service steps on an active node; where one needs the ramdisk, the instance is shut down, and"
            " booted again afterwards.",
            "Changes the instance by itself: only the given steps do anything.",
            _work(
                states.SERVICING,
                states.SERVICE_WAIT,
                dict.fromkeys((states.ACTIVE, states.SERVICE_FAILED), ("service",)),
            ),
            kind="service",
            validates=_BOOTS,
        ),
    )
}
"""All verbs that are work; the rest (abort, hold, unhold, maintenance, delete …) are single acts of bm_state."""
