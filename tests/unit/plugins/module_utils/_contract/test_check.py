"""The contract of the host variables: what is wrong is named, with its fix, and no secret is shown."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract import check as contract
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError

BMC = {"address": "https://192.0.2.1"}

BAD = [
    ({"bm_bcm": {}}, "bm_bcm does not exist. Did you mean bm_bmc?"),
    ({"bm_bmc": {}}, "bm_bmc.address is missing"),
    ({}, "bm_bmc is missing"),
    ({"bm_bmc": "https://192.0.2.1"}, "bm_bmc must be of type object, but is 'https://192.0.2.1'"),
    ({"bm_bmc": {**BMC, "pasword": "x"}}, "bm_bmc.pasword does not exist. Did you mean password?"),
    ({"bm_bmc": {**BMC, "verify": ""}}, "bm_bmc.verify must not be empty"),
    (
        {"bm_bmc": {"address": "https://a:4711@192.0.2.1"}},
        "bm_bmc.address is wrong; its value is not shown. It is to be: URL or host name of the BMC, without",
    ),
    ({"bm_bmc": BMC, "bm_image": {"url": "ftp://x"}}, "bm_image.url must match"),
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


@pytest.mark.parametrize(
    "variables",
    [
        {"bm_bmc": {**BMC, "password": 4711}},
        {"bm_bmc": {"address": "https://admin:4711@192.0.2.1"}},
        {"bm_bmc": {"address": "ipmi://4711@192.0.2.1"}},
        {"bm_bmc": {"address": 4711}},
        {"bm_bmc": BMC, "bm_config_drive": {"user_data": 4711}},
        {"bm_bmc": BMC, "bm_config_drive": {"iso": 4711}},
    ],
)
def test_a_secret_is_not_quoted(variables: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        contract.check(variables, node="node01")
    assert "4711" not in caught.value.to_result()["msg"]


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "https://[2001:db8::1]:8443/redfish/v1/Systems/1", "fake:///a@b/c.json"]
)
def test_addresses_without_credentials_are_fine(address: str) -> None:
    contract.check({"bm_bmc": {"address": address}}, node="node01")


def test_unset_variables_are_fine() -> None:
    contract.check({"bm_bmc": BMC, "bm_image": None, "bm_rebuild": False}, node="node01")
