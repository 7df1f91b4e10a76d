"""The options of the roles, as docs/generate.py writes them into their argument specs: data only."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._states.verbs import VERBS


def _option(kind: str, description: str, **more: t.Any) -> dict[str, t.Any]:
    return {"type": kind, "description": description, **more}


ROLE_OPTIONS: dict[str, dict[str, dict[str, t.Any]]] = {
    "provision_node": {
        "verb": _option("str", "What is done to the node; see docs/verbs.md.", default="deploy", choices=list(VERBS)),
        "steps": _option(
            "list", "For clean and service, exactly these steps in this order.", default=[], elements="dict"
        ),
        "in_band": _option("bool", "For inspect, whether the hardware is read in the ramdisk too.", default=True),
        "named": _option("bool", "The play's nodes were chosen on purpose; see docs/verbs.md.", default=False),
        "write_throttle": _option(
            "int", "How many nodes of the play write their image at the same time; 0 sets no limit.", default=0
        ),
        "instance_timeout": _option(
            "float",
            "Seconds for a deployed system to answer on SSH once its node is active; 0 does not wait.",
            default=0,
        ),
        "lldp_timeout": _option("float", "For inspect, seconds to listen for LLDP neighbours.", default=0),
        "report_dir": _option(
            "str",
            "Where disks are erased, by whichever verb, folder on the controller for the evidence, as JSON and as a"
            " report to print: NODE-STEP-TIME.json and .txt.",
            default="",
        ),
        "report_operator": _option("str", "Name in the report.", default=""),
        "rescue_ssh_keys": _option("list", "For rescue, public keys that may log in.", default=[], elements="str"),
        "rescue_password": _option(
            "str", "For rescue, root's password; one is made where there is no key either.", default="", no_log=True
        ),
    },
    "clean_node": {
        "steps": _option("list", "The steps, in this order.", default=[], elements="dict"),
        "report_dir": _option("str", "As provision_node_report_dir.", default=""),
        "operator": _option("str", "Name in the report.", default=""),
    },
    "inspect_node": {
        "in_band": _option("bool", "Whether to boot the ramdisk.", default=True),
        "lldp_timeout": _option("float", "Seconds to listen for LLDP neighbours.", default=0),
        "json_dir": _option("str", "Folder on the controller for the facts as JSON.", default=""),
        "host_vars_dir": _option("str", "Folder of host_vars for the facts.", default=""),
        "rules": _option("list", "Task files that are run with the facts in inspected.", default=[], elements="path"),
    },
    "rescue_node": {
        "ssh_keys": _option("list", "Public keys that may log in as root.", default=[], elements="str"),
        "password": _option(
            "str",
            "Root's password; without it and keys one is made, and kept in bm_state_dir while the ramdisk lives.",
            default="",
            no_log=True,
        ),
    },
    "service_node": {
        "steps": _option(
            "list", "Exactly these steps; default are those of bm_service_steps.", default=[], elements="dict"
        ),
    },
    "adopt_node": {},
    "enroll_node": {},
    "provide_node": {},
    "undeploy_node": {},
    "unrescue_node": {},
}
"""The options of each role, without its name as prefix."""

OTHER_ENTRY_POINTS: dict[str, t.Any] = {
    "state": {
        "short_description": "Read a node's state into provision_node_state",
        "description": ["Reads the record, and asks the BMC whether the machine is on."],
        "options": {},
    },
    "info": {
        "short_description": "Read what the store knows of a node into provision_node_info",
        "description": [
            "Asks the store alone. With gather, also the history, the steps, and the evidence of erased disks."
        ],
        "options": {
            "provision_node_gather": _option("list", "See bm_node_info.", default=["record", "work"], elements="str")
        },
    },
    "change_state": {
        "short_description": "Apply an event, set flags, or remove the record; see bm_state",
        "description": ["One act on the store: an event, flags, or the end of the record. The machine is not touched."],
        "options": {
            "provision_node_named": _option("bool", "As of the entry point main.", default=False),
            "provision_node_event": _option("str", "Event of the state machine."),
            "provision_node_maintenance": _option("bool", "Set the node aside, or take it back."),
            "provision_node_protect": _option("bool", "Refuse rebuild, undeploy and delete."),
            "provision_node_retire": _option("bool", "The node is not deployed any more."),
            "provision_node_reason": _option("str", "Why the flags are set."),
            "provision_node_remove": _option("bool", "Remove the node's record."),
        },
    },
    "boot_media": {
        "short_description": "Make the media of bm_boot_interface inserted_media",
        "description": ["Writes the ISO that an operator puts into the machine, for nodes whose BMC can insert none."],
        "options": {
            "provision_node_boot_media_dest": _option("path", "ISO file to write on the controller.", required=True),
            "provision_node_boot_media_force": _option("bool", "Make it anew where it is there.", default=False),
        },
    },
}
"""Further entry points of provision_node."""
