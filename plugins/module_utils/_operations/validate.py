"""bm_validate: may and can this verb be done to the node? One verdict an interface; nothing is changed."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._boot.registry import boot_interface
from .._calls.request import Request, Result, state_of
from .._contract.argspec import NODE_SPEC, WORK_SPEC
from .._errors import BareMetalError, BMCAuthenticationError, BMCConnectionError, InvalidRequestError
from .._image import hints, image
from .._states.verbs import VERBS, Verb
from .._store.record import NodeRecord
from .._work import preparation, reservation, running, work
from .._work import task as tasks
from .._work.deployment import cleans_first, make_plan, wanted_instance
from .._work.plans import wanted_steps
from .._work.work import make_plan as make_work_plan

ARGUMENT_SPEC = {**NODE_SPEC, **WORK_SPEC}

Verdict = dict[str, t.Any]


def run(request: Request) -> Result:
    """Return ``interfaces``: for each that the verb needs, of node, deploy, power, management and boot, a verdict.

    ``clean_first``: whether a deployment has to make the node available, with automated cleaning, before it starts.

    :raises BareMetalError: the first cause, where any verdict is no; of mistakes in the inventory, all.
    """
    record = request.store.get(request.node.name)
    verb = VERBS[request.params["verb"]]
    checks: dict[str, t.Callable[[], object]] = {
        "node": lambda: _check_node(request, verb, record),
        "deploy": lambda: _check_deploy(request, verb, record),
        "power": lambda: _check_power(request, verb, record),
        "management": request.driver.management.get_boot_device,
        "boot": lambda: _check_boot(request, verb),
    }
    verdicts: dict[str, Verdict] = {}
    causes: list[BareMetalError] = []
    for name, check in checks.items():
        if name not in verb.validates:
            continue
        if any(isinstance(cause, (BMCAuthenticationError, BMCConnectionError)) for cause in causes):
            verdicts[name] = {"result": False, "reason": "not asked, since the BMC does not let us in"}
            continue
        try:
            check()
            verdicts[name] = {"result": True, "reason": None}
        except BareMetalError as exc:
            verdicts[name] = {"result": False, "reason": exc.message}
            causes.append(exc)
    if causes:
        raise _with_the_others(causes)
    request.driver.goes_on = True
    return {
        **state_of(record),
        "interfaces": verdicts,
        "clean_first": cleans_first(verb, request.node, record),
    }


def _with_the_others(causes: t.Sequence[BareMetalError]) -> BareMetalError:
    """Return the first cause; where it is a mistake in the inventory, its hint tells the others of that kind, too."""
    first, told = causes[0], {causes[0].message}
    for other in causes[1:] if isinstance(first, InvalidRequestError) else ():
        if isinstance(other, InvalidRequestError) and other.message not in told:
            told.add(other.message)
            first.hint = f"{first.hint} Also: {other.message} {other.hint}".strip()
    return first


def _check_node(request: Request, verb: Verb, record: NodeRecord | None) -> None:
    """Check that the verb may start, and its steps; nothing else is worth asking where it may not."""
    if record is not None:
        tasks.check_maintenance(record)
        reservation.check_lock(record, request.owner)
    if record is None or record.bmc != request.node.machine:
        request.store.check_bmc(request.node.name, request.node.machine)
    if verb.kind != "deploy":
        make_work_plan(verb, request.node, record)
    elif cleans_first(verb, request.node, record):
        make_work_plan(VERBS["provide"], request.node, record)
    wanted_steps(request, verb)


def _check_power(request: Request, verb: Verb, record: NodeRecord | None) -> None:
    """Check that the machine can be asked for its power state, and may be switched."""
    first = preparation.first_verb(verb, request, record)
    replaces = first.name == "rebuild" or request.node.rebuild
    done = record is not None and work.is_reached(first, record) and not replaces
    if done or running.check(request, first, wanted_steps(request, first), record) is None:
        request.driver.power.get_power_state()


def _check_deploy(request: Request, verb: Verb, record: NodeRecord | None) -> None:
    node = request.node
    hints.parse(node.root_device, node.name)  # before anything is done for a disk that none could choose
    if cleans_first(verb, node, record):
        wanted_instance(node)  # the deployment starts in another state than this one
        needed = True
    else:
        needed = make_plan(verb, node, record).needed
    if needed and node.image is not None and node.deploy_interface != "noop":
        image.inspect(node.image, node.name)


def _check_boot(request: Request, verb: Verb) -> None:
    """Check what the ramdisk is booted with, where the work has steps in it."""
    needs_boot = request.node.deploy_interface != "noop"
    if verb.kind != "deploy":
        needs_boot = any(step.in_band for step in wanted_steps(request, verb))
    if needs_boot:
        boot_interface(request.node, request.driver).check()
