"""bm_validate: may and can this node be deployed? One verdict an interface; nothing is changed."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

from .. import _image as image
from .. import _steps as steps
from .. import _task as tasks
from .._argspec import NODE_SPEC
from .._boot.registry import boot_interface
from .._deployment import Plan, make_plan
from .._errors import BareMetalError, BMCAuthenticationError, BMCConnectionError, InvalidRequestError
from .._request import Request, Result, state_of

ARGUMENT_SPEC = NODE_SPEC

Verdict = dict[str, t.Any]


def run(request: Request) -> Result:
    """Return ``interfaces``: for each of node, deploy, power, management and boot a result and a reason.

    :raises BareMetalError: the first cause, where any verdict is no.
    """
    record = request.store.get(request.node.name)
    checks: dict[str, t.Callable[[], object]] = {
        "node": lambda: _check_node(request),
        "deploy": lambda: _check_deploy(request),
        "power": request.driver.power.get_power_state,
        "management": request.driver.management.get_boot_device,
        "boot": lambda: _check_boot(request),
    }
    verdicts: dict[str, Verdict] = {}
    causes: list[BareMetalError] = []
    for name, check in checks.items():
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
        raise causes[0]
    return {**state_of(record), "interfaces": verdicts}


def _check_node(request: Request) -> None:
    record = request.store.get(request.node.name)
    if record is not None:
        tasks.check_maintenance(record)
        tasks.check_lock(record, request.owner)
    if request.node.automated_clean:
        raise InvalidRequestError(
            "Automated cleaning does not exist yet.", node=request.node.name, hint="Set bm_automated_clean: false."
        )


def _check_deploy(request: Request) -> None:
    node = request.node
    plan: Plan = make_plan(node, request.store.get(node.name))
    for step in steps.deploy_steps(node):
        if step.tasks and not Path(step.tasks).is_file():
            raise InvalidRequestError(
                f"The task file {step.tasks} of the step '{step.step}' in bm_deploy_steps is not there.",
                node=node.name,
                hint="Correct the path; {{ inventory_dir }} and {{ playbook_dir }} help.",
            )
    if plan.needed and node.image is not None and node.deploy_interface != "noop":
        image.inspect(node.image, node.name)


def _check_boot(request: Request) -> None:
    if request.node.deploy_interface != "noop":
        boot_interface(request.node, request.driver).check()
