"""A node as the inventory describes it: typed, checked, frozen. No I/O."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import typing as t
from urllib.parse import urlsplit

from .._errors import InvalidRequestError
from . import check as contract
from .identity import identity
from .schema import HOST_VARIABLES
from .words import check_name, check_path

Params = t.Mapping[str, t.Any]

_COMPRESSION = {".gz": "gz", ".xz": "xz", ".zst": "zst", ".bz2": "bz2"}
_DRIVER_OF_SCHEME = {
    "fake": "fake",
    "ipmi": "ipmi",
    "https": "redfish",
    "http": "redfish",
    "redfish": "redfish",
    "redfish+http": "redfish",
}


@dataclasses.dataclass(frozen=True)
class BMC:
    """How to reach the BMC; times are in seconds.

    ``verify``: true, false, a CA file, or ``sha256:`` and the certificate's digest (Redfish). ``port`` to
    ``min_command_interval`` are IPMI's: ``kg_key`` is the key K_g as hex digits, None where the BMC has none.
    """

    address: str
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    verify: bool | str = True
    system_id: str | None = None
    timeout: float = 60
    power_timeout: float = 300
    port: int | None = None
    privilege_level: str | None = None
    cipher_suite: int | None = None
    kg_key: str | None = dataclasses.field(default=None, repr=False)
    min_command_interval: float = 0


@dataclasses.dataclass(frozen=True)
class Image:
    """What to deploy. ``checksum`` is ``algorithm:hex`` or the URL of a SUMS file; None if none is given."""

    url: str
    checksum: str | None = None
    format: str = "raw"
    compression: str = "auto"
    ca_path: str | None = None
    validate_certs: bool = True
    other_copies: str = "refuse"

    @property
    def real_compression(self) -> str:
        """The compression, with ``auto`` answered by the URL's suffix."""
        if self.compression != "auto":
            return self.compression
        return _COMPRESSION.get(os.path.splitext(urlsplit(self.url).path)[1], "none")


@dataclasses.dataclass(frozen=True)
class Ramdisk:
    """The deploy ramdisk: where it comes from and where it answers. ``timeout`` in seconds."""

    kernel: str | None = None
    initrd: str | None = None
    esp: str | None = None
    iso: str | None = None
    root: str | None = None
    root_checksum: str | None = None
    ssh_key: str | None = None
    address: str | None = None
    port: int = 22
    network: Params | None = None
    kernel_args: str = ""
    timeout: float = 1800


@dataclasses.dataclass(frozen=True)
class Node:
    """One inventory host that is a machine behind a BMC."""

    name: str
    driver: str
    bmc: BMC
    boot_interface: str
    boot_mode: str
    boot_mac: str | None
    secure_boot: bool | None
    deploy_interface: str
    image: Image | None
    root_device: Params
    config_drive: Params | None
    ramdisk: Ramdisk
    boot_server: Params | None
    deploy_steps: t.Sequence[Params]
    clean_steps: t.Sequence[Params]
    service_steps: t.Sequence[Params]
    step_templates: t.Mapping[str, Params]
    traits: t.Sequence[str]
    resource_class: str | None
    automated_clean: bool
    rebuild: bool
    take_running: bool
    console: str
    protected: bool
    state_dir: str

    @property
    def machine(self) -> str:
        """Which machine it is: where its BMC answers, and which of the BMC's Systems; see ``identity``."""
        return identity(self.driver, self.bmc.address, self.bmc.port, self.bmc.system_id)

    @classmethod
    def from_params(cls, params: Params) -> Node:
        """Build a node from module options, which are the host variables without their prefix.

        :raises InvalidRequestError: naming the variable, what is wrong and how to put it right.
        """
        name = params["name"]
        check_name(name)
        known = HOST_VARIABLES["properties"]
        given = {f"bm_{key}": _given(value) for key, value in params.items() if f"bm_{key}" in known}
        contract.check(given, node=name, names=params.get("variables") or ())
        bmc = BMC(**_given(params["bmc"]))
        image = params.get("image")
        for variable, path in (
            ("bm_state_dir", params["state_dir"]),
            ("bm_ramdisk.ssh_key", (params.get("ramdisk") or {}).get("ssh_key")),
        ):
            check_path(variable, path, node=name)
        return cls(
            name=name,
            driver=params.get("driver") or _driver_of(bmc.address, name),
            bmc=bmc,
            boot_interface=params["boot_interface"],
            boot_mode=params["boot_mode"],
            boot_mac=params.get("boot_mac"),
            secure_boot=params.get("secure_boot"),
            deploy_interface=params["deploy_interface"],
            image=Image(**_given(image)) if image else None,
            root_device=params.get("root_device") or {},
            config_drive=_given(params["config_drive"]) if params.get("config_drive") else None,
            ramdisk=Ramdisk(**_given(params.get("ramdisk") or {})),
            boot_server=params.get("boot_server"),
            deploy_steps=params.get("deploy_steps") or (),
            clean_steps=params.get("clean_steps") or (),
            service_steps=params.get("service_steps") or (),
            step_templates=params.get("step_templates") or {},
            traits=params.get("traits") or (),
            resource_class=params.get("resource_class"),
            automated_clean=params["automated_clean"],
            rebuild=params["rebuild"],
            take_running=params["take_running"],
            console=params["console"],
            protected=params["protected"],
            state_dir=os.path.expanduser(params["state_dir"]),
        )


def _given(value: t.Any) -> t.Any:
    """Return the value without the keys that are None: suboptions that were not given."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    return value


def _driver_of(address: str, name: str) -> str:
    """Return the driver that the scheme of a BMC address means; without a scheme it is Redfish."""
    scheme = address.partition("://")[0] if "://" in address else "https"
    driver = _DRIVER_OF_SCHEME.get(scheme.lower())
    if driver is None:
        raise InvalidRequestError(
            f"The scheme '{scheme}' of bm_bmc.address is unknown.",
            node=name,
            hint=f"Known are: {', '.join(sorted(_DRIVER_OF_SCHEME))}.",
        )
    return driver


def digest_of(value: t.Any) -> str:
    """Return ``sha256:hex`` of a JSON value, the same for the same content."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
