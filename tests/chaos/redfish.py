"""Faults of a Redfish BMC while playbooks run: carried through, or a failure that names them; nothing is left.

Each cell is a deployment of media and its end, with a fault at one thing that they ask of the BMC. Where that ends a
play, the same command without the fault leads home. tests/chaos/redfish_faults.py says which faults there are.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from tests.chaos import aftermath
from tests.chaos.aftermath import PASSWORD
from tests.chaos.cells import Cell
from tests.chaos.ground import Ground
from tests.chaos.redfish_faults import ACTS, FAULTS, QUICK, Act, Fault
from tests.chaos.scenes import SCENES, Scene
from tests.redfish import Service

MATRIX = "redfish"
SOURCES = (
    "tests/chaos/aftermath.py",
    "tests/chaos/redfish_faults.py",
    "tests/redfish.py",
)
"""What its results depend on besides what all do."""
CARRIED = "carried through: both plays succeed, the machine is as after undisturbed ones"
FAILED = "fails and says '{says}', node '{state}'; the same command without the fault leads home"
ALWAYS = "; {sessions} sessions left, no limbo, no act done twice, refused credentials sent once, no password told"

PLAYS = {
    "deploy": SCENES["deploy media"],
    "undeploy": Scene("undeploy media", "undeploy.yml", "active", "available", "kept", {"bm_automated_clean": False}),
}

RUNNING = {"power": "On", "media": True, "boot": "Cd Continuous"}
AT_REST = {"power": "Off", "media": False, "boot": "None Disabled"}
"""What the machine is like with its instance, and without."""

AFTER = {"deploy": RUNNING, "undeploy": AT_REST}
"""... after an undisturbed play."""

LIMITS = {"timeout": 6.0, "power_timeout": 8.0}
"""Of bm_bmc, so that what never comes true is known soon."""


def cells(dummy: Path) -> t.Iterator[Cell]:
    """Yield the cells."""
    for fault in FAULTS:
        for name in fault.acts:
            act = ACTS[name]
            expected = FAILED.format(says=fault.says, state=act.state) if fault.says else CARRIED
            yield Cell(
                MATRIX,
                f"{fault.name}: {name}",
                expected + ALWAYS.format(sessions=fault.sessions),
                functools.partial(_play, fault, act),
                quick=(fault.name, name) in QUICK,
            )


def _play(fault: Fault, act: Act, ground: Ground) -> str:
    seen = []
    with Service(**fault.service) as bmc:
        bmc.password = PASSWORD
        for verb in PLAYS:
            if verb == act.verb:
                bmc.arm(fault.on(act))
                run = _run(ground, bmc, verb, **fault.bmc)
                ground.expect(bmc.played or not fault.what, "the fault did not come to pass")
                if fault.says:
                    seen.append(_check_failure(ground, bmc, fault, act, run))
                    _end_fault(bmc)
                    run = _run(ground, bmc, verb)
            else:
                _end_fault(bmc)
                run = _run(ground, bmc, verb)
            seen.append(f"{verb} rc={run.code}")
            _check_success(ground, bmc, fault, verb, run.code, {} if fault.says or verb != act.verb else fault.left)
        ground.expect(bmc.sessions == fault.sessions, f"{bmc.sessions} sessions are left")
        aftermath.check(ground, doubles=bmc.doubles, refused=bmc.refused)
    return ", ".join(seen)


def _run(ground: Ground, bmc: Service, verb: str, **changes: t.Any) -> t.Any:
    """Play a verb; ``changes``: of bm_bmc."""
    run = ground.play(PLAYS[verb], bm_bmc=bmc.bmc(**{**LIMITS, "password": PASSWORD, **changes}))
    aftermath.check_node(ground, verb)
    return run


def _end_fault(bmc: Service) -> None:
    """Let the BMC be as it should from now on."""
    bmc.arm()
    bmc.is_gone = False
    bmc.password = PASSWORD


def _machine(bmc: Service) -> dict[str, t.Any]:
    boot = bmc.system["Boot"]
    return {
        "power": bmc.system["PowerState"],
        "media": bmc.drive["Inserted"],
        "boot": f"{boot['BootSourceOverrideTarget']} {boot['BootSourceOverrideEnabled']}",
    }


def _check_success(
    ground: Ground, bmc: Service, fault: Fault, verb: str, code: int, left: t.Mapping[str, t.Any]
) -> None:
    """Expect what an undisturbed play leaves; ``left``: what is otherwise."""
    record, machine = ground.site.record(), _machine(bmc)
    wanted = {**AFTER[verb], **left}
    ground.expect(code == 0, f"{verb} ends with rc={code}")
    state = record and record.provision_state
    ground.expect(state == PLAYS[verb].end, f"{verb} leads to '{state}'")
    ground.expect(record and not record.last_error, f"last_error {record and record.last_error}")
    ground.expect(machine == wanted, f"after {verb} the machine is {machine}")
    ground.expect(len(bmc.boots) == bmc.power_ons == fault.starts, f"started {bmc.power_ons} times: {bmc.boots}")


def _check_failure(ground: Ground, bmc: Service, fault: Fault, act: Act, run: t.Any) -> str:
    """Expect that a play has failed with its cause, and left what it should; return what was seen."""
    record, machine = ground.site.record(), _machine(bmc)
    state, error = (record.provision_state, record.last_error) if record else ("none", None)
    ground.expect(run.code == 2, f"with the fault {act.verb} ends with rc={run.code}")
    ground.expect(state == act.state, f"it leaves the node '{state}'")
    ground.expect(fault.says in run.text, f"the output does not say '{fault.says}'")
    if act.touches:
        ground.expect(fault.says in (error or ""), f"last_error {error}")
        wanted = {**AT_REST, **fault.left}
    else:
        wanted = AT_REST if act.verb == "deploy" else RUNNING
    ground.expect(machine == wanted, f"it leaves the machine {machine}")
    return f"'{state}', {error or 'no last_error'}"
