"""The README, to the letter: the artifact is installed in an empty home, and a machine that is a file goes its way."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import tarfile

import pytest

from tests.newcomer import ROOT, Newcomer, blocks

FIRST = "The first deployment, without a server"


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Who has followed the section on installing."""
    home = tmp_path_factory.mktemp("baremetal-lifecycle-newcomer")
    found = Newcomer(home, {"/tmp/": f"{home}/"})
    found.build()
    for line in blocks("Install", "sh")[0].splitlines():
        done = found.run(line)
        assert done.code == 0, f"{line}: {done.output}"
    for block in blocks(FIRST, "yaml"):
        found.write(block)
    return found


def test_what_is_printed_is_what_happens(newcomer: Newcomer) -> None:
    check, deploy, status, undeploy = blocks(FIRST, "sh")[0].splitlines()
    for command, seen in (
        (check, ("changed=1",)),
        (deploy, ("changed=2", "active")),
        (deploy, ("changed=0",)),
        (status, ("changed=0", "active")),
        (undeploy, ("changed=2", "available")),
        (undeploy, ("changed=0",)),
    ):
        done = newcomer.run(command)
        assert done.code == 0, done.output
        assert all(text in done.output for text in (*seen, "failed=0")), f"{command}: {done.output}"


def test_the_callback_of_the_readme_shows_states(newcomer: Newcomer) -> None:
    deploy = blocks(FIRST, "sh")[0].splitlines()[1]
    done = newcomer.run(f"ANSIBLE_STDOUT_CALLBACK=baremetal.lifecycle.progress {deploy}")
    assert done.code == 0, done.output
    assert "-> active" in done.output
    assert "TASK" not in done.output


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("bm_deploy_interface:", "bm_imgae: {}\n      bm_deploy_interface:", "Did you mean bm_image?"),
        ("bm_deploy_interface: noop", "bm_deploy_interface: nop", "bm_deploy_interface must be one of"),
        ("{address:", "{adress:", "bm_bmc.adress does not exist. Did you mean address?"),
        ("fake://", "fkae://", "bm_bmc.address"),
    ],
)
def test_a_mistake_is_told_and_mended(newcomer: Newcomer, right: str, wrong: str, told: str) -> None:
    file = newcomer.home / "try.yml"
    printed = file.read_text()
    deploy = blocks(FIRST, "sh")[0].splitlines()[1]
    file.write_text(printed.replace(right, wrong))
    try:
        done = newcomer.run(deploy)
    finally:
        file.write_text(printed)
    assert done.code == 2, done.output
    assert told in done.output, done.output
    assert newcomer.run(deploy).code == 0


@pytest.mark.parametrize(
    "name", ["-t module {0}bm_deploy {0}bm_write_image", "-t role {0}provision_node", "-t callback {0}progress"]
)
def test_what_is_installed_documents_itself(newcomer: Newcomer, name: str) -> None:
    done = newcomer.run(f"ansible-doc {name.format('baremetal.lifecycle.')}")
    assert done.code == 0, done.output
    assert len(done.output) > 1000


def test_the_artifact_holds_what_git_knows(newcomer: Newcomer) -> None:
    (artifact,) = newcomer.home.glob("*.tar.gz")
    with tarfile.open(artifact) as archive:
        found = {member.name for member in archive if member.isfile()} - {"MANIFEST.json", "FILES.json"}
    known = set(
        subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )
    assert len(found) > 300
    assert not found - known
    assert artifact.stat().st_size < 2**20
