"""What holds after each cell with a BMC that speaks a real protocol, whatever was done to it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._states import machine
from tests.chaos.ground import FOLDER, Ground

PASSWORD = "moths2the-flame"
"""Of the BMC: no word that a run would say anyway. IPMI takes 16 characters."""


def check_node(ground: Ground, play: str) -> t.Any:
    """Expect that a play has left the node in no limbo, whether it failed or not; return the node's record, or None."""
    record = ground.site.record()
    if record is not None:
        working = machine.is_working(record.provision_state)
        ground.expect(not working, f"after {play} the node is '{record.provision_state}'")
        ground.expect(record.reservation is None, f"after {play} it is reserved by {record.reservation}")
    return record


def check(ground: Ground, *, doubles: t.Sequence[str], refused: int = 0) -> None:
    """Expect that nothing was done twice, and that nobody was told the password.

    :param refused: how often wrong credentials were sent.
    """
    ground.expect(not doubles, f"asked for though it was so: {list(doubles)}")
    ground.expect(refused <= 1, f"refused credentials were sent {refused} times")
    ground.expect(not any(PASSWORD in output for output in ground.outputs), "the password is in the output")
    files = [path for path in (FOLDER / "state").rglob("*") if path.is_file()]
    told = [path.name for path in files if PASSWORD.encode() in path.read_bytes()]
    ground.expect(not told, f"the password is in {told}")
    ground.check_hygiene()
