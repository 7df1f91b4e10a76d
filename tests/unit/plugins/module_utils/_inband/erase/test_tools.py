"""What is said to hdparm and nvme, and in which order: the drives behind them are scripts that keep their state."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import StepError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.ata import secure_erase
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.erase import EraseRequest, erase_devices
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.nvme import format_namespace, sanitize

HDPARM = r"""#!/bin/sh
# A drive with the security feature set. Its folder holds: password, locked, broken, sticky, hanging, relocking,
# clinging, dead, removing, rate, working.
cd {folder}
echo "$*" >> calls
shown() {{ if [ -e "$1" ]; then printf '\t\t%s\n' "$2"; else printf '\tnot\t%s\n' "$2"; fi; }}
case $* in
    -I*)
        [ ! -e rate ] || printf '\tNominal Media Rotation Rate: %s\n' "$(cat rate)"
        [ ! -e removing ] || rm "$(cat removing)"
        [ ! -e dead ] || [ ! -e password ] || {{ echo 'Input/output error' >&2; exit 5; }}
        printf '\nSecurity:\n\tMaster password revision code = 65534\n\t\tsupported\n'
        shown password enabled; shown locked locked; shown frozen frozen
        printf '\t\tsupported: enhanced erase\n\t2min for SECURITY ERASE UNIT. 2min for ENHANCED SECURITY ERASE UNIT.\n'
        exit ;;
    *--security-set-pass*)
        [ ! -e locked ] || exit 5
        [ ! -e hanging ] || {{ echo "$4" > password; echo 'no answer' >&2; exit 5; }}
        echo "$4" > password ;;
    *)
        [ "$(cat password)" = "$4" ] || {{ echo 'bad password' >&2; exit 5; }}
        case $3 in
            --security-erase*)
                [ ! -e relocking ] || touch locked
                [ ! -e broken ] || {{ echo 'Input/output error' >&2; exit 5; }}
                [ -e sticky ] || rm password
                [ ! -e working ] || dd if=/dev/zero of=sdx bs=1M count=1 conv=notrunc 2>/dev/null ;;
            --security-unlock) rm locked ;;
            --security-disable) [ ! -e locked ] && [ ! -e clinging ] || exit 5; rm password ;;
        esac ;;
esac
"""

NVME = r"""#!/bin/sh
# A drive whose sanitize operation goes through the states in its file, one a look at the log; - is no answer.
# Its folder holds: broken, idle, id-ctrl, id-ns, attached, allocated.
cd {folder}
echo "$*" >> calls
case $1 in
    id-ctrl | id-ns) cat $1 ;;
    list-ns)
        case $* in *--all*) list=allocated ;; *) list=attached ;; esac
        cat $list ;;
    sanitize-log)
        state=$(head -n 1 states)
        [ $(wc -l < states) = 1 ] || sed -i 1d states
        [ "$state" != - ] || exit 1
        printf "\377\377\00$state\000" ;;
    sanitize)
        [ ! -e nvme9n1 ] || [ -e idle ] || dd if=/dev/zero of=nvme9n1 bs=1M count=1 conv=notrunc 2>/dev/null ;;
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
    assert "--user-master u --security-disable bm-erase /dev/sdx" in drive.calls
    assert not drive.has("password")


