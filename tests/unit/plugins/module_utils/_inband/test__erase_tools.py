"""What is said to hdparm and nvme, and in which order: the drives behind them are scripts that keep their state."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import StepError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband._erase_ata import secure_erase
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband._erase_nvme import format_namespace, sanitize

HDPARM = r"""#!/bin/sh
# A drive with the security feature set. Its folder holds: password, locked, broken, sticky.
cd {folder}
echo "$*" >> calls
shown() {{ if [ -e "$1" ]; then printf '\t\t%s\n' "$2"; else printf '\tnot\t%s\n' "$2"; fi; }}
case $* in
    -I*)
        printf '\nSecurity:\n\tMaster password revision code = 65534\n\t\tsupported\n'
        shown password enabled; shown locked locked; shown frozen frozen
        printf '\t\tsupported: enhanced erase\n\t2min for SECURITY ERASE UNIT. 2min for ENHANCED SECURITY ERASE UNIT.\n'
        exit ;;
    *--security-set-pass*)
        [ ! -e locked ] || exit 5
        echo "$4" > password ;;
    *)
        [ "$(cat password)" = "$4" ] || {{ echo 'bad password' >&2; exit 5; }}
        case $3 in
            --security-erase*)
                [ ! -e broken ] || {{ echo 'Input/output error' >&2; exit 5; }}
                [ -e sticky ] || rm password ;;
            --security-unlock) rm locked ;;
            --security-disable) [ ! -e locked ] || exit 5; rm password ;;
        esac ;;
esac
"""

NVME = r"""#!/bin/sh
# A drive whose sanitize operation goes through the states in its file, one a look at the log.
cd {folder}
echo "$*" >> calls
case $1 in
    sanitize-log)
        printf "\377\377\00$(head -n 1 states)\000"
        sed -i 1d states ;;
    *) [ ! -e broken ] || {{ echo 'NVMe status: INVALID_FIELD(0x4002)' >&2; exit 1; }} ;;
esac
"""


class Drive:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Drive]:
    def make_drive(**state: str) -> Drive:
        for name, script in (("hdparm", HDPARM), ("nvme", NVME)):
            path = tmp_path / name
            path.write_text(script.format(folder=tmp_path))
            path.chmod(0o755)
        for name, content in state.items():
            (tmp_path / name).write_text(f"{content}\n")
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return Drive(tmp_path)

    return make_drive


@pytest.mark.parametrize(("variant", "word"), [("enhanced", "erase-enhanced"), ("normal", "erase")])
def test_ata_erase_sets_a_password_and_the_drive_gives_it_up(
    make: t.Callable[..., Drive], variant: str, word: str
) -> None:
    drive = make()
    secure_erase("/dev/sdx", variant)
    assert drive.calls == [
        "-I /dev/sdx",
        "--user-master u --security-set-pass bm-erase /dev/sdx",
        f"--user-master u --security-{word} bm-erase /dev/sdx",
        "-I /dev/sdx",
    ]


def test_ata_erase_that_fails_takes_the_password_back(make: t.Callable[..., Drive]) -> None:
    drive = make(broken="")
    with pytest.raises(StepError, match="Input/output error"):
        secure_erase("/dev/sdx", "enhanced")
    assert drive.calls[-1] == "--user-master u --security-disable bm-erase /dev/sdx"
    assert not drive.has("password")


def test_ata_erase_that_the_drive_did_not_finish(make: t.Callable[..., Drive]) -> None:
    make(sticky="")
    with pytest.raises(StepError, match="still has its password"):
        secure_erase("/dev/sdx", "enhanced")


def test_ata_drive_that_a_dead_erase_has_locked(make: t.Callable[..., Drive]) -> None:
    drive = make(locked="", password="bm-erase")
    secure_erase("/dev/sdx", "enhanced")
    assert not drive.has("locked")
    assert not drive.has("password")


def test_ata_drive_that_somebody_else_has_locked(make: t.Callable[..., Drive]) -> None:
    drive = make(locked="", password="secret")
    with pytest.raises(StepError, match="locked, with a password that this module did not set"):
        secure_erase("/dev/sdx", "enhanced")
    assert len(drive.calls) == 2, "each further guess would count against the drive's limit"


@pytest.mark.parametrize(("variant", "ses"), [("user data erase", 1), ("crypto erase", 2)])
def test_nvme_format(make: t.Callable[..., Drive], variant: str, ses: int) -> None:
    drive = make()
    format_namespace("/dev/nvme9n1", variant)
    assert drive.calls == [f"format /dev/nvme9n1 --ses={ses} --force --timeout=86400000"]


def test_nvme_format_that_is_refused(make: t.Callable[..., Drive]) -> None:
    make(broken="")
    with pytest.raises(StepError, match="INVALID_FIELD"):
        format_namespace("/dev/nvme9n1", "crypto erase")


@pytest.mark.parametrize(("variant", "action"), [("block erase", 2), ("crypto erase", 4)])
@pytest.mark.parametrize("states", ["1", "2\n1", "4"])
def test_nvme_sanitize_waits_for_its_end(
    make: t.Callable[..., Drive], monkeypatch: pytest.MonkeyPatch, variant: str, action: int, states: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    drive = make(states=states)
    sanitize("/dev/nvme9n1", variant)
    looks = ["sanitize-log /dev/nvme9 --raw-binary"] * len(states.split())
    assert drive.calls == [f"sanitize /dev/nvme9 --sanact={action}", *looks]


def test_nvme_sanitize_that_fails(make: t.Callable[..., Drive]) -> None:
    make(states="3")
    with pytest.raises(StepError, match="of /dev/nvme9 did not succeed: status 3"):
        sanitize("/dev/nvme9n1", "block erase")
