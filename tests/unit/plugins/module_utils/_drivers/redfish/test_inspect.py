"""What a Redfish service tells of the hardware: a service of JSON documents, which may also answer with errors."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import http.server
import json
import threading
import types
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import session as redfish_session
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver

GIB = 1024**3
SYSTEM = "/redfish/v1/Systems/1"


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def collection(*paths: str) -> dict[str, t.Any]:
    return {"Name": "Collection", "Members": [link(path) for path in paths]}


CPU = {
    "Id": "CPU",
    "Name": "Processor",
    "ProcessorType": "CPU",
    "ProcessorArchitecture": "x86",
    "InstructionSet": "x86-64",
    "Model": "Xeon Gold 6230",
    "TotalThreads": 40,
    "Status": {"State": "Enabled"},
}
DRIVE = {
    "Id": "0",
    "Name": "Disk 0",
    "Model": "MZ7LH480",
    "SerialNumber": "S45 ",
    "CapacityBytes": 480 * GIB,
    "MediaType": "SSD",
    "Protocol": "SATA",
}
DOCUMENTS: dict[str, t.Any] = {
    "/redfish/v1": {"Id": "RootService", "RedfishVersion": "1.15.0", "Systems": link("/redfish/v1/Systems")},
    SYSTEM: {
        "Id": "1",
        "Name": "s",
        "Manufacturer": "Dell Inc.",
        "Model": "PowerEdge R640",
        "SerialNumber": "7XK0Z33",
        "UUID": "4c4c4544-0058-4b10-8030-b7c04f5a3333",
        "SKU": "",
        "BiosVersion": "2.21.2",
        "MemorySummary": {"TotalSystemMemoryGiB": 191.5},
        "ProcessorSummary": {"Count": 2, "LogicalProcessorCount": 80, "Model": "Xeon"},
        "Boot": {"BootSourceOverrideMode": "UEFI"},
        "Processors": link(f"{SYSTEM}/Processors"),
        "EthernetInterfaces": link(f"{SYSTEM}/EthernetInterfaces"),
        "Storage": link(f"{SYSTEM}/Storage"),
        "SimpleStorage": link(f"{SYSTEM}/SimpleStorage"),
        "Links": {"ManagedBy": [link("/redfish/v1/Managers/1")]},
    },
    "/redfish/v1/Managers/1": {"Id": "1", "Name": "m", "FirmwareVersion": "7.10.30"},
    f"{SYSTEM}/Processors": collection(f"{SYSTEM}/Processors/1", f"{SYSTEM}/Processors/2", f"{SYSTEM}/Processors/3"),
    f"{SYSTEM}/Processors/1": CPU,
    f"{SYSTEM}/Processors/2": {**CPU, "TotalThreads": "40"},
    f"{SYSTEM}/Processors/3": {**CPU, "ProcessorType": "GPU"},
    f"{SYSTEM}/EthernetInterfaces": collection(f"{SYSTEM}/EthernetInterfaces/1", f"{SYSTEM}/EthernetInterfaces/2"),
    f"{SYSTEM}/EthernetInterfaces/1": {
        "Id": "NIC.1",
        "MACAddress": "52-54-00-AB-CD-01",
        "SpeedMbps": 25000,
        "LinkStatus": "LinkUp",
    },
    f"{SYSTEM}/EthernetInterfaces/2": {
        "Id": "NIC.2",
        "MACAddress": "00:00:00:00:00:00",
        "PermanentMACAddress": "52:54:00:AB:CD:02",
        "SpeedMbps": 0,
        "LinkStatus": "NoLink",
    },
    f"{SYSTEM}/Storage": collection(f"{SYSTEM}/Storage/1", f"{SYSTEM}/Storage/2"),
    f"{SYSTEM}/Storage/1": {
        "Id": "1",
        "Drives": [link(f"{SYSTEM}/Storage/1/Drives/{number}") for number in range(3)],
    },
    f"{SYSTEM}/Storage/2": {"Id": "2", "Drives": [link(f"{SYSTEM}/Storage/1/Drives/0")]},
    f"{SYSTEM}/Storage/1/Drives/0": DRIVE,
    f"{SYSTEM}/Storage/1/Drives/1": {**DRIVE, "Name": "Disk 1", "SerialNumber": "S46"},
    f"{SYSTEM}/Storage/1/Drives/2": {"Id": "2", "Name": "Slot 2", "Status": {"State": "Absent"}},
    f"{SYSTEM}/SimpleStorage": collection(f"{SYSTEM}/SimpleStorage/1"),
    f"{SYSTEM}/SimpleStorage/1": {
        "Id": "1",
        "Devices": [{"Name": "sda", "Model": "old", "CapacityBytes": 10 * GIB}, {"Name": "DVD"}],
    },
}
DISKS = [
    {
        "name": f"Disk {number}",
        "model": "MZ7LH480",
        "serial": f"S4{number + 5}",
        "size_bytes": 480 * GIB,
        "media_type": "SSD",
        "protocol": "SATA",
    }
    for number in range(2)
]
SIMPLE = {
    "name": "sda",
    "model": "old",
    "serial": None,
    "size_bytes": 10 * GIB,
    "media_type": None,
    "protocol": None,
}
EXPECTED = {
    "system": {
        "vendor": "Dell Inc.",
        "product": "PowerEdge R640",
        "serial": "7XK0Z33",
        "uuid": "4c4c4544-0058-4b10-8030-b7c04f5a3333",
        "sku": None,
    },
    "firmware": {"bios": "2.21.2", "bmc": "7.10.30"},
    "cpus": {"count": 80, "sockets": 2, "model": "Xeon Gold 6230", "architecture": "x86_64"},
    "memory_mb": 196096,
    "disks": DISKS,
    "nics": [
        {"name": "NIC.1", "mac": "52:54:00:ab:cd:01", "speed_mbps": 25000, "link": True},
        {"name": "NIC.2", "mac": "52:54:00:ab:cd:02", "speed_mbps": None, "link": False},
    ],
    "boot_mode": "uefi",
    "missing": [],
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a GET with the document, a status that stands in its place, or text that is no JSON."""

    def do_GET(self) -> None:
        found = self.server.documents.get(self.path.rstrip("/"), 404)  # type: ignore[attr-defined]
        status = found if isinstance(found, int) else 200
        error = {"error": {"code": "Base.1.0.GeneralError", "message": "no"}}
        content = found if isinstance(found, str) else json.dumps(error if isinstance(found, int) else found)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *dummy: object) -> None:
        """Be quiet."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    # sushy asks again where it is answered 5xx; here without its pauses.
    monkeypatch.setattr(redfish_session.sushy.connector, "time", types.SimpleNamespace(sleep=lambda seconds: None))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.documents = copy.deepcopy(DOCUMENTS)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def read(fake_node: t.Any, service: t.Any) -> t.Any:
    address = f"http://127.0.0.1:{service.server_address[1]}"
    bmc = {"address": address, "username": "admin", "password": "right", "system_id": "1", "timeout": 5.0}
    with RedfishDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc=bmc))) as driver:
        assert driver.inspect is not None
        return driver.inspect.get_inventory()


def test_all_is_told(fake_node: t.Any, service: t.Any) -> None:
    assert read(fake_node, service) == EXPECTED


WITHOUT = ("Processors", "EthernetInterfaces", "Storage", "SimpleStorage")


@pytest.mark.parametrize("answer", [None, 404])
def test_what_is_not_there_is_no_error(fake_node: t.Any, service: t.Any, answer: int | None) -> None:
    for name in WITHOUT:
        if answer is None:
            del service.documents[SYSTEM][name]
        else:
            service.documents[f"{SYSTEM}/{name}"] = answer
    assert read(fake_node, service) == {
        **EXPECTED,
        "cpus": {"count": 80, "sockets": 2, "model": "Xeon", "architecture": None},
        "disks": [],
        "nics": [],
    }


def test_a_bare_system_is_no_error(fake_node: t.Any, service: t.Any) -> None:
    service.documents[SYSTEM] = {"Id": "1", "Name": "s", "MemorySummary": {"TotalSystemMemoryGiB": None}, "Boot": None}
    told = read(fake_node, service)
    assert (told["memory_mb"], told["disks"], told["nics"], told["missing"]) == (None, [], [], [])
    assert not any(told["system"].values())
    assert not any(told["cpus"].values())


@pytest.mark.parametrize("answer", [500, 503, 400, "<html>", '["a list"]', '{"Members": "none"}'])
@pytest.mark.parametrize(
    ("path", "changed"),
    [
        (
            "Processors",
            {"cpus": {"count": 80, "sockets": 2, "model": "Xeon", "architecture": None}, "missing": ["cpus"]},
        ),
        ("EthernetInterfaces", {"nics": [], "missing": ["nics"]}),
        ("Storage", {"disks": [SIMPLE], "missing": ["disks"]}),
    ],
)
def test_one_part_that_fails_spoils_no_other(
    fake_node: t.Any, service: t.Any, path: str, answer: t.Any, changed: dict[str, t.Any]
) -> None:
    service.documents[f"{SYSTEM}/{path}"] = answer
    assert read(fake_node, service) == {**EXPECTED, **changed}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        (f"{SYSTEM}/Storage/1/Drives/0", {"disks": DISKS[1:], "missing": ["disks"]}),
        (f"{SYSTEM}/EthernetInterfaces/2", {"nics": EXPECTED["nics"][:1], "missing": ["nics"]}),  # type: ignore[index]
        ("/redfish/v1/Managers/1", {"firmware": {"bios": "2.21.2", "bmc": None}, "missing": ["firmware"]}),
        (f"{SYSTEM}/Processors/2", {"missing": ["cpus"]}),  # the System's own sum stands in
    ],
)
def test_one_member_that_fails_spoils_no_other(
    fake_node: t.Any, service: t.Any, path: str, changed: dict[str, t.Any]
) -> None:
    service.documents[path] = 500
    assert read(fake_node, service) == {**EXPECTED, **changed}


@pytest.mark.parametrize("path", [SYSTEM, f"{SYSTEM}/Storage", f"{SYSTEM}/Processors/1"])
def test_refused_credentials_are_an_error(fake_node: t.Any, service: t.Any, path: str) -> None:
    service.documents[path] = 401
    with pytest.raises(errors.BMCAuthenticationError):
        read(fake_node, service)


def test_a_link_to_another_address_is_not_followed(fake_node: t.Any, service: t.Any) -> None:
    service.documents[SYSTEM]["Storage"] = link("http://127.0.0.1:1/redfish/v1/Storage")
    assert read(fake_node, service)["missing"] == ["disks"]


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({"InstructionSet": "ARM-A64", "ProcessorArchitecture": "ARM"}, "aarch64"),
        ({"InstructionSet": None, "ProcessorArchitecture": "ARM"}, "aarch64"),
        ({"InstructionSet": None, "ProcessorArchitecture": "x86"}, "x86_64"),
        ({"InstructionSet": None, "ProcessorArchitecture": "OEM"}, None),
    ],
)
def test_architectures(fake_node: t.Any, service: t.Any, processor: dict[str, t.Any], expected: str | None) -> None:
    service.documents[f"{SYSTEM}/Processors/1"].update(processor)
    assert read(fake_node, service)["cpus"]["architecture"] == expected


ODD: dict[str, tuple[dict[str, dict[str, t.Any]], str, t.Any]] = {
    # what differs: changes by path; which part of the inventory; what it has to be
    "Dell's serial number is its SKU": ({SYSTEM: {"SKU": "4ABC123"}}, "system.serial", "4ABC123"),
    "another's is not": ({SYSTEM: {"Manufacturer": "HPE", "SKU": "P18606-B21"}}, "system.serial", "7XK0Z33"),
    "nothing but in the chassis": (
        {
            SYSTEM: {
                **{"Manufacturer": None, "Model": None, "SerialNumber": None},
                "Links": {"Chassis": [link("/redfish/v1/Chassis/1")]},
            },
            "/redfish/v1/Chassis/1": {"Manufacturer": "NVIDIA", "Model": "GB200 NVL", "SerialNumber": "158312"},
        },
        "system",
        {"vendor": "NVIDIA", "product": "GB200 NVL", "serial": "158312"},
    ),
    "a chassis that can't be read": (
        {
            SYSTEM: {
                **{"Manufacturer": None, "Model": None, "SerialNumber": None},
                "Links": {"Chassis": [link("/redfish/v1/Chassis/9")]},
            }
        },
        "system",
        {"vendor": None, "product": None, "serial": None},
    ),
    "placeholders": (
        {SYSTEM: {"Model": "To be filled by O.E.M.", "SerialNumber": "....................", "SKU": "01234567890123"}},
        "system",
        {"product": None, "serial": None, "sku": None},
    ),
    "the BMC's own port": (
        {
            f"{SYSTEM}/EthernetInterfaces/1": {
                "Links": {"HostInterface": link("/redfish/v1/Managers/1/HostInterfaces/1")}
            }
        },
        "nics.name",
        ["NIC.2"],
    ),
    "a VLAN, and what is virtual": (
        {
            f"{SYSTEM}/EthernetInterfaces/1": {"EthernetInterfaceType": "Virtual"},
            f"{SYSTEM}/EthernetInterfaces/2": {"VLAN": {"VLANEnable": True, "VLANId": 7}},
        },
        "nics.name",
        [],
    ),
    "disks of one name": (
        {
            f"{SYSTEM}/Storage/1/Drives/{number}": {
                "Name": "Secondary Storage Device",
                "PhysicalLocation": {"PartLocation": {"ServiceLabel": f"Box 2:Bay {number}"}},
            }
            for number in range(2)
        },
        "disks.name",
        ["Secondary Storage Device (Box 2:Bay 0)", "Secondary Storage Device (Box 2:Bay 1)"],
    ),
    "a size in MiB": (
        {f"{SYSTEM}/Storage/1/Drives/0": {"CapacityBytes": 3815447}},
        "disks.size_bytes",
        [None, 480 * GIB],
    ),
    "no members": ({f"{SYSTEM}/Storage": {"Members": None}}, "missing", []),
}


@pytest.mark.parametrize(("changes", "part", "expected"), ODD.values(), ids=ODD)
def test_what_services_tell_oddly(
    fake_node: t.Any, service: t.Any, changes: dict[str, dict[str, t.Any]], part: str, expected: t.Any
) -> None:
    for path, change in changes.items():
        service.documents[path] = {"Id": "x", "Name": "x", **service.documents.get(path, {}), **change}
    told = read(fake_node, service)
    section, dummy, key = part.partition(".")
    found = told[section]
    if isinstance(expected, dict):
        found = {name: found[name] for name in expected}
    elif key:
        found = [entry[key] for entry in found] if isinstance(found, list) else found[key]
    assert found == expected
