"""What no code accounts for is told like any other error; and the store that was not named."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import default_store, runner
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import fake
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import deploy, prepare, validate
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError("deep"), ZeroDivisionError(), MemoryError("full")])
@pytest.mark.parametrize(("operation", "left"), [(validate, None), (prepare, "enroll"), (deploy, "deploy failed")])
def test_an_error_that_nothing_accounts_for_names_node_operation_and_type(
    fake_node: t.Any, monkeypatch: pytest.MonkeyPatch, operation: t.Any, left: str | None, error: Exception
) -> None:
    def explode(*dummy: object) -> t.NoReturn:
        raise error

    what = "Operation 'validate'" if operation is validate else "The work 'deploy'"
    steps = {"deploy_steps": [{"step": "power_on", "interface": "power", "priority": 5}]}
    if operation is deploy:
        begun = runner.execute(prepare.run, fake_node.params(prepare.ARGUMENT_SPEC, **steps), owner="me")
        assert not begun.get("failed")
    monkeypatch.setattr(fake.FakePower, "get_power_state", explode)
    result = runner.execute(operation.run, fake_node.params(operation.ARGUMENT_SPEC, **steps), owner="me")
    assert (result["failed"], result["error"]["type"]) == (True, "UnexpectedError")
    for told in ("Node node01", type(error).__name__, what, ".py, line ", "report it"):
        assert told in result["msg"], result["msg"]
    with contextlib.closing(Store(f"sqlite:///{fake_node.folder}/state/store.db")) as store:
        record = store.get("node01")
        assert (record.provision_state if record else None) == left
        assert record is None or record.reservation is None
        assert left != "deploy failed" or type(error).__name__ in str(record and record.last_error)


@pytest.mark.parametrize(
    ("file", "environment", "is_one"),
    [
        (True, {}, True),
        (False, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
        (False, {"container": "podman"}, True),
        (False, {"AWX_PRIVATE_DATA_DIR": "/tmp/awx_1"}, True),
        (False, {}, False),
    ],
)
def test_a_store_that_would_end_with_its_container_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: bool, environment: dict[str, str], is_one: bool
) -> None:
    (tmp_path / "mark").touch()
    monkeypatch.setattr(default_store, "CONTAINER_FILES", (str(tmp_path / ("mark" if file else "none")),))
    monkeypatch.setattr(default_store.in_container, "__defaults__", (environment,))
    default = NODE_SPEC["state_dir"]["default"]
    if is_one:
        with pytest.raises(InvalidRequestError, match=r"in this container, and end with it") as seen:
            default_store.store_url({"store": None, "state_dir": default})
        assert "bm_store" in seen.value.hint
        assert "bm_state_dir" in seen.value.hint
    else:
        assert default_store.store_url({"state_dir": default}).startswith(f"sqlite:///{os.path.expanduser('~')}")
    assert default_store.store_url({"state_dir": "/srv/state"}) == "sqlite:////srv/state/store.db"
    assert default_store.store_url({"store": "postgresql://db/bm", "state_dir": default}) == "postgresql://db/bm"
