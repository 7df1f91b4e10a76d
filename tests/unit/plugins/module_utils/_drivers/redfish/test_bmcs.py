"""What the driver must do on each BMC that is data: the project's own, and recorded ones (``--bmc-trees FOLDER``)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.virtual_media import VirtualMedia
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.interfaces import NOTE, OK, Finding
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.inventory import complete
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import power
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver
from tests.bmcs import haste
from tests.bmcs.library import Known
from tests.bmcs.player import Player

ISO = "http://192.0.2.1/system.iso"

DEVICES = (base.CDROM, base.DISK, base.PXE)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    haste.without_pauses(monkeypatch.setattr)
    monkeypatch.setattr(power, "SAME_MOMENT", -1.0)


@pytest.fixture
def bmc(known_bmc: Known) -> t.Iterator[Player]:
    with known_bmc.play() as service:
        yield service
        assert (service.sessions, service.refused, service.doubles) == (0, 0, [])


@pytest.fixture
def driver(known_bmc: Known, bmc: Player, fake_node: t.Any) -> t.Iterator[RedfishDriver]:
    told = bmc.bmc(system_id=known_bmc.system_id)
    params = fake_node.params(NODE_SPEC, bmc={"verify": True, "timeout": 5.0, "power_timeout": 10.0, **told})
    params.update(deploy_interface="ramdisk", boot_interface="virtual_media", boot_mode="uefi")
    with RedfishDriver(Node.from_params(params)) as opened:
        yield opened


def refusal_of(known: Known, *names: str) -> str | None:
    """Return why one of these has to be refused, None where none has."""
    return next((known.refuses[name] for name in names if name in known.refuses), None)


def test_power_is_switched_and_awaited(driver: RedfishDriver, bmc: Player) -> None:
    assert driver.power.set_power_state(base.POWER_ON)
    assert not driver.power.set_power_state(base.POWER_ON)
    assert driver.power.set_power_state(base.POWER_OFF, soft=True)
    assert driver.power.get_power_state() == base.POWER_OFF
    assert bmc.power_ons == 1


@pytest.mark.parametrize("mode", ["uefi", "bios"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_boot_device_is_what_the_machine_starts_with_or_refused_before(
    driver: RedfishDriver, bmc: Player, known_bmc: Known, device: str, mode: str
) -> None:
    why = refusal_of(known_bmc, "boot", device, mode)
    if why is not None:
        with pytest.raises(errors.UnsupportedOperationError, match=why):
            driver.management.check_boot_device(device, mode=mode)
        assert bmc.writes == []
        return
    driver.management.check_boot_device(device, mode=mode)
    driver.management.set_boot_device(device, mode=mode)
    driver.power.set_power_state(base.POWER_ON)
    overrides = [item for item in bmc.starts[-1]["boots"] if item.get("BootSourceOverrideEnabled") == "Once"]
    wire = {base.CDROM: ("Cd", "UsbCd"), base.DISK: ("Hdd",), base.PXE: ("Pxe",)}[device]
    assert any(item["BootSourceOverrideTarget"] in wire for item in overrides)
    told = {item.get("BootSourceOverrideMode") for item in overrides} - {None}
    assert told <= {{"uefi": "UEFI", "bios": "Legacy"}[mode]}


def test_an_iso_is_booted_and_taken_back_or_refused_before(
    driver: RedfishDriver, bmc: Player, known_bmc: Known
) -> None:
    interface = VirtualMedia(driver.node, driver)
    why = refusal_of(known_bmc, "boot", "cdrom", "media")
    if why is not None:
        with pytest.raises(errors.UnsupportedOperationError, match=why):
            interface.check()
        assert bmc.writes == []
        return
    interface.check()
    if refusal_of(known_bmc, "insert"):
        with pytest.raises(errors.BMCResponseError, match=known_bmc.refuses["insert"]):
            interface.boot(ISO, persistent=True)
        assert bmc.starts == []
        return
    interface.boot(ISO, persistent=True)
    driver.power.set_power_state(base.POWER_ON)
    assert bmc.starts[-1]["media"]
    assert driver.virtual_media is not None
    assert driver.virtual_media.get_media() == ISO
    before = len(bmc.writes)
    driver.virtual_media.insert_media(ISO)
    interface.clean_up(None)
    assert [item for item in bmc._drives().values() if item.get("Inserted")] == []
    interface.clean_up(None)
    assert len(bmc.writes) == before + 1


def test_its_inventory_has_each_key(driver: RedfishDriver) -> None:
    told = driver.inspect.get_inventory()
    assert told == complete(told)


def test_what_it_keeps_of_the_console_is_told(driver: RedfishDriver, known_bmc: Known) -> None:
    assert driver.console_log is not None
    if not any(path.endswith("/HostLogger") for path in known_bmc.tree):
        with pytest.raises(errors.UnsupportedOperationError, match="keeps nothing"):
            driver.console_log.read_console()
        return
    lines = driver.console_log.read_console().splitlines()
    assert lines[-1] == "[    1.21] Kernel panic - not syncing: VFS"
    assert "U-Boot" not in lines, "the end counts"


def examine(driver: RedfishDriver, **options: t.Any) -> tuple[dict[str, Finding], dict[str, t.Any]]:
    found, variables = driver.examine.examine(**{"write": False, "media_url": None, **options})
    return {finding.what: finding for finding in found}, variables


def test_an_examination_tells_what_works(driver: RedfishDriver, bmc: Player, known_bmc: Known) -> None:
    found, variables = examine(driver)
    assert bmc.writes == []
    boots, takes = refusal_of(known_bmc, "boot") is None, refusal_of(known_bmc, "boot", "cdrom", "media") is None
    assert (found["boot override"].verdict in (OK, NOTE)) == boots
    assert (found["virtual media"].verdict == OK) == (refusal_of(known_bmc, "media") is None or not boots) or not takes
    assert ("bm_boot_interface" in variables) == boots
    assert (variables.get("bm_boot_interface") == "virtual_media") == takes
    assert all(finding.seen for finding in found.values())


def test_an_examination_that_writes_leaves_all_as_it_was(driver: RedfishDriver, bmc: Player, known_bmc: Known) -> None:
    before = driver.management.get_boot_device() if "boot" not in known_bmc.refuses else None
    found, dummy = examine(driver, write=True, media_url=ISO)
    tried = found["boot override, set and taken back"]
    if before is not None and before.device is None and "boot" not in known_bmc.refuses:
        assert tried.verdict == OK, tried
        assert driver.management.get_boot_device().device is None
    assert [item for item in bmc._drives().values() if item.get("Inserted")] == []
    if refusal_of(known_bmc, "boot", "cdrom", "media", "insert") is None:
        assert found["virtual media, in and out"].verdict == OK
    assert bmc.power_ons == 0
