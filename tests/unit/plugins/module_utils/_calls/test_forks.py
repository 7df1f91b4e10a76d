"""Which forks end with the play: Ansible's workers, and no others."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys

from tests.site import ROOT

SCRIPT = """
import ctypes, os, sys, threading
from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import forks

def fork(name, then=lambda: None):
    child = os.fork()
    if not child:
        signal = ctypes.c_int()
        ctypes.CDLL(None).prctl(2, ctypes.byref(signal))  # PR_GET_PDEATHSIG
        print(name, signal.value, flush=True)
        then()
        os._exit(0)
    os.waitpid(child, 0)

forks.end_with_play()
fork("worker", lambda: fork("its own"))
with forks.outliving():
    fork("outliving")
thread = threading.Thread(target=fork, args=("of a thread",))
thread.start()
thread.join()
"""


def test_only_workers_end_with_their_play() -> None:
    command, path = [sys.executable, "-c", SCRIPT], {"PYTHONPATH": str(ROOT / ".collections")}
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["worker 9", "its own 0", "outliving 0", "of a thread 0"]
