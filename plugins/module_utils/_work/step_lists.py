"""Which steps a verb's work has, in which order: core steps, those of the node, and those that its traits choose."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import dataclasses
import typing as t
from pathlib import Path

from .._contract.check import guess
from .._contract.node import Node
from .._drivers.steps import STEPS as DRIVER_STEPS
from .._errors import InvalidRequestError
from .._states.verbs import Verb
from .steps import (
    ARGUMENTS,
    BOOT_INSTANCE,
    BOOT_LOADER_SLOTS,
    CLEAN_STEPS,
    CORE_STEPS,
    DEPLOY_STEPS,
    FIXED_STEPS,
    IN_BAND_SLOTS,
    INSPECT,
    INSPECT_BMC,
    INTERFACE_RANK,
    NEEDED,
    RESERVED,
    START_RAMDISK,
    TEAR_DOWN_AGENT,
    VARIABLES,
    Step,
)

Entries = t.Sequence[t.Mapping[str, t.Any]]


def steps_of(verb: Verb, node: Node, *, wanted: Entries = (), in_band: bool = True) -> list[Step]:
    """Return all steps of a verb's work in the order in which they run.

    :param wanted: for clean and service, exactly these, in their order.
    :param in_band: whether an inspection may boot the ramdisk.
    :raises InvalidRequestError: a step does not exist, is there twice, lacks its file, or can't run in its slot.
    """
    name = verb.name
    if name in FIXED_STEPS:
        return list(FIXED_STEPS[name])
    if name == "inspect":
        return [INSPECT_BMC, *([START_RAMDISK, INSPECT, TEAR_DOWN_AGENT] if in_band else [])]
    if verb.kind == "deploy":
        return _checked(_by_priority(_deploy_steps(node)), node, "deploy")
    if name == "service":
        given = list(_given(node, name, wanted or _entries(node, name)))
        chosen = given if wanted else _by_priority(step for step in given if step.priority > 0)
        return _in_ramdisk(_checked(chosen, node, name), BOOT_INSTANCE)
    if name == "clean":
        if not wanted:
            raise InvalidRequestError(
                "Manual cleaning needs its steps.",
                node=node.name,
                hint=f"Give clean_node_steps, such as [{{step: {CLEAN_STEPS[0].step}}}].",
            )
        return _in_ramdisk(_checked(_given(node, name, wanted), node, name))
    return _in_ramdisk(_checked(_by_priority(_automated_clean_steps(node)), node, "clean"))


def _entries(node: Node, kind: str) -> list[t.Mapping[str, t.Any]]:
    """Return users' steps: the node's own, and those of the templates that its traits choose."""
    own = list(getattr(node, f"{kind}_steps"))
    names = {entry["step"] for entry in own if entry["step"] not in RESERVED}
    for trait in node.traits:
        template = node.step_templates.get(trait, {}).get(f"{kind}_steps", ())
        own += [entry for entry in template if entry["step"] not in names]
    return own


def _deploy_steps(node: Node) -> list[Step]:
    users = [step for step in _given(node, "deploy", _entries(node, "deploy")) if step.priority > 0]
    direct = node.deploy_interface == "direct"
    for step in users:
        if step.in_band and not (direct and step.priority in IN_BAND_SLOTS):
            raise InvalidRequestError(
                f"The step '{step.step}' in bm_deploy_steps runs in the ramdisk, which is not there at priority"
                f" {step.priority} of the deploy interface '{node.deploy_interface}'.",
                node=node.name,
                hint="Choose a priority from 99 to 41 and bm_deploy_interface: direct.",
            )
        if step.interface == "power" and direct and step.priority in BOOT_LOADER_SLOTS:
            raise InvalidRequestError(
                f"The step '{step.step}' in bm_deploy_steps would end the ramdisk at priority {step.priority}, where"
                " it can't be started again.",
                node=node.name,
                hint="Choose a priority above 60 or below 40.",
            )
    return [*DEPLOY_STEPS[node.deploy_interface], *users]


def _automated_clean_steps(node: Node) -> list[Step]:
    """Return the core clean steps with the node's own priorities, and the users' steps."""
    if not node.automated_clean:
        return []
    given = list(_given(node, "clean", _entries(node, "clean")))
    named = {step.key for step in given}
    core = [step for step in CLEAN_STEPS if step.key not in named]
    return [step for step in [*core, *given] if step.priority > 0]


def _given(node: Node, kind: str, entries: Entries) -> t.Iterator[Step]:
    variable = VARIABLES[kind]
    core = {(step.interface, step.step): step for step in CLEAN_STEPS} if kind == "clean" else {}
    for entry in entries:
        name, priority = entry["step"], entry.get("priority")
        if priority is None and kind == "deploy":
            raise InvalidRequestError(
                f"The step '{name}' in {variable} has no priority.", node=node.name, hint="Say when it is to run."
            )
        reserved = RESERVED.get(name) if not entry.get("tasks") and not entry.get("interface") else None
        interface = reserved[0] if reserved else entry.get("interface") or "deploy"
        step = Step(interface, name, 50 if priority is None else priority, args=dict(entry.get("args") or {}))
        if entry.get("tasks"):
            if name in CORE_STEPS:
                raise InvalidRequestError(
                    f"The step '{name}' in {variable} has the name of a step that is there already.",
                    node=node.name,
                    hint="Give your own step another name, or leave 'tasks' out to mean the other one.",
                )
            yield dataclasses.replace(step, in_band=True, tasks=entry["tasks"])
            continue
        if (interface, name) in core:
            step = dataclasses.replace(core[interface, name], priority=step.priority, args=step.args)
        elif (interface, name) not in DRIVER_STEPS and (interface, name) not in RESERVED.values():
            names = [".".join(key) for key in (*core, *DRIVER_STEPS)]
            raise InvalidRequestError(
                f"The step '{interface}.{name}' in {variable} does not exist.",
                node=node.name,
                hint=f"Name an Ansible file in 'tasks', or one of: {', '.join([*names, *RESERVED])}.",
            )
        _check_arguments(step, node, variable)
        yield step


def _check_arguments(step: Step, node: Node, variable: str) -> None:
    """Check that a step has the arguments that it needs and no others, and that none is empty.

    An erase without disks would mean all of them.

    :raises InvalidRequestError: naming the argument.
    """
    known = ARGUMENTS.get(step.key, ())
    for name, value in step.args.items():
        if name not in known:
            raise InvalidRequestError(
                f"The step '{step.key}' in {variable} has no argument '{name}'.",
                node=node.name,
                hint=guess(name, known) if known else "It has none.",
            )
        if value is None or value in ("", []):
            raise InvalidRequestError(
                f"The argument '{name}' of the step '{step.key}' in {variable} is empty.",
                node=node.name,
                hint="Leave it out for its default, or give it a value.",
            )
    missing = [name for name in NEEDED.get(step.key, ()) if name not in step.args]
    if missing:
        raise InvalidRequestError(
            f"The step '{step.key}' in {variable} needs its argument '{missing[0]}'.",
            node=node.name,
            hint=f"Give it in args, which may have: {', '.join(known)}.",
        )


def _by_priority(steps: t.Iterable[Step]) -> list[Step]:
    return sorted(steps, key=lambda step: (-step.priority, INTERFACE_RANK.index(step.interface), step.step))


def _checked(steps: t.Iterable[Step], node: Node, kind: str) -> list[Step]:
    """Return the steps with distinct keys.

    :raises InvalidRequestError: a step is there twice that is not a reserved one, or its task file is not there.
    """
    seen: collections.Counter[str] = collections.Counter()
    checked = []
    for step in steps:
        seen[step.key] += 1
        if seen[step.key] > 1 and step.step not in RESERVED:
            raise InvalidRequestError(
                f"The step '{step.key}' in {VARIABLES[kind]} is there twice.",
                node=node.name,
                hint="Give each step its own name.",
            )
        if step.tasks and not Path(step.tasks).is_file():
            raise InvalidRequestError(
                f"The task file {step.tasks} of the step '{step.step}' in {VARIABLES[kind]} is not there.",
                node=node.name,
                hint="Correct the path; {{ inventory_dir }} and {{ playbook_dir }} help.",
            )
        checked.append(dataclasses.replace(step, nth=seen[step.key]))
    return checked


def _in_ramdisk(steps: list[Step], *after: Step) -> list[Step]:
    """Return the steps, with the ramdisk around them where one needs it."""
    return [START_RAMDISK, *steps, TEAR_DOWN_AGENT, *after] if any(step.in_band for step in steps) else steps
