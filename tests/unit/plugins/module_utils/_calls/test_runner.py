"""Renewing a reservation from outside of an operation."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import renew_reservation
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import NodeLockedError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store


@pytest.mark.parametrize("purpose", ["deploy", "clean"])
def test_a_renewed_reservation_stays_for_what_it_is(tmp_path: Path, purpose: str) -> None:
    params = {"name": "node01", "state_dir": str(tmp_path), "reservation_timeout": "900"}
    with contextlib.closing(Store(f"sqlite:///{tmp_path}/store.db")) as store:
        store.ensure_node("node01", "fake")
        assert store.reserve("node01", "me", purpose, 5)
        renew_reservation(params, "me")
        record = store.get("node01")
        assert record is not None
        assert (record.reservation, record.reservation_purpose) == ("me", purpose)
        assert (record.reservation_expires or 0) > time.time() + 800
        with pytest.raises(NodeLockedError, match="lost to another run"):
            renew_reservation(params, "other")


def test_a_node_that_is_gone_can_not_be_renewed(tmp_path: Path) -> None:
    with pytest.raises(NodeLockedError):
        renew_reservation({"name": "node01", "state_dir": str(tmp_path), "reservation_timeout": 900}, "me")
