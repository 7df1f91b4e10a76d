"""What is called before looks and acts, and for how long."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.registry import connect
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.watched import watch
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import state


def test_what_is_watched_is_watched_once_and_only_in_the_block(fake_node: t.Any) -> None:
    seen: list[str] = []
    with connect(Node.from_params(fake_node.params(state.ARGUMENT_SPEC))) as driver:
        for dummy in range(2):
            with watch(driver, looks=lambda: seen.append("look"), acts=lambda: seen.append("act")):
                driver.power.set_power_state("power on")
                driver.power.set_power_state("power off")
            assert seen.count("act") == 2
            assert "look" in seen
            seen.clear()
            driver.power.get_power_state()
            driver.counters.fence()
            assert seen == []


def test_what_is_raised_before_an_act_keeps_it_from_being_done(fake_node: t.Any) -> None:
    def lost() -> None:
        raise RuntimeError("lost")

    with connect(Node.from_params(fake_node.params(state.ARGUMENT_SPEC))) as driver:
        with watch(driver, looks=lambda: None, acts=lost), pytest.raises(RuntimeError, match="lost"):
            driver.power.set_power_state("power on")
        assert driver.power.get_power_state() == "power off"
