"""A connection to the ramdisk that breaks: tried again, and then a failure that a rescue block sees."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.baremetal.lifecycle.plugins.action import (
    bm_boot_entry,
    bm_hardware_info,
    bm_rescue_access,
    bm_tear_down_agent,
)


@pytest.mark.parametrize("plugin", [bm_boot_entry, bm_hardware_info, bm_rescue_access, bm_tear_down_agent])
@pytest.mark.parametrize(
    ("breaks", "expected"), [(0, {"changed": True}), (50, {"changed": True}), (70, {"failed": True})]
)
def test_a_broken_connection_is_tried_again_for_three_minutes(
    plugin: t.Any, breaks: int, expected: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, left = [1000.0], iter(range(breaks))

    def execute(**_options: t.Any) -> dict[str, t.Any]:
        if next(left, None) is not None:
            raise AnsibleConnectionFailure("broken pipe")
        return {"changed": True}

    task = types.SimpleNamespace(args={}, check_mode=False, async_val=0, action="it", diff=False)
    connection = types.SimpleNamespace(reset=lambda: None, _shell=types.SimpleNamespace(tmpdir=None))
    action = plugin.ActionModule(task, connection, types.SimpleNamespace(), None, None, None)
    monkeypatch.setattr(action, "_execute_module", execute)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    result = action.run(task_vars={})
    assert {key: result.get(key) for key in expected} == expected
    if "failed" in expected:
        assert "The ramdisk did not answer for 180 s: broken pipe" in result["msg"]
        assert result["error"]["retryable"]
