# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network: a namespace with a bridge, and one cable from it to this machine.

Nothing is routed or translated: what runs in the lab reaches this machine and nothing else.
"""

from __future__ import annotations

import pathlib

from process import end_all, pids_in_namespace, run
from settings import (
    BRIDGE,
    CONTROLLER,
    HOST_LINK,
    LAB_LINK,
    NAMESPACE,
    PREFIX_LENGTH,
    SERVICES,
    SERVICES6,
)


def inside(*argv: str) -> list[str]:
    """Return the command line that runs a program in the lab's network."""
    return ["ip", "netns", "exec", NAMESPACE, *argv]


def _ip(*argv: str) -> None:
    run("ip", "-n", NAMESPACE, *argv)


def is_up() -> bool:
    """Say whether the network is complete."""
    inside = run("ip", "-n", NAMESPACE, "-br", "address", "show", "dev", BRIDGE, check=False)
    outside = run("ip", "-br", "address", "show", "dev", HOST_LINK, check=False)
    return SERVICES in inside and CONTROLLER in outside


def ensure_up() -> bool:
    """Make the network if it is not there; a half-made one is replaced. Return if it changed."""
    if is_up():
        return False
    remove()
    run("ip", "netns", "add", NAMESPACE)
    _ip("link", "set", "lo", "up")
    _ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
    _ip("address", "add", f"{SERVICES}/{PREFIX_LENGTH}", "dev", BRIDGE)
    # Announced by the boot server: iPXE waits 13 s for an IPv6 router where there is none.
    _ip("address", "add", f"{SERVICES6}/64", "dev", BRIDGE, "nodad")
    _ip("link", "set", BRIDGE, "up")
    run(
        *("ip", "link", "add", HOST_LINK, "type", "veth"),
        *("peer", "name", LAB_LINK, "netns", NAMESPACE),
    )
    _ip("link", "set", LAB_LINK, "master", BRIDGE, "up")
    run("ip", "address", "add", f"{CONTROLLER}/{PREFIX_LENGTH}", "dev", HOST_LINK)
    run("ip", "link", "set", HOST_LINK, "up")
    return True


def ensure_address(address: str) -> None:
    """Give the bridge one more address, for a service of its own."""
    _ip("address", "replace", f"{address}/{PREFIX_LENGTH}", "dev", BRIDGE)


def remove() -> None:
    """Remove the network and end whatever still runs in it."""
    end_all(pids_in_namespace())
    run("ip", "netns", "delete", NAMESPACE, check=False)
    run("ip", "link", "delete", HOST_LINK, check=False)
    # What a kill in the middle of "ip netns add" leaves: the file, but no namespace behind it.
    pathlib.Path("/run/netns", NAMESPACE).unlink(missing_ok=True)
