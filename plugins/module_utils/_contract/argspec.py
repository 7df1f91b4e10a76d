"""Options that all modules have: the host variables without their prefix. Mirrored by doc_fragments/node.py."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .._states.verbs import VERBS

Spec = dict[str, t.Any]

BMC_SPEC: Spec = {
    "address": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "verify": {"type": "raw", "default": True},
    "system_id": {"type": "str"},
    "timeout": {"type": "float", "default": 60},
    "power_timeout": {"type": "float", "default": 300},
    "port": {"type": "int"},
    "privilege_level": {"type": "str", "choices": ["user", "operator", "administrator"]},
    "cipher_suite": {"type": "int", "choices": [3, 17]},
    "kg_key": {"type": "str", "no_log": True},
    "min_command_interval": {"type": "float", "default": 0},
}

CONFIG_DRIVE_SPEC: Spec = {
    "meta_data": {"type": "dict"},
    "user_data": {"type": "raw", "no_log": True},
    "network_data": {"type": "dict"},
    "vendor_data": {"type": "dict"},
    "iso": {"type": "str", "no_log": True},
    "url": {"type": "str"},
    "checksum": {"type": "str"},
}

NODE_SPEC: Spec = {
    "name": {"type": "str", "required": True},
    "driver": {"type": "str", "choices": ["redfish", "ipmi", "fake"]},
    "bmc": {"type": "dict", "required": True, "options": BMC_SPEC},
    "boot_interface": {
        "type": "str",
        "default": "virtual_media",
        "choices": ["virtual_media", "ipxe", "http", "inserted_media"],
    },
    "boot_mode": {"type": "str", "default": "uefi", "choices": ["uefi", "bios"]},
    "boot_mac": {"type": "str"},
    "secure_boot": {"type": "bool"},
    "deploy_interface": {"type": "str", "default": "direct", "choices": ["direct", "ramdisk", "noop"]},
    "image": {"type": "dict"},
    "root_device": {"type": "dict"},
    "config_drive": {"type": "dict", "options": CONFIG_DRIVE_SPEC},
    "ramdisk": {"type": "dict"},
    "boot_server": {"type": "dict"},
    "deploy_steps": {"type": "list", "elements": "dict"},
    "clean_steps": {"type": "list", "elements": "dict"},
    "service_steps": {"type": "list", "elements": "dict"},
    "step_templates": {"type": "dict"},
    "traits": {"type": "list", "elements": "str"},
    "resource_class": {"type": "str"},
    "properties": {"type": "dict"},
    "erase": {"type": "dict"},
    "devices": {"type": "list", "elements": "str"},
    "preserve_partitions": {"type": "list", "elements": "str"},
    "automated_clean": {"type": "bool", "default": False},
    "rebuild": {"type": "bool", "default": False},
    "console": {"type": "str", "choices": ["none", "keep"], "default": "none"},
    "take_running": {"type": "bool", "default": False},
    "protected": {"type": "bool", "default": False},
    "store": {"type": "str"},
    "state_dir": {"type": "path", "default": "~/.local/state/baremetal.lifecycle"},
    "reservation_timeout": {"type": "float", "default": 900},
    "variables": {"type": "list", "elements": "str"},
    "owner": {"type": "str"},
}
"""What every module of the action group takes."""

WORK_SPEC: Spec = {
    "verb": {
        "type": "str",
        "default": "deploy",
        "choices": list(VERBS),
    },
    "steps": {"type": "list", "elements": "dict", "default": []},
    "in_band": {"type": "bool", "default": True},
}
"""What the modules take that do a verb's work."""
