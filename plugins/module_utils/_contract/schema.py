"""The contract of the host variables as JSON Schema (draft 2020-12): data only.

``docs/host_variables.schema.json`` is this, written out for editors. Secrets are not in the schema's
errors: see ``_SECRET`` in check.py. ``patternErrorMessage`` is what editors show, too.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .patterns import ADDRESS, BMC_ADDRESS, BOOT_URL, CHECKSUM, HTTP_URL, KG_KEY, MAC, PREFIX, SHA256

Schema = dict[str, t.Any]


def _object(properties: Schema, *, required: tuple[str, ...] = (), title: str = "") -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": list(required),
    }
    return {**schema, "description": title} if title else schema


def _string(title: str, **more: t.Any) -> Schema:
    return {"type": "string", "description": title, **more}


def _boolean(title: str) -> Schema:
    return {"type": "boolean", "description": title}


def _seconds(title: str) -> Schema:
    return {"type": "number", "exclusiveMinimum": 0, "description": f"{title}, in seconds"}


_TEXT_HINT = "text, in quotes; or s== s!= s< s<= s> s>= <in> <all-in> and a text; or <or> one <or> other"
_HINTS = {
    "size": {
        "type": ["string", "integer"],
        "description": "GiB; or = == != < <= > >= and GiB; or <or> 480 <or> 960; or <range-in> [ 480 960 ]",
    },
    "rotational": {
        "type": ["boolean", "string", "integer"],
        "description": "true, t, on, y, yes, 1; or false, f, off, n, no, 0",
    },
}

BMC = _object(
    {
        "address": _string(
            "URL or host name of the BMC, without credentials; ipmi://host for IPMI, fake:///path for the fake driver",
            minLength=1,
            **BMC_ADDRESS,
        ),
        "username": _string("Account on the BMC"),
        "password": _string("Its password"),
        "verify": {
            "type": ["boolean", "string"],
            "minLength": 1,
            "description": "true, false, a CA file, or sha256:<hex> of the certificate",
        },
        "system_id": _string("Which System, where the BMC has several; its @odata.id's last part"),
        "timeout": _seconds("Limit for one request"),
        "power_timeout": _seconds("Limit for a power change to come true"),
        "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "UDP port (IPMI); default 623"},
        "privilege_level": _string(
            "Privilege level to ask for (IPMI); default is the highest that the account has",
            enum=["user", "operator", "administrator"],
        ),
        "cipher_suite": {
            "enum": [3, 17],
            "description": "Cipher suite (IPMI): 17 is SHA-256, 3 is SHA-1; default is 17, then 3",
        },
        "kg_key": _string("Key K_g (IPMI), as up to 40 hex digits", pattern=KG_KEY),
        "min_command_interval": {
            "type": "number",
            "minimum": 0,
            "description": "Pause between two commands for slow BMCs (IPMI), in seconds; default 0",
        },
    },
    required=("address",),
    title="How to reach the node's BMC",
)

IMAGE = _object(
    {
        "url": _string("Where the image is", **HTTP_URL),
        "checksum": _string("algorithm:hex (sha256, sha512 …), or the URL of a SUMS file", minLength=8, **CHECKSUM),
        "format": _string("What the image is, uncompressed", enum=["raw", "qcow2", "iso"]),
        "compression": _string("auto goes by the URL's suffix", enum=["auto", "none", "gz", "xz", "zst", "bz2"]),
        "ca_path": _string("CA file for an https URL, on the node that fetches"),
        "other_copies": _string(
            "What to do where another disk has the same image or a config drive; default refuse",
            enum=["refuse", "erase", "keep"],
        ),
        "validate_certs": _boolean("Verify the certificate of an https URL"),
    },
    required=("url",),
    title="What to deploy",
)

ROOT_DEVICE = _object(
    {
        key: _HINTS.get(key) or _string(_TEXT_HINT)
        for key in (
            "size", "model", "vendor", "serial", "wwn", "wwn_with_extension", "wwn_vendor_extension",
            "name", "rotational", "hctl", "by_path", "tran",
        )
    },
    title="Hints that exactly one disk must fit; Ironic's keys and operators",
)  # fmt: skip

CONFIG_DRIVE = _object(
    {
        "meta_data": {"type": "object", "description": "OpenStack meta_data.json: hostname, public_keys …"},
        "user_data": {"type": ["string", "object"], "description": "cloud-init's user data"},
        "network_data": {"type": "object", "description": "OpenStack network_data.json"},
        "vendor_data": {"type": "object", "description": "OpenStack vendor_data.json"},
        "iso": _string("A finished config drive, base64 (gzip allowed)"),
        "url": _string("Where a finished config drive is", **HTTP_URL),
        "checksum": _string("Checksum of what is at url: algorithm:hex, or the URL of a SUMS file", **CHECKSUM),
    },
    title="What cloud-init finds on the config drive",
)

RAMDISK = _object(
    {
        "kernel": _string("File on the controller: the kernel"),
        "initrd": _string("File on the controller: the first, small part of the ramdisk, which fetches the rest"),
        "esp": _string("File on the controller: the boot loader"),
        "root": _string("URL of the ramdisk's root file system, as the node sees it", pattern=BOOT_URL),
        "root_checksum": _string("sha256:hex of it; default from SHA256SUMS beside the kernel", pattern=SHA256),
        "iso": _string("URL of finished boot media, instead of all these files", pattern="^https?://"),
        "ssh_key": _string("File on the controller: private key that finished boot media (iso) accept"),
        "address": _string("Where the ramdisk answers on SSH; default is ansible_host"),
        "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "TCP port of its SSH server"},
        "network": _object(
            {
                "address": _string("IPv4 address with prefix length, such as 192.0.2.11/24", pattern=PREFIX),
                "gateway": _string("Default gateway", pattern=ADDRESS),
                "dns": {
                    "type": "array",
                    "items": {"type": "string", "pattern": ADDRESS},
                    "description": "Name servers",
                },
                "mac": _string("MAC of the port that gets the address; default is bm_boot_mac", **MAC),
            },
            required=("address",),
            title="Static network for a site without DHCP",
        ),
        "kernel_args": _string("More kernel parameters", pattern="^[A-Za-z0-9_.,:=/@%+ -]*(?!\\n)$"),
        "timeout": _seconds("Limit for the ramdisk to answer on SSH after power-on"),
    },
    title="The deploy ramdisk",
)

STEP = _object(
    {
        "step": _string("Name of the step", minLength=1),
        "interface": _string(
            "The driver's interface that has the step", enum=["power", "management", "boot", "deploy"]
        ),
        "priority": {
            "type": "integer",
            "minimum": 0,
            "maximum": 999,
            "description": "Higher runs earlier; 0 switches off; a deployment's steps need one",
        },
        "tasks": _string("Absolute path of an Ansible task file that runs in the ramdisk", pattern="^/"),
        "args": {
            "type": "object",
            "description": "Arguments of the step, none of them empty; step_args in a task file",
        },
    },
    required=("step",),
)


def _steps(title: str) -> Schema:
    return {"type": "array", "items": STEP, "description": title}


def _strings(title: str) -> Schema:
    return {"type": "array", "items": {"type": "string"}, "description": title}


_USER_STEPS = {
    "bm_deploy_steps": _steps("User's steps of a deployment"),
    "bm_clean_steps": _steps("User's steps of automated cleaning, and priorities of its own steps"),
    "bm_service_steps": _steps("User's steps of a service"),
}


HOST_VARIABLES: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Host variables of baremetal.lifecycle",
    "type": "object",
    "properties": {
        "bm_driver": _string(
            "How to talk to the BMC; default from the scheme of bm_bmc.address", enum=["redfish", "ipmi", "fake"]
        ),
        "bm_bmc": BMC,
        "bm_boot_interface": _string(
            "How the ramdisk gets to the node", enum=["virtual_media", "ipxe", "http", "inserted_media"]
        ),
        "bm_boot_mode": _string("Firmware mode", enum=["uefi", "bios"]),
        "bm_boot_mac": _string("MAC of the port that boots and carries the ramdisk's address", **MAC),
        "bm_secure_boot": _boolean("Secure Boot: true switches it on, false off; without it, it is left as it is"),
        "bm_deploy_interface": _string(
            "direct writes a disk image, ramdisk boots media as the instance", enum=["direct", "ramdisk", "noop"]
        ),
        "bm_image": IMAGE,
        "bm_root_device": ROOT_DEVICE,
        "bm_config_drive": CONFIG_DRIVE,
        "bm_ramdisk": RAMDISK,
        "bm_boot_server": _object(
            {
                "path": _string("Folder on the controller"),
                "url": _string("URL under which BMC and node find it", pattern="^https?://"),
            },
            required=("path", "url"),
            title="Where boot media for one deployment are published",
        ),
        "bm_console": _string("keep: what the machine says on its console as it starts is kept", enum=["none", "keep"]),
        "bm_capabilities": {"type": "object", "description": "Capabilities, for step templates"},
        "bm_traits": _strings("Traits, for step templates and allocation"),
        "bm_resource_class": _string("Resource class, for allocation"),
        "bm_store": _string("SQLAlchemy URL of the state store; default is store.db in bm_state_dir", minLength=1),
        "bm_state_dir": _string("Folder on the controller for keys and config drives", minLength=1),
        "bm_reservation_timeout": _seconds("How long a reservation outlives its run, where the run can't be seen"),
        "bm_automated_clean": _boolean("Clean a node on its way to available"),
        "bm_rebuild": _boolean("Allow an active node to be deployed anew"),
        "bm_take_running": _boolean("Allow a machine that runs, and that the store has never worked on, to be taken"),
        "bm_preserve_partitions": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 36},
            "uniqueItems": True,
            "description": "Names of GPT partitions on the root disk that no deployment touches; see docs/rebuild.md",
        },
        "bm_protected": _boolean("Refuse rebuild, undeploy and delete"),
        **_USER_STEPS,
        "bm_step_templates": {
            "type": "object",
            "additionalProperties": _object(
                {name.removeprefix("bm_"): schema for name, schema in _USER_STEPS.items()},
                title="Steps for nodes that have the trait of this name in bm_traits",
            ),
            "description": "Steps by trait: lists as in bm_deploy_steps, bm_clean_steps and bm_service_steps",
        },
        "bm_erase": _object(
            {
                "allow": {
                    **_strings("Only these are ever erased: name, by-path link, serial or WWN; without it, all"),
                    "minItems": 1,
                },
                "skip": _strings("These are never erased"),
                "guard": _boolean("Keep disks with a cluster file system (VMFS, GPFS, GFS2, OCFS2); default true"),
                "method": _string(
                    "How: auto takes the best that the disk can do; default auto",
                    enum=["auto", "nvme_sanitize", "nvme_format", "ata_secure_erase", "blkdiscard", "overwrite"],
                ),
            },
            title="Which disks cleaning may erase",
        ),
        "bm_properties": _object(
            {
                "cpus": {"type": "integer", "description": "Logical processors"},
                "memory_mb": {"type": "integer", "description": "Memory in MiB"},
                "local_gb": {"type": "integer", "description": "Largest disk in GiB"},
                "cpu_arch": _string("Architecture, such as x86_64"),
                "vendor": _string("Manufacturer"),
                "product": _string("Model"),
                "serial": _string("Serial number"),
            },
            title="What the hardware is meant to be; an inspection reports what differs",
        ),
        "bm_devices": _strings("Only these count as disks; for tests with files"),
    },
    "additionalProperties": False,
    "required": ["bm_bmc"],
}
"""Everything that may be set for a node, by variable name."""
