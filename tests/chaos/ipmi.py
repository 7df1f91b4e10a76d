"""Faults on the way to an IPMI BMC while playbooks run: carried through, or a failure that names them.

The BMC is OpenIPMI's ipmi_sim; tests/chaos/ipmi_faults.py says what becomes of packets to it.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import contextlib
import functools
import typing as t
from pathlib import Path

import yaml

from tests.chaos import aftermath
from tests.chaos.aftermath import PASSWORD
from tests.chaos.cells import Cell
from tests.chaos.ground import FOLDER, Ground
from tests.chaos.ipmi_faults import FAULTS, Fault
from tests.chaos.scenes import Scene
from tests.ipmi import IPMIService
from tests.ipmi_path import Path as NetworkPath

MATRIX = "ipmi"
SOURCES = (
    "tests/chaos/aftermath.py",
    "tests/chaos/ipmi_faults.py",
    "tests/ipmi.py",
    "tests/ipmi_path.py",
    "lab/ipmi.py",
    "lab/ipmi_boot_options.c",
)
"""What its results depend on besides what all do."""
CARRIED = "carried through: each play succeeds, the machine is as after undisturbed ones"
FAILED = "{verb} fails and says '{says}', node '{state}'; the same command without the fault leads home"
ALWAYS = "; no limbo, no act done twice{but}, refused credentials sent once, no password told"

LIMITS = {"timeout": 6.0, "power_timeout": 8.0}
"""Of bm_bmc, so that what never comes true is known soon."""

OPTIONS = {
    "bm_deploy_interface": "noop",
    "bm_boot_interface": "inserted_media",
    "bm_deploy_steps": [{"step": "reboot", "priority": 10}],
    "bm_automated_clean": False,
}

ACTS = (
    {"baremetal.lifecycle.bm_boot_device": {"device": "pxe", "persistent": True}},
    {"baremetal.lifecycle.bm_power": {"state": "on"}},
    {"baremetal.lifecycle.bm_power": {"state": "rebooted"}},
    {"baremetal.lifecycle.bm_boot_device": {"device": "none"}},
    {"baremetal.lifecycle.bm_power": {"state": "off"}},
)
"""The play of single acts."""

PLAYS = {
    "enroll": Scene("enroll", "enroll.yml", "new", "manageable", None),
    "acts": Scene("acts", f"{FOLDER}/acts.yml", "new", "enroll", None),
    "deploy": Scene("deploy", "deploy.yml", "new", "active", None, OPTIONS),
    "undeploy": Scene("undeploy", "undeploy.yml", "active", "available", None, OPTIONS),
}

WAYS = {
    "enroll": ("enroll", "deploy", "undeploy"),
    "acts": ("acts",),
    "deploy": ("deploy", "undeploy"),
    "undeploy": ("deploy", "undeploy"),
}
"""What is played, by the play that has the fault."""


def cells(dummy: Path) -> t.Iterator[Cell]:
    """Yield the cells."""
    for fault in FAULTS:
        text = FAILED.format(**vars(fault)) if fault.says else CARRIED
        but = f" but {', '.join(fault.doubles)}, which comes again" if fault.doubles else ""
        play = functools.partial(_play, fault)
        yield Cell(MATRIX, f"{fault.verb}, {fault.name}", text + ALWAYS.format(but=but), play, quick=fault.quick)


def _play(fault: Fault, ground: Ground) -> str:
    folder = FOLDER / "ipmi"
    folder.mkdir()
    tasks = [{"name": "Act", **act} for act in ACTS]
    (FOLDER / "acts.yml").write_text(yaml.safe_dump([{"hosts": "baremetal", "gather_facts": False, "tasks": tasks}]))
    service = IPMIService(folder, password=PASSWORD)
    ground.spared.append(lambda: service.pid)
    seen = []
    with contextlib.closing(NetworkPath(service.port, PASSWORD, service.restart)) as path:
        for verb in WAYS[fault.verb]:
            if verb == fault.verb:
                seen.append(_play_with_fault(ground, service, path, fault))
            if verb != fault.verb or fault.says:
                path.arm()
                seen.append(_play_well(ground, service, path, verb))
        _check_service(ground, service, path, fault)
    return ", ".join(seen)


def _run(ground: Ground, path: NetworkPath, service: IPMIService, verb: str, **changes: t.Any) -> t.Any:
    address = f"ipmi://{service.host}:{path.port}"
    run = ground.play(PLAYS[verb], bm_bmc=service.bmc(**{"address": address, **LIMITS, **changes}))
    aftermath.check_node(ground, verb)
    return run


def _play_well(ground: Ground, service: IPMIService, path: NetworkPath, verb: str) -> str:
    return _check_success(ground, service, verb, _run(ground, path, service, verb).code)


def _play_with_fault(ground: Ground, service: IPMIService, path: NetworkPath, fault: Fault) -> str:
    """Play the fault's verb with it; expect what was stated."""
    before = set(path.reader.log_ins)
    path.arm(fault.what)
    run = _run(ground, path, service, fault.verb, **fault.bmc)
    ground.expect(len(path.played) > 0 or not fault.what, "the fault did not come to pass")
    if not fault.says:
        return _check_success(ground, service, fault.verb, run.code)
    record, log_ins = ground.site.record(), path.reader.log_ins - before
    state, error = (record.provision_state, record.last_error) if record else ("none", None)
    ground.expect(run.code == 2, f"with the fault {fault.verb} ends with rc={run.code}")
    ground.expect(state == fault.state, f"it leaves the node '{state}'")
    ground.expect(fault.says in run.text, f"the output does not say '{fault.says}'")
    ground.expect(fault.says in (error or "") or state in ("none", "active"), f"last_error {error}")
    ground.expect(service.power == fault.leaves, f"it leaves the machine {'on' if service.power else 'off'}")
    ground.expect(fault.log_ins in (None, len(log_ins)), f"{len(log_ins)} attempts to log in")
    alike = collections.Counter(attempt[20:] for attempt in log_ins)  # level and name
    ground.expect(fault.log_ins is None or max(alike.values(), default=0) <= 1, f"refused credentials again: {alike}")
    return f"'{state}', {error or 'no last_error'}"


def _check_success(ground: Ground, service: IPMIService, verb: str, code: int) -> str:
    record, end = ground.site.record(), PLAYS[verb].end
    ground.expect(code == 0, f"{verb} ends with rc={code}")
    ground.expect(record and record.provision_state == end, f"{verb} leads to {record and record.provision_state}")
    ground.expect(record and not record.last_error, f"last_error {record and record.last_error}")
    ground.expect(service.power == (verb == "deploy"), f"{verb} leaves the machine {'on' if service.power else 'off'}")
    return f"{verb} rc={code}"


def _check_service(ground: Ground, service: IPMIService, path: NetworkPath, fault: Fault) -> None:
    """Expect nothing done twice on BMC and node; sessions that are left end by themselves, packets may be lost."""
    power, doubles = False, []
    for call in service.calls():
        if call.startswith("set power") or call == "set shutdown 1":
            wanted = call == "set power 1"
            if wanted == power:
                doubles.append("power on" if wanted else "power off")
            power = wanted
    for may in fault.doubles:
        if may in doubles:
            doubles.remove(may)
    left = path.reader.opened - path.reader.closed
    ground.expect(not left or fault.what, f"{len(left)} sessions are left")
    ground.expect("80" not in service.boot_flags.split()[:1], f"boot flags {service.boot_flags}")
    aftermath.check(ground, doubles=doubles)
