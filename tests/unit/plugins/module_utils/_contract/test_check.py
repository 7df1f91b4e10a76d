"""The contract of the host variables: what is wrong is named, with its fix, and no secret is shown."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract import check as contract
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError

BMC = {"address": "https://192.0.2.1"}

BAD = [
    ({"bm_bcm": {}}, "bm_bcm does not exist. Did you mean bm_bmc?"),
    ({"bm_bmc": {}}, "bm_bmc.address is missing"),
    ({}, "bm_bmc is missing"),
    ({"bm_bmc": "https://192.0.2.1"}, "bm_bmc must be of type object, but is a string"),
    ({"bm_bmc": {**BMC, "pasword": "x"}}, "bm_bmc.pasword does not exist. Did you mean password?"),
    ({"bm_bmc": BMC, "bm_image": {"url": "ftp://x"}}, "bm_image.url must be an http, https or file URL"),
    ({"bm_bmc": BMC, "bm_image": {"url": "http://u:p@ss@h/x"}}, "@ : / ? # % of a password written as %40"),
    ({"bm_bmc": BMC, "bm_image": {"url": "http://u:p/ss@h/x"}}, "@ : / ? # % of a password written as %40"),
    ({"bm_bmc": BMC, "bm_image": {"url": "http://u:p%ss@h/x"}}, "@ : / ? # % of a password written as %40"),
    (
        {"bm_bmc": BMC, "bm_image": {"url": "http://h/x", "checksum": "sha256:http://h/SUMS"}},
        "bm_image.checksum must be algorithm:hex, such as sha256:0123…, or the http, https or file URL of a SUMS file",
    ),
    ({"bm_bmc": BMC, "bm_image": {"url": "http://h/x", "checksum": "ftp://h/SUMS"}}, "checksum must be algorithm:hex"),
    ({"bm_bmc": BMC, "bm_config_drive": {"url": "file://x"}}, "bm_config_drive.url must be an http, https or file"),
    ({"bm_bmc": {**BMC, "verify": ""}}, "bm_bmc.verify must not be empty"),
    ({"bm_bmc": {"address": "https://a:4711@192.0.2.1"}}, "bm_bmc.address must be a URL or host name without user and"),
    ({"bm_bmc": BMC, "bm_image": {"url": "http://x", "format": "rwa"}}, "must be one of raw, qcow2, iso, but is 'rwa'"),
    ({"bm_bmc": BMC, "bm_boot_mac": "52:54:00"}, "bm_boot_mac must match"),
    ({"bm_bmc": BMC, "bm_rebuild": "maybe"}, "bm_rebuild must be of type boolean, but is 'maybe'"),
    ({"bm_bmc": BMC, "bm_root_device": {"serail": "x"}}, "bm_root_device.serail does not exist. Did you mean serial?"),
    ({"bm_bmc": BMC, "bm_deploy_steps": [{"priority": 50}]}, "bm_deploy_steps.0.step is missing"),
    ({"bm_bmc": BMC, "bm_ramdisk": {"kernel_args": "quiet\n"}}, "bm_ramdisk.kernel_args must match"),
    ({"bm_bmc": BMC, "bm_ramdisk": {"kernel_args": "a;b"}}, "bm_ramdisk.kernel_args must match"),
    ({"bm_bmc": BMC, "bm_ramdisk": {"timeout": 0}}, "bm_ramdisk.timeout must be greater than 0"),
]


@pytest.mark.parametrize(("variables", "expected"), BAD)
def test_what_is_wrong_is_named(variables: dict[str, t.Any], expected: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        contract.check(variables, node="node01")
    message = caught.value.to_result()["msg"]
    assert expected in message
    assert message.startswith("Node node01: ")


NUMBERS = ("0x5000c500a1b2c3d4", "5000500012345678", "0012345", "0b101", "1_000", "2:0:0:0", "5.0e+5", "1.5", ".inf")
OTHERS = ("2024-01-02", "2024-01-02 10:00:00", "yes", "off")


@pytest.mark.parametrize("text", [*NUMBERS, *OTHERS])
@pytest.mark.parametrize("key", ["serial", "wwn", "hctl"])
def test_a_text_that_yaml_has_made_something_else_of_is_to_be_quoted(key: str, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"bm_root_device\.{key} must be of type string.*Put it in quotes"):
        contract.check(yaml.safe_load(f"bm_bmc: {BMC}\nbm_root_device: {{{key}: {text}}}"), node="node01")
    contract.check(yaml.safe_load(f"bm_bmc: {BMC}\nbm_root_device: {{{key}: '{text}'}}"), node="node01")


HIDDEN = [
    {"bm_bmc": {**BMC, "password": 4711}},
    {"bm_bmc": {"address": 4711}},
    {"bm_bmc": {"address": "https://admin:4711@192.0.2.1"}},
    {"bm_bmc": {"address": "ipmi://4711@192.0.2.1"}},
    {"bm_bmc": {"address": "admin:4711@192.0.2.1"}},
    {"bm_bmc": "https://admin:4711@192.0.2.1"},
    {"bm_bmc": [{**BMC, "password": "4711"}]},
    {"bm_config_drive": {"user_data": 4711}},
    {"bm_config_drive": {"iso": 4711}},
    {"bm_config_drive": "#cloud-config\npassword: 4711\n"},
    {"bm_config_drive": ["4711"]},
    {"bm_config_drive": {"network_data": "4711"}},
    {"bm_config_drive": {"#cloud-config password 4711": 1}},
    {"bm_image": {"url": "ftp://user:4711@host/image.raw"}},
    {"bm_image": {"url": "host/image.raw?token=4711"}},
    {"bm_image": {"url": "http://h/x", "checksum": "ftp://user:4711@host/SUMS"}},
    {"bm_image": "http://user:4711@host/image.raw"},
    {"bm_deploy_steps": [{"step": "x", "args": "4711"}]},
    {"bm_deploy_steps": [{"step": "x", "args": ["4711"]}]},
    {"bm_deploy_steps": "4711"},
    {"bm_store": ["postgresql://user:4711@host/db"]},
    {"bm_ramdisk": {"kernel_args": "root_password=4711;"}},
    {"bm_boot_mode": "uefi, or with a key " + "x" * 99 + "4711"},
]


@pytest.mark.parametrize("variables", HIDDEN)
def test_a_secret_is_not_quoted(variables: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        contract.check({"bm_bmc": BMC, **variables}, node="node01")
    assert "4711" not in str(caught.value.to_result())
    assert next(iter(variables)) in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://host",
            "https://user:p%40ss@host:8443/a@b/c.raw?sig=a/b:c@d#x",
            "http://user@[2001:db8::1]:80/x y"[:-2],
        ),
        *("file:///srv/my images/a.raw", "file://localhost/srv/a.raw", "http://192.0.2.1/x?q"),
    ],
)
def test_urls_that_are_right(url: str) -> None:
    image = {"url": url, "checksum": url}
    contract.check({"bm_bmc": BMC, "bm_image": image, "bm_config_drive": {"url": url}}, node="node01")


@pytest.mark.parametrize(
    ("name", "fits"), [("a" * 200, True), ("a" * 201, False), ("a" * 300, False), ("ä" * 101, False)]
)
def test_a_node_has_a_name_that_files_can_have(name: str, fits: bool, fake_node: t.Any) -> None:
    if fits:
        assert Node.from_params(fake_node.params(NODE_SPEC, name=name)).name == name
        return
    with pytest.raises(InvalidRequestError, match="can't be the name of a node") as caught:
        Node.from_params(fake_node.params(NODE_SPEC, name=name))
    assert name not in caught.value.message


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "https://[2001:db8::1]:8443/redfish/v1/Systems/1", "fake:///a@b/c.json"]
)
def test_addresses_without_credentials_are_fine(address: str) -> None:
    contract.check({"bm_bmc": {"address": address}}, node="node01")


def test_unset_variables_are_fine() -> None:
    contract.check({"bm_bmc": BMC, "bm_image": None, "bm_rebuild": False}, node="node01")


def test_all_mistakes_are_told_at_once() -> None:
    wrong = {
        "bm_bmc": {**BMC, "pasword": "s3cret", "timout": 3},
        "bm_imgae": {},
        "bm_boot_mode": "legacy",
        "bm_image": {"checksum": "none"},
        "bm_root_device": {"serial": 12},
    }
    with pytest.raises(InvalidRequestError) as told:
        contract.check(wrong, node="node01", names=["bm_ramdsik", "bm_image", "other"])
    for part in (
        "bm_imgae does not exist. Did you mean bm_image?",
        "bm_ramdsik does not exist. Did you mean bm_ramdisk?",
        "bm_bmc.pasword does not exist. Did you mean password?",
        "bm_bmc.timout does not exist. Did you mean timeout?",
        "bm_boot_mode must be one of uefi, bios",
        "bm_image.url is missing.",
        "bm_image.checksum must be",
        "bm_root_device.serial must be of type string",
    ):
        assert told.value.message.count(part) == 1, told.value.message
    assert "s3cret" not in told.value.message
    assert told.value.hint == "Correct the host variables; nothing was touched."


def test_of_very_many_mistakes_ten_are_told() -> None:
    with pytest.raises(InvalidRequestError, match=r"bm_x09 does not exist.*And 2 more\.$"):
        contract.check_names([f"bm_x{number:02}" for number in range(12)], node="node01")
