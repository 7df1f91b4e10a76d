"""The core steps that run in the ramdisk: which modules, with which options, and what is made of their results."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t
from pathlib import Path

from ansible_collections.baremetal.lifecycle.plugins.filter.erasure_report import erasure_report
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._watch import jobs
from ansible_collections.baremetal.lifecycle.plugins.module_utils._work.files import Files

Result = dict[str, t.Any]


class Ramdisk(t.Protocol):
    """Where core steps run."""

    params: Result
    """The options of bm_deploy."""

    is_real: bool
    """False for a machine that is a file: its ramdisk is this controller."""

    def run(self, module: str, **args: t.Any) -> Result:
        """Run one of the collection's modules; return its result.

        :raises StepError: it has failed, or the ramdisk stays out of reach.
        """

    def choose_root_device(self, disks: list[Result], hardware: Result) -> Result:
        """Return the result of bm_root_device.

        :raises StepError: no disk was chosen.
        """


@dataclasses.dataclass(frozen=True)
class Start:
    """A module that is to be run as a job."""

    kind: jobs.Kind
    args: Result


Begun = t.Union[Result, Start]  # evaluated when this file is loaded
"""What a step has found, or the job that finds it."""


@dataclasses.dataclass(frozen=True)
class CoreStep:
    """One step: what it does, and what follows its job, where that is what it has begun."""

    begin: t.Callable[[Ramdisk, Result], Begun]
    finish: t.Callable[[Ramdisk, Result, Result], Result] = lambda dummy, _step, found: found


def _begin_write_image(ramdisk: Ramdisk, step: Result) -> Start:
    found = ramdisk.run("bm_hardware_info", devices=ramdisk.params["devices"])
    chosen = ramdisk.choose_root_device(found["disks"], found["hardware"])
    own = {
        "device": chosen["device"],
        "preserve": ramdisk.params["preserve_partitions"] or [],
        "boot_mode": ramdisk.params["boot_mode"],
        "other_disks": [disk["name"] for disk in found["disks"] if disk["name"] != chosen["disk"]["name"]],
    }
    image = {key: value for key, value in step["image"].items() if value is not None}
    return Start(jobs.WRITE_IMAGE, {**own, **image})


def _finish_write_image(ramdisk: Ramdisk, step: Result, found: Result) -> Result:
    if step["config_drive"] and not found.get("failed"):
        content = Path(step["config_drive"]).read_text(encoding="ascii")
        ramdisk.run("bm_write_config_drive", device=step["root_device"], content=content)
    return found


def _begin_erase(level: str) -> t.Callable[[Ramdisk, Result], Start]:
    def begin(ramdisk: Ramdisk, step: Result) -> Start:
        erase = ramdisk.params["erase"] or {}
        wanted = {
            "level": level,
            "disks": step["args"].get("disks"),
            "method": step["args"].get("method") or erase.get("method") or "auto",
            "allow": erase.get("allow"),
            "skip": erase.get("skip") or [],
            "guard": erase.get("guard"),
            "devices": ramdisk.params["devices"] or [],
        }
        return Start(jobs.ERASE_DEVICES, {key: value for key, value in wanted.items() if value is not None})

    return begin


def _finish_erase(ramdisk: Ramdisk, step: Result, found: Result) -> Result:
    """Write the reports, also of disks that could not be erased. A report is a file of its own, never replaced.

    One that can't be written fails the step, after its evidence was kept; a disk's failure stays the first cause.
    """
    evidence, folder = found.get("evidence") or [], ramdisk.params["report_dir"]
    kept = {**found, "evidence": evidence}
    if not evidence or not folder:
        return kept
    node, at = ramdisk.params["name"], datetime.datetime.now(datetime.timezone.utc)
    path = Path(folder).expanduser() / f"{node}-{step['name']}-{at:%Y%m%dT%H%M%SZ}"
    try:
        for suffix, content in (
            (".json", json.dumps(evidence, indent=4, sort_keys=True) + "\n"),
            (".txt", erasure_report(evidence, node=node, operator=ramdisk.params["report_operator"])),
        ):
            file = path.with_name(path.name + suffix)
            file.touch(mode=0o640)
            file.write_text(content, encoding="utf-8")
    except OSError as exc:
        return {**kept, **_unwritten(found, f"The report {path} was not written: {exc.strerror}.")}
    return kept


def _unwritten(found: Result, why: str) -> Result:
    if found.get("failed"):
        return {"msg": f"{found.get('msg')} {why}"}
    hint = (
        "Let provision_node_report_dir be a folder that this user may write to. The evidence is kept: bm_node_info with"
        " gather [evidence] returns it."
    )
    return {"failed": True, "msg": why, "error": {"hint": hint}}


def _inspect(ramdisk: Ramdisk, dummy: Result) -> Result:
    params = ramdisk.params
    found = ramdisk.run(
        "bm_hardware_info", devices=params["devices"], details=True, lldp_timeout=params["lldp_timeout"]
    )
    return {"hardware": found["hardware"], "disks": found["disks"]}


def _prepare_instance_boot(ramdisk: Ramdisk, step: Result) -> Result:
    return ramdisk.run("bm_boot_entry", device=step["root_device"], boot_mode=ramdisk.params["boot_mode"])


def _tear_down_agent(ramdisk: Ramdisk, step: Result) -> Result:
    return ramdisk.run("bm_tear_down_agent", devices=[step["root_device"]] if step["root_device"] else [])


def _rescue(ramdisk: Ramdisk, dummy: Result) -> Result:
    """Let the operator in; only ever in the ramdisk: a machine without one would be the controller itself."""
    params = ramdisk.params
    keys, password = params["rescue_ssh_keys"], params["rescue_password"]
    if not keys and not password:
        password = Files(Node.from_params(params)).rescue_password()
    return ramdisk.run("bm_rescue_access", ssh_keys=keys, password=password) if ramdisk.is_real else {}


CORE_STEPS: dict[str, CoreStep] = {
    "write_image": CoreStep(_begin_write_image, _finish_write_image),
    "erase_devices": CoreStep(_begin_erase("full"), _finish_erase),
    "erase_devices_express": CoreStep(_begin_erase("express"), _finish_erase),
    "erase_devices_metadata": CoreStep(_begin_erase("metadata"), _finish_erase),
    "inspect": CoreStep(_inspect),
    "prepare_instance_boot": CoreStep(_prepare_instance_boot),
    "rescue": CoreStep(_rescue),
    "tear_down_agent": CoreStep(_tear_down_agent),
}
"""The steps by name."""
