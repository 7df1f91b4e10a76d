"""The gate for third-party libraries: a missing one is named together with its remedy."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import typing as t

from ._errors import MissingDependencyError


def tell_nobody(_module: str) -> None:
    """Nobody wants to know."""


about_to_load: t.Callable[[str], None] = tell_nobody
"""Called with the name of a module before it is loaded; set by who wants to know."""


def require(library: str, error: ImportError | None) -> None:
    """Do nothing when ``error`` is None, the outcome of importing ``library`` at the top of a file.

    :raises MissingDependencyError: naming the library and how to install it.
    """
    if error is not None:
        raise MissingDependencyError(
            f"The Python library '{library}' can't be imported: {error}.",
            hint="Install the collection's requirements.txt into the Python that runs Ansible.",
        ) from error


def load(module: str, library: str) -> t.Any:
    """Import a module of a library that only some calls need, and that takes longer than those that don't.

    :raises MissingDependencyError: see require.
    """
    about_to_load(module)
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        require(library, exc)
