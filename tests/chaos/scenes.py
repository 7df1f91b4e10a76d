"""What is disturbed: each verb with the state that it starts from, and what an undisturbed run of it comes to."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

Variables = t.Mapping[str, t.Any]

NODE = ("-l", "node01")
DISK_MIB = 64
STEP_FILE = "step.yml"
USERS_STEP = {"step": "mine", "tasks": f"{{{{ inventory_dir }}}}/{STEP_FILE}"}
SECRET = "correct horse battery staple"
OTHER_IMAGE = {"url": "{{ images }}/other.img", "checksum": "{{ images }}/SHA256SUMS"}
SLOW_IMAGE = {"url": "{{ images }}/slow/disk.img", "checksum": "{{ images }}/SHA256SUMS"}
ISO = {"url": "{{ images }}/disk.img", "checksum": "{{ images }}/SHA256SUMS", "format": "raw"}
CONFIG_DRIVE = {"meta_data": {"hostname": "web1"}, "user_data": f"#cloud-config\npassword: {SECRET}\n"}


@dataclasses.dataclass(frozen=True)
class Scene:
    """One command.

    ``base``: the state that it starts from. ``end``: the provision state that it leads to. ``disk``: what is on the
    disk then: an image's name, "erased", or "kept"; None where only the undisturbed run tells. ``machine``: what its
    machine is, where that is not what the base has.
    """

    name: str
    playbook: str
    base: str
    end: str
    disk: str | None
    variables: Variables = dataclasses.field(default_factory=dict)
    machine: Variables = dataclasses.field(default_factory=dict)


RUNNING = {"power_state": "power on", "booted_from": "disk", "media": None, "boot_device": None, "calls": []}
CLEAN = {"bm_automated_clean": True}

SCENES = {
    scene.name: scene
    for scene in (
        Scene("enroll", "enroll.yml", "new", "manageable", "kept"),
        Scene("deploy", "deploy.yml", "new", "active", "disk.img"),
        Scene("deploy with config drive", "deploy.yml", "new", "active", None, {"bm_config_drive": CONFIG_DRIVE}),
        Scene("deploy with cleaning", "deploy.yml", "new", "active", "disk.img", CLEAN),
        Scene(
            "deploy with a step",
            "deploy.yml",
            "new",
            "active",
            "disk.img",
            {"bm_deploy_steps": [{**USERS_STEP, "priority": 90}]},
        ),
        Scene(
            "deploy media", "deploy.yml", "new", "active", "kept", {"bm_deploy_interface": "ramdisk", "bm_image": ISO}
        ),
        Scene("deploy nothing", "deploy.yml", "new", "active", "kept", {"bm_deploy_interface": "noop"}),
        Scene(
            "clean",
            "clean.yml",
            "enrolled",
            "manageable",
            "erased",
            {"clean_node_steps": [{"step": "erase_devices"}]},
        ),
        Scene("provide", "provide.yml", "enrolled", "available", None, CLEAN),
        Scene("inspect", "inspect.yml", "enrolled", "manageable", "kept"),
        Scene("adopt", "adopt.yml", "enrolled", "active", "kept", machine=RUNNING),
        Scene("undeploy", "undeploy.yml", "active", "available", None, CLEAN),
        Scene("rebuild", "rebuild.yml", "active", "active", "other.img", {"bm_image": OTHER_IMAGE}),
        Scene("rescue", "rescue.yml", "active", "rescue", "disk.img"),
        Scene("unrescue", "unrescue.yml", "rescue", "active", "disk.img"),
        Scene(
            "service",
            "service.yml",
            "active",
            "active",
            "disk.img",
            {"service_node_steps": [USERS_STEP, {"step": "reboot"}]},
        ),
    )
}
"""The scenes by name."""

BASES: dict[str, tuple[str, ...]] = {
    "new": (),
    "enrolled": ("enroll",),
    "active": ("deploy",),
    "rescue": ("deploy", "rescue"),
}
"""States to start from: the scenes that lead there, one after the other."""
