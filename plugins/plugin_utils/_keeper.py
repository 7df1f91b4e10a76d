"""Who keeps a run's reservations while steps of users run, in which nothing of ours is called: one process a run.

It touches no machine, and ends a second after its run. Linux only: elsewhere such a step should be shorter than
bm_reservation_timeout.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import time
import typing as t

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls import forks
from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.default_store import store_url
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import StoreError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

LOOK_SECONDS = 1.0
"""Between two looks at whether the run goes on."""


def keep(params: t.Mapping[str, t.Any], owner: str) -> None:
    """Have a process of its own keep what a run holds in a store, for as long as it goes on; one is enough.

    :param params: options ``store``, ``state_dir`` and ``reservation_timeout``.
    """
    url = store_url(params)
    there_is_one = _claim(f"{owner} {url}")
    if there_is_one is None:
        return
    with forks.outliving():
        is_worker = os.fork()
    if is_worker:
        there_is_one.close()
        return
    try:
        _let_go_of_the_worker(there_is_one.fileno())
        _keep(url, owner, float(params["reservation_timeout"]))
    finally:
        os._exit(0)  # never back into the worker's code


def _claim(what: str) -> socket.socket | None:
    """Return a name that only one process at a time has, for as long as it lives; None where one has it already."""
    name = f"\0baremetal-lifecycle-keeper-{hashlib.sha256(what.encode()).hexdigest()}"
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(name)  # in Linux's abstract namespace: no file is left behind (unix(7))
    except OSError:
        claim.close()
        return None
    return claim


def _let_go_of_the_worker(but: int) -> None:
    """Hold nothing open that Ansible waits for."""
    for which in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(which, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    for number in map(int, os.listdir("/proc/self/fd")):  # far fewer than there may be
        if number > 2 and number != but:
            with contextlib.suppress(OSError):  # the one that has listed them
                os.close(number)


def _keep(url: str, owner: str, seconds: float) -> None:
    renewed, here = float("-inf"), owners.current_owner(os.getpid())
    while owners.is_alive(owner, here):
        if time.monotonic() - renewed > seconds / 4:
            renewed = time.monotonic()
            with contextlib.suppress(StoreError), contextlib.closing(Store(url)) as store:
                if not store.renew_all(owner, seconds):
                    return
        time.sleep(min(LOOK_SECONDS, seconds / 4))
