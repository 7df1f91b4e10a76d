"""What is kept on the controller: a password that lets an operator in."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import state
from ansible_collections.baremetal.lifecycle.plugins.module_utils._work.files import Files


def test_a_password_stays_the_same_until_the_ramdisk_is_gone(fake_node: t.Any) -> None:
    files = Files(Node.from_params(fake_node.params(state.ARGUMENT_SPEC)))
    made, kept = files.rescue_password(), files.folder / "rescue_password"
    assert (len(made), kept.stat().st_mode & 0o777) == (20, 0o600)
    files.remove_keys()  # a run's own; what an operator has stays
    assert files.rescue_password() == made
    kept.write_text("")  # torn by a power cut
    assert len(files.rescue_password()) == 20
    files.forget_ramdisk()
    assert not kept.exists()
