"""A site without virtual machines for each test: nodes are files, the ramdisk is this machine."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest

from tests.site import Site, make_images, serve


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images: disk.img, other.img, small.img's compressed and wrong relatives."""
    folder = tmp_path_factory.mktemp("images")
    make_images(folder)
    return folder


@pytest.fixture(scope="session")
def image_url(images: Path) -> t.Iterator[str]:
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(serve(images))


@pytest.fixture
def site(tmp_path: Path, image_url: str) -> Site:
    return Site(tmp_path, image_url)
