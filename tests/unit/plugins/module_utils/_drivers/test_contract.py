"""What every driver must do: the same suite on fake, ipmi (OpenIPMI's ipmi_sim) and redfish (sushy-tools)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import http.server
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.inventory import complete
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.registry import DRIVERS, connect

LIMITS = {"timeout": 10.0, "power_timeout": 60.0}
"""sushy-tools takes up to 11 s for a power change, and begins anew when asked again, after a fifth of the limit."""


@pytest.fixture(params=sorted(DRIVERS))
def bmc(request: pytest.FixtureRequest, fake_node: t.Any) -> dict[str, t.Any]:
    """bm_bmc of a machine that is there; its password is "right"."""
    if request.param == "fake":
        fake_node.script(password="right", inventory={"system": {"vendor": "Fake"}})
        return {"address": f"fake://{fake_node.machine_path}", "password": "right"}
    service = request.getfixturevalue(f"{request.param}_service")
    return t.cast("dict[str, t.Any]", service.bmc())


@pytest.fixture
def driver(bmc: dict[str, t.Any], fake_node: t.Any) -> t.Iterator[base.Driver]:
    with connect(make_node(fake_node, bmc)) as opened:
        opened.power.set_power_state(base.POWER_OFF)
        opened.counters.power_ons = 0
        yield opened


def make_node(fake_node: t.Any, bmc: dict[str, t.Any], **changes: t.Any) -> Node:
    return Node.from_params(fake_node.params(NODE_SPEC, bmc={"verify": True, **LIMITS, **bmc, **changes}))


def test_power_is_awaited_and_asked_once(driver: base.Driver) -> None:
    assert driver.power.set_power_state(base.POWER_ON)
    assert driver.power.get_power_state() == base.POWER_ON
    assert not driver.power.set_power_state(base.POWER_ON)
    assert driver.counters.power_ons == 1
    assert driver.power.set_power_state(base.POWER_OFF, soft=True)
    assert driver.power.get_power_state() == base.POWER_OFF
    assert not driver.power.set_power_state(base.POWER_OFF)


def test_a_reboot_switches_off_and_on(driver: base.Driver) -> None:
    driver.power.set_power_state(base.POWER_ON)
    driver.power.reboot()
    assert driver.power.get_power_state() == base.POWER_ON
    assert driver.counters.power_ons == 2


@pytest.mark.parametrize("mode", ["uefi", "bios"])
@pytest.mark.parametrize("persistent", [False, True], ids=["once", "persistent"])
@pytest.mark.parametrize("device", [base.CDROM, base.DISK, base.PXE])
def test_a_boot_device_is_set_and_read_back(driver: base.Driver, device: str, persistent: bool, mode: str) -> None:
    for dummy in range(2):
        driver.management.set_boot_device(device, mode=mode, persistent=persistent)
        seen = driver.management.get_boot_device()
        assert (seen.device, seen.mode) == (device, mode)
        assert seen.persistent >= persistent  # sushy-tools calls each override persistent


def test_a_boot_device_is_taken_back_or_that_is_refused(driver: base.Driver) -> None:
    driver.management.set_boot_device(base.PXE, mode="uefi")
    try:
        driver.management.clear_boot_device()
    except errors.BMCResponseError:  # sushy-tools knows no "Disabled"; the disk is what work falls back to
        driver.management.set_boot_device(base.DISK, mode="uefi", persistent=True)
        assert driver.management.get_boot_device().device == base.DISK
    else:
        assert driver.management.get_boot_device().device is None
        driver.management.clear_boot_device()


def test_the_inventory_has_each_key_and_is_read_again(driver: base.Driver) -> None:
    assert driver.inspect is not None
    before = driver.counters.bmc_requests
    told = driver.inspect.get_inventory()
    assert driver.counters.bmc_requests > before
    assert told == complete(told)
    assert set(told["missing"]) <= {"disks"}  # sushy-tools answers 500 for the disks of its fake systems
    assert any([*told["system"].values(), told["firmware"]["bmc"], told["boot_mode"]])
    assert driver.inspect.get_inventory() == told


def test_requests_are_counted(driver: base.Driver) -> None:
    before = driver.counters.bmc_requests
    driver.power.set_power_state(base.POWER_ON)
    assert driver.counters.bmc_requests > before


def test_a_closed_driver_opens_again(driver: base.Driver) -> None:
    driver.close()
    driver.close()
    assert driver.power.get_power_state() == base.POWER_OFF


def test_a_wrong_password_is_named_and_not_quoted(bmc: dict[str, t.Any], fake_node: t.Any) -> None:
    with connect(make_node(fake_node, bmc, password="secret-wrong")) as driver:
        with pytest.raises(errors.BMCAuthenticationError) as caught:
            driver.power.get_power_state()
        assert not caught.value.retryable
        assert "bm_bmc" in caught.value.hint
        assert "secret-wrong" not in str(caught.value.to_result())


@pytest.fixture
def iso(tmp_path: Path) -> t.Iterator[str]:
    """The URL of something that can be inserted."""
    (tmp_path / "boot.iso").write_bytes(bytes(2048))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/boot.iso"
    server.shutdown()
    server.server_close()


def test_media_are_inserted_once_and_ejected_or_unsupported(driver: base.Driver, iso: str) -> None:
    if driver.virtual_media is None:
        with pytest.raises(errors.UnsupportedOperationError, match="no virtual media") as caught:
            base.require_virtual_media(driver)
        assert "bm_boot_interface" in caught.value.hint
        return
    assert driver.virtual_media.get_media() is None
    assert not driver.virtual_media.eject_media()
    for dummy in range(2):
        driver.virtual_media.insert_media(iso)
        assert driver.virtual_media.get_media() is not None
    assert driver.virtual_media.eject_media()
    assert driver.virtual_media.get_media() is None


def test_what_a_driver_lacks_is_unsupported(driver: base.Driver) -> None:
    if driver.management.get_secure_boot() is None:
        with pytest.raises(errors.UnsupportedOperationError, match="Secure Boot"):
            driver.management.set_secure_boot(True)
