"""Which nodes an allocation may have, and why not the others. Pure: no store.

The rules are those of the allocation API of OpenStack Ironic: all or none, any of the nodes that fit, by chance.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import dataclasses
import random
import typing as t

from .._errors import InvalidRequestError
from .._states import states
from .record import NodeRecord

REASONS = {
    "unknown": "never enrolled",
    "resource_class": "of another resource class",
    "traits": "without traits",
    "retired": "retired",
    "maintenance": "in maintenance",
    "allocated": "allocated to others",
    "state": "not available",
    "reserved": "reserved by running plays",
}
"""Why a node can't be had, in the order in which that is looked at: a node counts for its first reason alone."""

NAME_LENGTH = 255
"""Characters of an allocation's name that the store keeps."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What is asked for. ``candidates``: the nodes to choose from, None for all that the store knows."""

    allocation: str
    count: int = 1
    resource_class: str | None = None
    traits: frozenset[str] = frozenset()
    candidates: frozenset[str] | None = None

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Needs:
        """Return the needs that the module's options tell.

        :raises InvalidRequestError: they make no sense.
        """
        allocation, count, candidates = params["allocation"].strip(), params["count"], params["candidates"]
        if not 0 < len(allocation) <= NAME_LENGTH:
            raise InvalidRequestError(
                f"An allocation's name has 1 to {NAME_LENGTH} characters, not {len(allocation)}.",
                hint="Name whom the nodes are for.",
            )
        if count < 1:
            raise InvalidRequestError(
                f"Allocation {allocation} asks for {count} nodes.",
                hint="The count is 1 or more; state: absent gives nodes back.",
            )
        return cls(
            allocation,
            count,
            params["resource_class"] or None,
            frozenset(params["traits"] or ()),
            None if candidates is None else frozenset(candidates),
        )

    def is_candidate(self, name: str) -> bool:
        """Say whether a node is one of those to choose from."""
        return self.candidates is None or name in self.candidates


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found: nodes that the allocation has, nodes that it could have, and how many it can't have and why.

    ``barred``: reason, then detail such as the state, then number of nodes.
    """

    needs: Needs
    held: list[str]
    free: list[str]
    barred: dict[str, collections.Counter[str]]

    @property
    def missing(self) -> int:
        """How many nodes are asked for beyond those that the allocation has."""
        return self.needs.count - len(self.held)

    def choose(self) -> list[str]:
        """Return the nodes to add, sorted, chosen by chance so that runs at the same time seldom want the same.

        :raises InvalidRequestError: there are too few, with the reasons; retryable where running plays hold enough.
        """
        if self.missing > len(self.free):
            soon = len(self.free) + self.barred.get("reserved", collections.Counter()).total()
            raise InvalidRequestError(
                self._too_few(),
                hint="Ask for fewer, or make more nodes available.",
                retryable=soon >= self.missing,
            )
        return sorted(random.sample(self.free, self.missing))

    def reasons(self) -> dict[str, t.Any]:
        """Return, by reason, how many ``nodes`` can't be had, and ``by`` detail where there is one."""
        return {
            reason: {"nodes": found.total(), "by": {detail: found[detail] for detail in sorted(found) if detail}}
            for reason, found in self.barred.items()
        }

    def _too_few(self) -> str:
        count, held, free = self.needs.count, len(self.held), len(self.free)
        parts = [f"{count} {'node is' if count == 1 else 'nodes are'} asked for"]
        if held:
            parts.append(f"{held} {'is' if held == 1 else 'are'} held already")
        known = free + sum(found.total() for found in self.barred.values())
        return (
            f"Allocation {self.needs.allocation}: {', '.join(parts)} and {free} {'is' if free == 1 else 'are'} free."
            f" {known} {'known' if self.needs.candidates is None else 'candidates'}{': ' if self.barred else ''}"
            f"{', '.join(_told(reason, entry) for reason, entry in self.reasons().items())}."
        )


def survey(records: t.Iterable[NodeRecord], needs: Needs, *, reserved: t.Collection[str]) -> Survey:
    """Sort all nodes by whether the allocation has them, could have them, or can't have them.

    :param reserved: names of nodes that a running play holds.
    :raises InvalidRequestError: the allocation has nodes that don't fit, or more than are asked for.
    """
    held, free = [], []
    barred: dict[str, collections.Counter[str]] = {reason: collections.Counter() for reason in REASONS}
    unknown = set(needs.candidates or ())
    for record in records:
        unknown.discard(record.name)
        if record.allocation == needs.allocation:
            _check_held(record, needs)
            held.append(record.name)
        elif needs.is_candidate(record.name):
            obstacle = _obstacle(record, needs, reserved)
            if obstacle is None:
                free.append(record.name)
            else:
                barred[obstacle[0]][obstacle[1]] += 1
    if unknown:
        barred["unknown"][""] = len(unknown)
    if len(held) > needs.count:
        raise InvalidRequestError(
            f"Allocation {needs.allocation} has {len(held)} nodes, more than the {needs.count} that are asked for:"
            f" {', '.join(sorted(held))}.",
            hint="None is taken away by itself: give back those that are to go, with state: absent and candidates.",
        )
    return Survey(needs, sorted(held), free, {reason: found for reason, found in barred.items() if found})


def _misfit(record: NodeRecord, needs: Needs) -> tuple[str, str] | None:
    """Return what a node lacks for good, as reason and detail."""
    if needs.resource_class not in (None, record.resource_class):
        return "resource_class", record.resource_class or "none"
    lacking = sorted(needs.traits - set(record.traits))
    return ("traits", ", ".join(lacking)) if lacking else None


def _obstacle(record: NodeRecord, needs: Needs, reserved: t.Collection[str]) -> tuple[str, str] | None:
    """Return the first reason why a node can't be had, with its detail; None where it can."""
    found = (
        ("retired", "", record.retired),
        ("maintenance", "", record.maintenance),
        ("allocated", record.allocation or "", record.allocation is not None),
        ("state", record.provision_state, record.provision_state != states.AVAILABLE),
        ("reserved", "", record.name in reserved),
    )
    return _misfit(record, needs) or next(((reason, detail) for reason, detail, applies in found if applies), None)


def _check_held(record: NodeRecord, needs: Needs) -> None:
    """Refuse to count a node that the allocation got for other needs.

    :raises InvalidRequestError: naming the node and what it lacks.
    """
    misfit = _misfit(record, needs)
    if misfit:
        raise InvalidRequestError(
            f"Allocation {needs.allocation} has node {record.name}, which does not fit what is asked for now:"
            f" it is {REASONS[misfit[0]]} ({misfit[1]}).",
            node=record.name,
            hint="Use another name for other needs, or give the node back first, with state: absent and candidates.",
        )


def _told(reason: str, entry: dict[str, t.Any]) -> str:
    details = ", ".join(f"{detail}: {nodes}" for detail, nodes in entry["by"].items())
    return f"{entry['nodes']} {REASONS[reason]}{f' ({details})' if details else ''}"
