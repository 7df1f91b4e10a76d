"""The fake machine's file: what a user may have written into it is our error, never a traceback."""

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
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.registry import connect

LIMITS = {"timeout": 5.0, "power_timeout": 5.0}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "7",
        '{"faults": [{"operation": "set_power_state", "error": "NoSuchError"}]}',
        '{"faults": [{"error": "BMCResponseError"}]}',
        '{"faults": 7}',
        '{"delays": []}',
        '{"delays": {"set_power_state": "long"}}',
        '{"calls": {}}',
    ],
)
def test_what_can_not_be_understood_is_told(fake_node: t.Any, content: str) -> None:
    fake_node.machine_path.write_text(content)
    with (
        connect(Node.from_params(fake_node.params(NODE_SPEC))) as driver,
        pytest.raises(errors.BMCResponseError, match=r"node01\.json can't be understood") as caught,
    ):
        driver.power.request_power_state(base.POWER_ON, soft=False)
    assert caught.value.hint


def test_a_file_that_can_not_be_there_is_told(fake_node: t.Any) -> None:
    (fake_node.folder / "file").touch()
    bmc = {
        "address": f"fake://{fake_node.folder}/file/below.json",
        "verify": True,
        "timeout": 5.0,
        "power_timeout": 5.0,
    }
    with (
        connect(Node.from_params(fake_node.params(NODE_SPEC, bmc={**bmc, **LIMITS}))) as driver,
        pytest.raises(errors.BMCConnectionError, match="can't be read and written"),
    ):
        driver.power.get_power_state()
