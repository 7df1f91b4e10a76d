"""Which machine an address means: as the drivers understand it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.identity import identity

Named = dict[str, t.Any]


def machine(address: str, driver: str = "redfish", port: int | None = None, system_id: str | None = None) -> str:
    return identity("ipmi" if address.startswith("ipmi:") else driver, address, port, system_id)


SYSTEM = "https://bmc.example/redfish/v1/Systems"

SAME: list[tuple[Named, Named]] = [
    ({"address": "https://BMC.example"}, {"address": "https://bmc.example:443/"}),
    ({"address": "bmc.example"}, {"address": "redfish://bmc.example."}),
    ({"address": "ipmi://bmc.example"}, {"address": "ipmi://bmc.example", "port": 623}),
    ({"address": "ipmi://bmc.example"}, {"address": "bmc.example", "driver": "ipmi"}),
    ({"address": "ipmi://bmc.example:6230"}, {"address": "ipmi://bmc.example:6230", "port": 623}),
    ({"address": "ipmi://bmc.example"}, {"address": "ipmi://bmc.example", "system_id": "1"}),
    ({"address": "http://127.0.0.1:8000"}, {"address": "redfish+http://127.0.0.1:8000"}),
    ({"address": "https://bmc.example:8443"}, {"address": "https://bmc.example:8443", "port": 623}),
    ({"address": "https://[::1]"}, {"address": "https://[::1]:443"}),
    ({"address": "https://[FE80::0:1]"}, {"address": "https://[fe80::1]"}),
    ({"address": "https://bmc.example"}, {"address": "ipmi://bmc.example"}),
    ({"address": f"{SYSTEM}/2/"}, {"address": "https://bmc.example", "system_id": "2"}),
    ({"address": f"{SYSTEM}/2"}, {"address": f"{SYSTEM}/2", "system_id": "1"}),
]
OTHER: list[tuple[Named, Named]] = [
    ({"address": "https://bmc.example"}, {"address": "https://bmc.example", "system_id": "2"}),
    ({"address": f"{SYSTEM}/2"}, {"address": f"{SYSTEM}/1"}),
    ({"address": f"{SYSTEM}/2"}, {"address": "https://bmc.example"}),
    ({"address": "ipmi://nat", "port": 6231}, {"address": "ipmi://nat", "port": 6232}),
    ({"address": "ipmi://nat:6231", "port": 623}, {"address": "ipmi://nat:6232", "port": 623}),
    ({"address": "https://nat:8001", "port": 623}, {"address": "https://nat:8002", "port": 623}),
    ({"address": "https://nat:8443"}, {"address": "https://nat"}),
    ({"address": "https://nat:623"}, {"address": "https://nat"}),
    ({"address": "https://[::1]:8443"}, {"address": "https://[::1:8443]"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [*((one, other, True) for one, other in SAME), *((one, other, False) for one, other in OTHER)],
)
def test_which_machine_a_bmc_is(one: Named, other: Named, same: bool) -> None:
    assert (machine(**one) == machine(**other)) is same
