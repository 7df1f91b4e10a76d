"""The Redfish driver against a real service: sushy-emulator with TLS, a password, and slow power changes."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import boot
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.quirks import find_bmc


def make_node(fake_node: t.Any, bmc: dict[str, t.Any]) -> Node:
    return Node.from_params(fake_node.params(NODE_SPEC, bmc={"timeout": 10.0, "power_timeout": 60.0, **bmc}))


@pytest.fixture
def driver(redfish_service: t.Any, fake_node: t.Any) -> t.Iterator[RedfishDriver]:
    with RedfishDriver(make_node(fake_node, redfish_service.bmc())) as opened:
        yield opened


def test_a_target_that_the_machine_lacks_is_unsupported(driver: RedfishDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(boot.SOURCES, base.DISK, ("SDCard",))
    with pytest.raises(errors.UnsupportedOperationError, match="boot from SDCard"):
        driver.management.set_boot_device(base.DISK, mode="uefi")


def test_media_that_are_not_there_are_an_error(driver: RedfishDriver) -> None:
    with pytest.raises(errors.BMCResponseError, match="could not insert"):
        driver.virtual_media.insert_media("http://127.0.0.1:1/boot.iso")


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({"password": "wrong"}, errors.BMCAuthenticationError, "refused the credentials"),
        ({"verify": True}, errors.BMCConnectionError, "certificate is not trusted"),
        ({"verify": f"sha256:{'0' * 64}"}, errors.BMCConnectionError, "certificate is not trusted"),
        ({"address": "https://127.0.0.1:1"}, errors.BMCConnectionError, "can't be reached"),
        ({"system_id": "nope"}, errors.InvalidRequestError, "has no System 'nope'"),
        ({"system_id": None}, errors.InvalidRequestError, "has 2 Systems, not exactly one"),
    ],
)
def test_what_keeps_us_out_is_named(
    redfish_service: t.Any, fake_node: t.Any, changes: dict[str, t.Any], error: type[Exception], expected: str
) -> None:
    node = make_node(fake_node, redfish_service.bmc(**changes))
    with RedfishDriver(node) as driver, pytest.raises(error, match=expected) as caught:
        driver.power.get_power_state()
    assert "right" not in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_wrong_credentials_are_sent_once(redfish_service: t.Any, fake_node: t.Any) -> None:
    node = make_node(fake_node, redfish_service.bmc(password="wrong"))
    with RedfishDriver(node) as driver:
        with pytest.raises(errors.BMCAuthenticationError):
            driver.power.get_power_state()
        assert driver.counters.bmc_requests <= 2  # the root, which is open, and the refusal


@pytest.mark.parametrize("verify", ["pin", "colons", False])
def test_a_pinned_certificate_is_trusted(redfish_service: t.Any, fake_node: t.Any, verify: t.Any) -> None:
    digest = redfish_service.fingerprint
    colons = ":".join(digest[i : i + 2] for i in range(0, 64, 2))
    value = {"pin": f"sha256:{digest}", "colons": f"sha256:{colons}"}.get(verify, verify)
    with RedfishDriver(make_node(fake_node, redfish_service.bmc(verify=value))) as driver:
        assert driver.power.get_power_state() in (base.POWER_ON, base.POWER_OFF)


def test_an_address_may_name_the_system(redfish_service: t.Any, fake_node: t.Any) -> None:
    address = f"redfish://127.0.0.1:{redfish_service.port}/redfish/v1/Systems/{redfish_service.systems[1]}"
    with RedfishDriver(make_node(fake_node, redfish_service.bmc(address=address, system_id=None))) as driver:
        assert driver.power.get_power_state() == base.POWER_OFF


@pytest.mark.parametrize(
    ("vendor", "manufacturer", "model", "firmware", "expected"),
    [
        ("Dell", "Dell Inc.", "15G Monolithic", "6.00.30.00", "iDRAC"),
        ("Dell", "Dell Inc.", "14G Monolithic", "5.10.00.00", "iDRAC before 6.00"),
        (None, "Dell Inc.", None, "4.40.00.00", "iDRAC before 6.00"),
        ("Dell", "Dell Inc.", "17G Monolithic", "1.20.50.50", "iDRAC10"),
        ("HPE", "HPE", "iLO 5", "iLO 5 v2.72", "iLO"),
        (None, "HP", "iLO 4", "iLO 4 v2.70", "iLO"),
        (None, "HPE", None, None, None),
        ("AMI", "NVIDIA", "77171220", "23.11.20", "MegaRAC"),
        (None, "GIGABYTE", None, "12.84", "MegaRAC"),
        ("Supermicro", "Supermicro", "OpenBmc", "70.01.00.09", "Supermicro"),
        (None, "Super Micro Computer", "ASPEED", "4.0", "Supermicro"),
        (None, "Cisco Systems Inc", None, None, "CIMC"),
        ("Lenovo", "Lenovo", "Lenovo XClarity Controller", "TGBT42S 2.83 2023-07-05", "XCC"),
        ("NVIDIA", None, "OpenBmc", "GB200Nvl-24.12-8", None),
        (None, None, None, None, None),
        (None, 7, None, None, None),
    ],
)
def test_which_bmc_it_is(vendor: t.Any, manufacturer: t.Any, model: t.Any, firmware: t.Any, expected: t.Any) -> None:
    manager = {"Model": model, "FirmwareVersion": firmware}
    row = find_bmc({"Vendor": vendor}, {"Manufacturer": manufacturer}, lambda: manager)
    assert (row and row.name) == expected


def test_secure_boot_is_switched_and_read_back(driver: RedfishDriver) -> None:
    now = driver.management.get_secure_boot()
    assert now is not None
    driver.management.set_secure_boot(not now)
    assert driver.management.get_secure_boot() == (not now)
    driver.management.set_secure_boot(now)
    assert driver.management.get_secure_boot() == now


def test_a_boot_url_is_offered_and_one_that_can_not_be_fetched_is_an_error(driver: RedfishDriver) -> None:
    driver.management.check_http_boot()
    with pytest.raises(errors.BMCResponseError, match="boot from UefiHttp"):
        driver.management.set_http_boot("http://127.0.0.1:1/boot.iso")


def test_a_service_without_boot_urls_is_named(driver: RedfishDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(driver.system.json["Boot"], "HttpBootUri")
    monkeypatch.setattr(driver.session, "read_system", lambda doing: driver.system)
    with pytest.raises(errors.UnsupportedOperationError, match="offers no HttpBootUri"):
        driver.management.check_http_boot()
