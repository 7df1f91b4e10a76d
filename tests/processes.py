"""Processes for tests of what many runs do at once."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing

MODULE_UTILS = "ansible_collections.baremetal.lifecycle.plugins.module_utils"

CONTEXT = multiprocessing.get_context("forkserver")
"""Children of a process without threads: a fork of the tests', which has some, may end in a deadlock."""

CONTEXT.set_forkserver_preload([f"{MODULE_UTILS}._store.store", f"{MODULE_UTILS}._operations.allocate"])
