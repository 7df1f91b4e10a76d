"""The front of the in-band modules: what Ansible is told of a call has no secret of its URL."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import ImageError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run

URL = "https://user:MARKER@host/image.raw?sig=MARKER"


class Module:
    """Keeps the answer in place of printing it."""

    params: t.ClassVar[dict[str, t.Any]] = {"url": URL, "device": "/dev/sda", "ca_path": None}

    def __init__(self) -> None:
        self.told: dict[str, t.Any] = {}

    def exit_json(self, **kwargs: t.Any) -> t.NoReturn:
        self.told = kwargs
        raise SystemExit

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        self.told = {"msg": msg, **kwargs}
        raise SystemExit


def succeed() -> dict[str, t.Any]:
    return {"changed": True}


def refuse() -> dict[str, t.Any]:
    raise ImageError(f"{URL} is away.")


def fail() -> dict[str, t.Any]:
    return {"failed": True, "msg": "some disks failed"}


@pytest.mark.parametrize("function", [succeed, refuse, fail])
def test_no_secret_of_a_url_is_told(function: t.Callable[[], dict[str, t.Any]]) -> None:
    module = Module()
    with pytest.raises(SystemExit):
        run(module, function)
    assert "MARKER" not in str(module.told)
    assert module.told["invocation"]["module_args"] == {**Module.params, "url": "https://host/image.raw"}
