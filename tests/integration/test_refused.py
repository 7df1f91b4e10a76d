"""Verbs that a node's state, flags or steps do not allow: refused before anything changes, naming what and why."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest


@dataclasses.dataclass
class Refused:
    """One row: a playbook, the state and flags that it finds, and what it says."""

    playbook: str
    state: str
    expected: tuple[str, ...]
    flags: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    arguments: tuple[str, ...] = ("-l", "node01")


ERASE = {"clean_node_steps": [{"step": "erase_devices"}]}
PROTECTED = {"protected": True, "protected_reason": "production"}
ASIDE = {"maintenance": True, "maintenance_reason": "bad fan"}
RETIRED = {"retired": True, "retired_reason": "lease ends"}

ROWS = [
    Refused("inspect", "active", ("is 'active', where 'inspect' can't start", "starts in: manageable")),
    Refused("clean", "active", ("is 'active', where 'clean' can't start",), variables=ERASE),
    Refused("provide", "active", ("is 'active', where 'provide' can't start",)),
    Refused("adopt", "available", ("is 'available', where 'adopt' can't start",)),
    Refused("rescue", "available", ("is 'available', where 'rescue' can't start",)),
    Refused("unrescue", "available", ("is 'available', where 'unrescue' can't start",)),
    Refused("service", "manageable", ("is 'manageable', where 'service' can't start",)),
    Refused("undeploy", "deploying", ("is 'deploying', where 'undeploy' can't start",)),
    Refused("manage", "enroll", ("is 'enroll', where it becomes manageable only by the work", "Play enroll.yml")),
    Refused("manage", "active", ("the event 'manage' is not allowed", "Allowed in 'active'")),
    Refused("abort", "active", ("the event 'abort' is not allowed",)),
    Refused("hold", "available", ("the event 'hold' is not allowed",)),
    Refused("unhold", "active", ("the event 'unhold' is not allowed",)),
    Refused("delete", "active", ("is 'active', where its record can't be removed", "Undeploy the node")),
    Refused("delete", "manageable", ("is protected (production), which forbids 'remove'",), PROTECTED),
    Refused("undeploy", "active", ("is protected (production), which forbids 'undeploy'",), PROTECTED),
    Refused("undeploy", "active", ("is protected, which forbids",), variables={"bm_protected": True}),
    Refused("rebuild", "active", ("is protected (production), which forbids 'rebuild'",), PROTECTED),
    Refused("rebuild", "available", ("is 'available', where 'rebuild' can't start", "starts in: active")),
    Refused("rebuild", "enroll", ("is 'enroll', where 'rebuild' can't start",)),
    Refused("deploy", "available", ("is retired (lease ends), which forbids 'deploy'",), RETIRED),
    Refused("provide", "manageable", ("is retired (lease ends), which forbids 'provide'",), RETIRED),
    Refused("deploy", "available", ("is in maintenance: bad fan",), ASIDE),
    Refused("undeploy", "active", ("is in maintenance: no reason",), {"maintenance": True}),
    Refused("protect", "available", ("is 'available', where protected can't be set", "active, rescue")),
    Refused("retire", "available", ("is 'available', where retired can't be set",)),
    Refused("clean", "manageable", ("Manual cleaning needs its steps", "clean_node_steps")),
    Refused(
        "clean",
        "manageable",
        ("The step 'deploy.explode' in bm_clean_steps does not exist", "erase_devices_metadata"),
        variables={"clean_node_steps": [{"step": "explode"}]},
    ),
    Refused(
        "service",
        "active",
        ("nowhere.yml of the step 'mine' in bm_service_steps is not there",),
        variables={"service_node_steps": [{"step": "mine", "tasks": "/nowhere.yml"}]},
    ),
    Refused(
        "service",
        "active",
        ("The step 'deploy.mine' in bm_service_steps is there twice",),
        variables={"service_node_steps": [{"step": "mine", "tasks": __file__}] * 2},
    ),
    Refused("undeploy", "active", ("Say which nodes are meant, with -l",), arguments=()),
    Refused(
        "clean",
        "manageable",
        ("The step 'deploy.erase_devices' in bm_clean_steps has no argument 'disk'", "Did you mean disks?"),
        variables={"clean_node_steps": [{"step": "erase_devices", "args": {"disk": ["S4EW"]}}]},
    ),
    Refused(
        "clean",
        "manageable",
        ("The argument 'disks' of the step 'deploy.erase_devices' in bm_clean_steps is empty", "Leave it out"),
        variables={"clean_node_steps": [{"step": "erase_devices", "args": {"disks": "{{ [] }}"}}]},
    ),
    Refused(
        "provide",
        "manageable",
        ("The argument 'disks' of the step 'deploy.erase_devices_metadata' in bm_clean_steps is empty",),
        variables={
            "bm_automated_clean": True,
            "bm_clean_steps": [{"step": "erase_devices_metadata", "priority": 9, "args": {"disks": None}}],
        },
    ),
    Refused(
        "service",
        "active",
        ("The step 'deploy.wait' in bm_service_steps has no argument 'second'", "Did you mean seconds?"),
        variables={"service_node_steps": [{"step": "wait", "args": {"second": 60}}]},
    ),
    Refused(
        "service",
        "active",
        ("The step 'power.reboot' in bm_service_steps has no argument 'soft'", "It has none"),
        variables={"service_node_steps": [{"step": "reboot", "args": {"soft": True}}]},
    ),
    Refused(
        "clean",
        "manageable",
        ("bm_erase.allow must have at least 1 entry",),
        variables={**ERASE, "bm_erase": {"allow": []}},
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.playbook}-{row.state}-{row.expected[0][:30]}")
def test_it_is_refused_before_anything_changes(site: t.Any, row: Refused) -> None:
    site.put("node01", row.state, **row.flags)
    content = site.make_disk()
    before = site.record()
    run = site.play(f"{row.playbook}.yml", *row.arguments, **row.variables)
    assert run.code == 2, run.output
    for text in row.expected:
        assert text in run.text
    after = site.record()
    assert (after.provision_state, after.reservation, after.steps) == (row.state, None, before.steps)
    assert site.disk().read_bytes() == content
    assert site.machine()["calls"] == []


def test_an_erase_outside_of_the_allow_list_changes_no_disk(site: t.Any) -> None:
    content = site.make_disk()
    other = site.folder / "other.disk"
    other.write_bytes(content)
    disks = [str(site.disk()), str(other)]
    steps = [{"step": "erase_devices", "args": {"disks": disks}}]
    variables = {"bm_devices": disks, "bm_erase": {"allow": [str(other)]}, "clean_node_steps": steps}
    assert site.play("enroll.yml").code == 0
    run = site.play("clean.yml", "-l", "node01", **variables)
    assert run.code == 2, run.output
    assert str(site.disk()) in site.record().last_error
    assert "allow" in site.record().last_error
    assert (site.disk().read_bytes(), other.read_bytes()) == (content, content)
