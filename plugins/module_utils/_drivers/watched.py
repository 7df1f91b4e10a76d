"""A driver whose looks at the machine, and acts on it, are preceded by something: every act of a run is fenced here."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import typing as t

from .base import Driver

T = t.TypeVar("T")

LOOKS = {"power": ("get_power_state",), "management": ("get_boot_device",), "virtual_media": ("get_media",)}
"""What only asks the BMC, again and again in waits, by interface."""

ACTS = {
    "power": ("request_power_state",),
    "management": ("set_boot_device", "clear_boot_device", "set_http_boot", "set_secure_boot"),
    "virtual_media": ("insert_media", "eject_media"),
}
"""What changes a machine, by interface: all of it passes here, also each time that it is asked for again."""


@contextlib.contextmanager
def watch(driver: Driver, *, looks: t.Callable[[], None], acts: t.Callable[[], None]) -> t.Iterator[None]:
    """Have one function called before each look at the machine, another before each act on it, in the block.

    What they raise keeps the look or the act from being done.
    """
    watched = [
        (getattr(driver, interface), method, before)
        for names, before in ((LOOKS, looks), (ACTS, acts))
        for interface, methods in names.items()
        for method in (methods if getattr(driver, interface) else ())
    ]
    with contextlib.ExitStack() as undone:
        undone.callback(setattr, driver.counters, "fence", driver.counters.fence)
        driver.counters.fence = acts
        for whose, method, before in watched:
            as_it_was = getattr(whose, method)
            undone.callback(setattr, whose, method, as_it_was)
            setattr(whose, method, _preceded(as_it_was, before))
        yield


def _preceded(function: t.Callable[..., T], before: t.Callable[[], None]) -> t.Callable[..., T]:
    @functools.wraps(function)
    def call(*args: t.Any, **options: t.Any) -> T:
        before()
        return function(*args, **options)

    return call
