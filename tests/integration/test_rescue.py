"""Letting an operator in: what is told of a password, where it is kept, and for how long."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

NODE = ("-l", "node01")
GIVEN = "a password from a vault"


def play(site: t.Any, playbook: str, *arguments: str, **variables: t.Any) -> t.Any:
    run = site.play(f"{playbook}.yml", *NODE, *arguments, **variables)
    assert run.code == 0, run.output
    return run


@pytest.fixture
def kept(site: t.Any) -> Path:
    """Where the password of an instance in rescue is kept."""
    play(site, "enroll")
    play(site, "adopt")
    return t.cast(Path, site.folder / "state" / "node01" / "rescue_password")


@pytest.mark.parametrize("way_out", ["unrescue", "undeploy"])
def test_a_password_that_is_made_is_in_a_file_for_the_life_of_the_ramdisk(
    site: t.Any, kept: Path, way_out: str
) -> None:
    run = play(site, "rescue", "--diff", "-v")
    password = kept.read_text().strip()
    assert len(password) == 20
    assert kept.stat().st_mode & 0o777 == 0o600
    assert f"with the password in {kept}" in run.text
    assert password not in run.output
    assert play(site, "rescue").changed == 0
    assert kept.read_text().strip() == password
    play(site, way_out)
    assert not kept.exists()


def test_a_password_that_is_given_is_never_shown_nor_kept(site: t.Any, kept: Path) -> None:
    run = play(site, "rescue", "--diff", "-v", rescue_node_password=GIVEN, rescue_node_ssh_keys=["ssh-ed25519 AAAA me"])
    assert "with your key, or with the password that was given" in run.text
    assert GIVEN not in run.output
    assert not kept.exists()


def test_a_rescue_that_fails_leaves_no_password(site: t.Any, kept: Path) -> None:
    site.script(power_state="power on", faults=[{"operation": "set_boot_device", "error": "BMCResponseError"}])
    assert site.play("rescue.yml", *NODE).code == 2
    assert site.record().provision_state == "rescue failed"
    assert not kept.exists()


def test_a_machine_that_is_no_ramdisk_lets_nobody_in(site: t.Any) -> None:
    task = {
        "name": "Let in",
        "baremetal.lifecycle.bm_rescue_access": {"ssh_keys": ["ssh-ed25519 AAAA me"], "password": GIVEN},
    }
    path = site.folder / "play.yml"
    path.write_text(yaml.safe_dump([{"name": "Play", "hosts": "baremetal", "gather_facts": False, "tasks": [task]}]))
    run = site.play(str(path), *NODE, "-vvv")
    assert run.code == 2
    assert "This system is not the deploy ramdisk" in run.text
    assert GIVEN not in run.output