def test_ata_erase_that_the_drive_did_not_finish(make: t.Callable[..., Drive]) -> None:
    drive = make(sticky="")
    with pytest.raises(StepError, match="did not finish the erase"):
        secure_erase("/dev/sdx", "enhanced")
    assert not drive.has("password")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A file with the name of an ATA drive, which hdparm is asked about therefore."""
    path = tmp_path / "sdx"
    path.write_bytes(b"\xa5" * 2**20)
    return path


def erase(disk: Path) -> dict[str, t.Any]:
    (evidence,) = erase_devices(EraseRequest("full", devices=[str(disk)]))["evidence"]
    return t.cast("dict[str, t.Any]", evidence)


@pytest.mark.parametrize("fault", ["broken", "sticky", "hanging"])
def test_ata_drive_that_gives_up_the_password_is_erased_in_another_way(
    make: t.Callable[..., Drive], disk: Path, fault: str
) -> None:
    drive = make(**{fault: ""})
    evidence = erase(disk)
    assert [item["method"] for item in evidence["attempts"]] == ["ata_secure_erase", "overwrite"]
    assert (evidence["result"], evidence["method"]) == ("erased", "overwrite")
    assert not drive.has("password")


@pytest.mark.parametrize(
    "state",
    [
        {"broken": "", "clinging": ""},
        {"sticky": "", "clinging": ""},
        {"hanging": "", "clinging": ""},
        {"broken": "", "dead": "", "clinging": ""},
    ],
    ids="-".join,
)
def test_ata_drive_that_keeps_the_password_has_failed(
    make: t.Callable[..., Drive], disk: Path, state: dict[str, str]
) -> None:
    drive = make(**state)
    evidence = erase(disk)
    assert drive.has("password")
    assert [item["method"] for item in evidence["attempts"]] == ["ata_secure_erase"], "nothing else can take it away"
    assert (evidence["result"], evidence["method"]) == ("failed", None)
    assert evidence["reason"] == evidence["attempts"][0]["error"]
    assert "bm-erase" in evidence["reason"]
    assert "hdparm --security-disable bm-erase" in evidence["reason"]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("7200", ("purge", "magnetic")),
        ("Solid State Device", ("clear", "flash memory")),
        ("", ("clear", "magnetic")),
    ],
)
def test_ata_drive_is_purged_only_where_it_says_that_it_spins(
    make: t.Callable[..., Drive], monkeypatch: pytest.MonkeyPatch, disk: Path, rate: str, expected: tuple[str, str]
) -> None:
    drive = make(working="", **({"rate": rate} if rate else {}))
    keys = ("vendor", "serial", "wwn", "hctl", "ro", "rm")
    shown = {**dict.fromkeys(keys), "path": str(disk), "type": "disk", "size": 2**20, "model": "EXAMPLE"}
    shown.update(tran="sas", rota=True)  # as an HBA says of all its drives
    lsblk = drive.folder / "lsblk"
    lsblk.write_text(f"#!/bin/sh\necho '{json.dumps({'blockdevices': [shown]})}'\n")
    lsblk.chmod(0o755)
    (evidence,) = erase_devices(EraseRequest("full"))["evidence"]
    assert evidence["method"] == "ata_secure_erase"
    assert (evidence["sanitization"], evidence["media_type"]) == expected


def test_ata_erase_that_locks_the_drive_and_fails(make: t.Callable[..., Drive], disk: Path) -> None:
    drive = make(broken="", relocking="")
    assert erase(disk)["result"] == "erased"
    assert not drive.has("password")


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
@pytest.mark.parametrize(("flbas", "lbaf"), [(0, 0), (0x13, 3), (0x61, 0x31)])
def test_nvme_format_keeps_the_lba_format(
    make: t.Callable[..., Drive], variant: str, ses: int, flbas: int, lbaf: int
) -> None:
    drive = make(**{"id-ns": json.dumps({"nlbaf": 1, "flbas": flbas})})
    format_namespace("/dev/nvme9n1", variant)
    assert drive.calls == [
        "id-ns /dev/nvme9n1 --output-format=json",
        f"format /dev/nvme9n1 --ses={ses} --lbaf={lbaf} --force --timeout=86400000",
    ]


def test_nvme_namespace_that_does_not_tell_its_format_is_not_formatted(make: t.Callable[..., Drive]) -> None:
    drive = make(**{"id-ns": "{}"})
    with pytest.raises(StepError, match="LBA format of /dev/nvme9n1 can't be read"):
        format_namespace("/dev/nvme9n1", "crypto erase")
    assert len(drive.calls) == 1


def test_nvme_format_that_is_refused(make: t.Callable[..., Drive]) -> None:
    make(broken="", **{"id-ns": '{"flbas": 0}'})
    with pytest.raises(StepError, match="INVALID_FIELD"):
        format_namespace("/dev/nvme9n1", "crypto erase")


@pytest.mark.parametrize(("variant", "action"), [("block erase", 2), ("crypto erase", 4)])
@pytest.mark.parametrize("states", ["0 1", "0 2 1", "3 4", "2 2 3 1", "0 - - 2 - - - 1"])
def test_nvme_sanitize_waits_for_its_end(
    make: t.Callable[..., Drive], monkeypatch: pytest.MonkeyPatch, variant: str, action: int, states: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    drive = make(states=states.replace(" ", "\n"))
    sanitize("/dev/nvme9n1", variant)
    looks = ["sanitize-log /dev/nvme9 --raw-binary"] * len(states.split())
    begun = 3 if states.startswith("2") else 1  # one that runs already has to end before
    assert drive.calls == [*looks[:begun], f"sanitize /dev/nvme9 --sanact={action}", *looks[begun:]]


def test_nvme_sanitize_that_fails(make: t.Callable[..., Drive]) -> None:
    make(states="3")
    with pytest.raises(StepError, match="of /dev/nvme9 did not succeed: status 3"):
        sanitize("/dev/nvme9n1", "block erase")


def test_nvme_sanitize_whose_drive_answers_no_more(
    make: t.Callable[..., Drive], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    make(states="0\n2\n-")
    with pytest.raises(StepError, match="nvme failed with code 1"):
        sanitize("/dev/nvme9n1", "block erase")


@pytest.mark.parametrize(
    ("lists", "tried"),
    [
        ({"allocated": [1, 2], "attached": [1]}, "overwrite"),
        ({"attached": [1, 2]}, "overwrite"),
        ({"allocated": [1]}, "nvme_sanitize"),
        ({"attached": [1]}, "nvme_sanitize"),
        ({}, "nvme_sanitize"),
    ],
    ids=str,
)
def test_nvme_namespaces_that_the_kernel_does_not_show_are_not_erased_with_it(
    make: t.Callable[..., Drive], monkeypatch: pytest.MonkeyPatch, disk: Path, lists: dict[str, list[int]], tried: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    shown = {name: json.dumps({"nsid_list": [{"nsid": nsid} for nsid in nsids]}) for name, nsids in lists.items()}
    make(states="0\n0\n1", **{"id-ctrl": json.dumps({"sanicap": 2})}, **shown)
    evidence = erase(disk.rename(disk.with_name("nvme9n1")))
    assert evidence["method"] == tried
    if tried == "overwrite":
        assert "would erase other namespaces" in evidence["attempts"][0]["error"]
        assert "1 that the system does not show" in evidence["attempts"][0]["error"]


def test_a_drive_that_hangs_does_not_stop_the_others(
    make: t.Callable[..., Drive], monkeypatch: pytest.MonkeyPatch, disk: Path
) -> None:
    make()
    run = subprocess.run

    def hang(argv: list[str], **options: t.Any) -> t.Any:
        if argv[0] == "hdparm":
            raise subprocess.TimeoutExpired(argv, options["timeout"])
        return run(argv, check=options.pop("check"), **options)

    monkeypatch.setattr("subprocess.run", hang)
    other = disk.with_name("other")
    other.write_bytes(disk.read_bytes())
    first, second = erase_devices(EraseRequest("full", devices=[str(disk), str(other)]))["evidence"]
    assert (first["result"], second["result"]) == ("failed", "erased")
    assert "hdparm did not end within 60 s" in first["reason"]


def test_a_disk_that_vanishes_does_not_stop_the_others(make: t.Callable[..., Drive], disk: Path) -> None:
    other = disk.with_name("other")
    other.write_bytes(disk.read_bytes())
    make(removing=str(other))
    first, second = erase_devices(EraseRequest("full", devices=[str(disk), str(other)]))["evidence"]
    assert (first["result"], second["result"]) == ("erased", "failed")
    assert "No such file" in second["reason"]


@pytest.mark.parametrize("content", [b"\0", b"\xff", b"\xa5", None], ids=str)
@pytest.mark.parametrize("idle", [True, False])
def test_a_drive_that_does_nothing_is_found_out_whatever_it_held(
    make: t.Callable[..., Drive], monkeypatch: pytest.MonkeyPatch, disk: Path, content: bytes | None, idle: bool
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    make(states="0\n1", **{"id-ctrl": json.dumps({"sanicap": 2})}, **({"idle": ""} if idle else {}))
    namespace = disk.rename(disk.with_name("nvme9n1"))
    namespace.write_bytes(content * 2**20 if content else os.urandom(2**20))
    evidence = erase(namespace)
    assert evidence["attempts"][0]["method"] == "nvme_sanitize"
    assert (evidence["attempts"][0]["result"], evidence["method"]) == (
        ("failed", "overwrite") if idle else ("erased", "nvme_sanitize")
    )
    assert evidence["verification"]["result"] == "zeros"
    assert namespace.read_bytes() == bytes(2**20)


def put_gpfs(disk: Path) -> None:
    argv = ["sgdisk", "-n", "1:256:+256K", "-t", "1:37AFFC90-EF7D-4E96-91C3-2D7AE055B174", "-a", "1", disk]
    subprocess.run(argv, check=True, capture_output=True)


@pytest.mark.parametrize("locked", [True, False])
def test_ata_drive_that_is_locked_is_not_asked_for_its_content(
    make: t.Callable[..., Drive], disk: Path, locked: bool
) -> None:
    drive = make(**({"locked": "", "password": "bm-erase"} if locked else {}))
    put_gpfs(disk)
    evidence = erase(disk)
    assert evidence["result"] == ("erased" if locked else "guarded"), "a locked drive answers no read"
    assert not drive.has("password")


@pytest.mark.parametrize(
    ("states", "result"),
    [("3\n3\n1", "erased"), ("2\n2\n1", "erased"), ("1", "guarded"), ("0", "guarded"), ("-", "guarded")],
)
def test_nvme_drive_that_has_to_be_sanitized_is_not_asked_for_its_content(
    make: t.Callable[..., Drive], monkeypatch: pytest.MonkeyPatch, disk: Path, states: str, result: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    make(states=states, **{"id-ctrl": json.dumps({"sanicap": 2})})
    namespace = disk.rename(disk.with_name("nvme9n1"))
    put_gpfs(namespace)
    evidence = erase(namespace)
    assert evidence["result"] == result
    assert evidence["method"] == ("nvme_sanitize" if result == "erased" else None)
