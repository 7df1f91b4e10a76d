"""Letting an operator in: a folder is the ramdisk's root, and its tools are scripts."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError, StepError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.rescue_access import (
    ensure_rescue_access,
)

OURS, THEIRS, OTHER = "ssh-ed25519 AAAA ours", "ssh-ed25519 BBBB operator", 'from="10.0.0.1" ssh-ed25519 CCCC other'
PASSWORD = "let me in: quickly"


class Ramdisk:
    """A root file system with the files that count, and tools that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.keys = self.root / "root" / ".ssh" / "authorized_keys"
        self.settings = self.root / "etc" / "ssh" / "sshd_config.d" / "00-rescue.conf"
        self.shadow = self.root / "etc" / "shadow"
        self.marker = folder / "marker"
        self.tools = folder / "tools"
        self.log = folder / "log"
        for path, content in ((self.keys, f"{OURS}\n"), (self.shadow, "root:*:1::::::\nsshd:!:1::::::\n")):
            path.parent.mkdir(parents=True)
            path.write_text(content)
        self.tools.mkdir()
        self.marker.touch()
        set_hash = f'IFS=: read -r user hash; sed -i "s|^$user:[^:]*:|$user:$hash:|" {self.shadow}'
        for name, does in (("chpasswd", set_hash), ("systemctl", "true")):
            self.make_tool(name, does)

    def make_tool(self, name: str, does: str) -> None:
        (self.tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{does}\n')
        (self.tools / name).chmod(0o755)

    def let_in(self, *keys: str, **options: t.Any) -> list[str]:
        result = ensure_rescue_access(keys, **options, root=self.root, marker=self.marker)
        assert result["changed"] == bool(result["changes"])
        return t.cast("list[str]", result["changes"])

    def take_calls(self) -> list[str]:
        calls = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return calls


@pytest.fixture
def ramdisk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ramdisk:
    made = Ramdisk(tmp_path)
    monkeypatch.setenv("PATH", f"{made.tools}:{os.environ['PATH']}")
    return made


def test_keys_are_added_once_and_passwords_stay_off(ramdisk: Ramdisk) -> None:
    assert ramdisk.let_in(THEIRS, OTHER, f"{THEIRS}\n") == ["ssh_keys"]
    assert ramdisk.keys.read_text().splitlines() == [OURS, THEIRS, OTHER]
    assert ramdisk.keys.stat().st_mode & 0o777 == 0o600
    assert ramdisk.let_in(OTHER) == []
    assert (ramdisk.take_calls(), ramdisk.settings.exists()) == ([], False)


def test_keys_are_written_where_there_were_none(ramdisk: Ramdisk) -> None:
    ramdisk.keys.unlink()
    ramdisk.keys.parent.rmdir()
    assert ramdisk.let_in(THEIRS) == ["ssh_keys"]
    assert ramdisk.keys.parent.stat().st_mode & 0o777 == 0o700


def test_a_password_is_set_as_a_hash_and_the_server_takes_it(ramdisk: Ramdisk) -> None:
    assert ramdisk.let_in(password=PASSWORD) == ["password", "ssh_server"]
    assert ramdisk.take_calls() == ["chpasswd --encrypted", "systemctl reload baremetal-ssh.service"]
    user, hashed = ramdisk.shadow.read_text().split(":")[:2]
    command = ["openssl", "passwd", "-6", "-salt", hashed.split("$")[2], "-stdin"]
    expected = subprocess.run(command, input=PASSWORD, capture_output=True, text=True, check=True).stdout.strip()
    assert (user, hashed) == ("root", expected)
    assert ramdisk.settings.read_text() == "PermitRootLogin yes\nPasswordAuthentication yes\n"


def test_the_same_password_again_only_makes_the_server_read_its_settings(ramdisk: Ramdisk) -> None:
    ramdisk.make_tool("systemctl", "exit 1")
    with pytest.raises(StepError, match="systemctl failed"):
        ramdisk.let_in(password=PASSWORD)
    ramdisk.make_tool("systemctl", "true")
    before = ramdisk.shadow.read_text()
    ramdisk.take_calls()
    assert ramdisk.let_in(password=PASSWORD) == []
    assert ramdisk.take_calls() == ["systemctl reload baremetal-ssh.service"], "the failed run did not get there"
    assert ramdisk.shadow.read_text() == before
    assert ramdisk.let_in(password="another") == ["password"]


def test_check_mode_tells_and_does_nothing(ramdisk: Ramdisk) -> None:
    assert ramdisk.let_in(THEIRS, password=PASSWORD, check_mode=True) == ["ssh_keys", "password", "ssh_server"]
    assert ramdisk.keys.read_text() == f"{OURS}\n"
    assert (ramdisk.take_calls(), ramdisk.settings.exists()) == ([], False)
    ramdisk.let_in(THEIRS, password=PASSWORD)
    assert ramdisk.let_in(THEIRS, password=PASSWORD, check_mode=True) == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_outside_of_the_ramdisk_nobody_is_let_in(ramdisk: Ramdisk, check_mode: bool) -> None:
    ramdisk.marker.unlink()
    with pytest.raises(InvalidRequestError, match="not the deploy ramdisk"):
        ramdisk.let_in(THEIRS, password=PASSWORD, check_mode=check_mode)
    assert (ramdisk.keys.read_text(), ramdisk.take_calls()) == (f"{OURS}\n", [])


@pytest.mark.parametrize(
    ("keys", "password", "expected"),
    [
        ([f"{THEIRS}\n{OTHER}"], "", "not exactly one line"),
        ([""], "", "not exactly one line"),
        ([], "secret\nsshd:secret", "more than one line"),
    ],
)
def test_what_would_be_several_lines_is_refused(
    ramdisk: Ramdisk, keys: list[str], password: str, expected: str
) -> None:
    with pytest.raises(InvalidRequestError, match=expected) as caught:
        ramdisk.let_in(*keys, password=password)
    assert "secret" not in str(caught.value)
    assert (ramdisk.keys.read_text(), ramdisk.take_calls()) == (f"{OURS}\n", [])
