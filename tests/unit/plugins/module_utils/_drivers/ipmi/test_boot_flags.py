"""Boot flags over IPMI: what BMCs tell of them, and what they mean by them."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.driver import IPMIDriver
from tests.ipmi import IPMIService
from tests.ipmi_wire import Command

GET_FLAGS, SET_FLAGS, GET_DEVICE_ID = (0x00, 0x09), (0x00, 0x08), (0x06, 0x01)
"""Network function and command (sections 28.12, 28.13, 20.1)."""


def test_boot_flags_that_are_forgotten_once_are_set_again(scripted: t.Callable[[Command], IPMIDriver]) -> None:
    forgotten = []

    def forget(netfn: int, command: int, data: t.Sequence[int]) -> dict[str, t.Any] | None:
        if (netfn, command) == (0x00, 0x08) and data[0] == 5 and not forgotten:  # Set System Boot Options, the flags
            forgotten.append(data)
            return {"code": 0}
        return None

    driver = scripted(forget)
    driver.management.set_boot_device(base.CDROM, mode="uefi")
    assert forgotten
    assert driver.management.get_boot_device() == base.BootDevice(base.CDROM, False, "uefi")
    driver.management.clear_boot_device()


def test_boot_flags_that_the_bmc_can_not_tell_are_set_all_the_same(
    scripted: t.Callable[[Command], IPMIDriver], ipmi_service: IPMIService
) -> None:
    def can_not_tell(netfn: int, command: int, data: t.Sequence[int]) -> dict[str, t.Any] | None:
        return {"code": 0x80, "error": "Parameter not supported"} if (netfn, command) == (0x00, 0x09) else None

    driver = scripted(can_not_tell)
    driver.management.set_boot_device(base.PXE, mode="uefi")
    assert ipmi_service.boot_flags.startswith("a0 04")
    assert driver.management.get_boot_device() == base.BootDevice(None, False)
    driver.management.clear_boot_device()
    assert not ipmi_service.boot_flags.startswith("a0")


@pytest.mark.parametrize(
    ("told", "persistent", "taken"),
    [
        ({"code": 0x80, "error": "Parameter not supported"}, False, True),
        ({"code": 0xFF, "error": "Unspecified error"}, False, True),
        ({"code": 0, "data": [1, 5]}, False, True),
        ({"code": 0, "data": [1, 5, 0x20, 0x04, 0, 0, 0]}, False, True),  # never called valid: ipmi_sim as it comes
        ({"code": 0, "data": [1, 5, 0x20, 0x08, 0, 0, 0]}, False, False),
        ({"code": 0, "data": [1, 5, 0xA0, 0x04, 0, 0, 0]}, True, False),  # once instead of from now on
        ({"code": 0, "data": [1, 5, 0x80, 0x04, 0, 0, 0]}, False, False),  # legacy boot
        ({"code": 0, "data": [1, 5, 0x00, 0x00, 0, 0, 0]}, False, False),
    ],
    ids=["0x80", "0xff", "too short", "not valid", "another", "once", "legacy", "forgotten"],
)
def test_what_a_bmc_tells_of_its_boot_flags(
    scripted: t.Callable[[Command], IPMIDriver], told: dict[str, t.Any], persistent: bool, taken: bool
) -> None:
    driver = scripted(lambda netfn, command, data: told if (netfn, command) == GET_FLAGS else None)
    if taken:
        driver.management.set_boot_device(base.PXE, mode="uefi", persistent=persistent)
    else:
        with pytest.raises(errors.BMCResponseError, match="was told to boot from pxe"):
            driver.management.set_boot_device(base.PXE, mode="uefi", persistent=persistent)


@pytest.mark.parametrize(
    ("maker", "mode", "selector"), [(10876, "uefi", 0x24), (10876, "bios", 0x08), (674, "uefi", 0x08)]
)
def test_supermicro_has_its_own_word_for_the_disk(
    scripted: t.Callable[[Command], IPMIDriver], maker: int, mode: str, selector: int
) -> None:
    kept = []

    def answer(netfn: int, command: int, data: t.Sequence[int]) -> dict[str, t.Any] | None:
        if (netfn, command) == GET_DEVICE_ID:
            return {"code": 0, "data": [32, 1, 1, 0, 2, 0xBF, *maker.to_bytes(3, "little"), 0, 0]}
        if (netfn, command) == SET_FLAGS and data[0] == 5:
            kept[:] = data
        return {"code": 0, "data": [1, *kept]} if (netfn, command) == GET_FLAGS and kept else None

    driver = scripted(answer)
    driver.management.set_boot_device(base.DISK, mode=mode, persistent=True)
    assert kept[2] == selector
    assert driver.management.get_boot_device() == base.BootDevice(base.DISK, True, mode)
