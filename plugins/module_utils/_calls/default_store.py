"""The store where none was named: a file in the state folder, but not where that file goes with its container."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

from .._contract.argspec import NODE_SPEC
from .._contract.node import Params
from .._errors import InvalidRequestError

CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
"""What Docker and Podman put into a container."""

CONTAINER_VARIABLES = ("container", "KUBERNETES_SERVICE_HOST", "AWX_PRIVATE_DATA_DIR")
"""What Podman and systemd-nspawn, Kubernetes, and a job of AWX set."""


def store_url(params: Params) -> str:
    """Return the SQLAlchemy URL of the state store.

    :param params: options ``store`` and ``state_dir``.
    :raises InvalidRequestError: neither was given, in a container: the next one would not know the machines.
    """
    if params.get("store"):
        return str(params["store"])
    folder = os.path.expanduser(params["state_dir"])
    if folder == os.path.expanduser(NODE_SPEC["state_dir"]["default"]) and in_container():
        raise InvalidRequestError(
            f"The store would be the file {folder}/store.db in this container, and end with it: the next run would know"
            " nothing of the machines.",
            hint="Set bm_store to a PostgreSQL database, or bm_state_dir to another folder, one that outlives it.",
        )
    return f"sqlite:///{folder}/store.db"


def in_container(  # pylint: disable=dangerous-default-value
    environment: t.Mapping[str, str] = os.environ,
) -> bool:
    """Say whether this process runs in a container, or in a job of AWX."""
    return any(map(os.path.exists, CONTAINER_FILES)) or any(name in environment for name in CONTAINER_VARIABLES)
