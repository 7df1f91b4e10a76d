"""From what drives say of themselves to the methods that are tried, in order."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.ata import AtaSecurity, parse_identify
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.nvme import (
    find_controller,
    find_neighbours,
    is_namespace,
    parse_id_ctrl,
    parse_sanitize_status,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.erase.plan import (
    Abilities,
    choose_techniques,
)

SECURITY = """
/dev/sda:

ATA device, with non-removable media
\tModel Number:       EXAMPLE SSD 480GB
\tSerial Number:      S4EXAMPLE0001
\tFirmware Revision:  XC311132
Configuration:
\tLogical  Sector size:                   512 bytes
{rate}
Commands/features:
\tEnabled\tSupported:
\t*\tSMART feature set
\t\tSecurity Mode feature set
\t*\tPower Management feature set
Security:
\tMaster password revision code = 65534
{flags}
\tnot\texpired: security count
{enhanced}
\t{times}
Logical Unit WWN Device Identifier: 5002538e40000001
\tNAA\t\t: 5
Checksum: correct
"""
NORMAL_TIMES = "4min for SECURITY ERASE UNIT. 8min for ENHANCED SECURITY ERASE UNIT."


SPINS = "\tNominal Media Rotation Rate: 7200"
FLASH = "\tNominal Media Rotation Rate: Solid State Device"


def identify(*set_flags: str, enhanced: bool = True, times: str = NORMAL_TIMES, rate: str = "") -> str:
    flags = [f"\t{'' if flag in set_flags else 'not'}\t{flag}" for flag in ("supported", "enabled", "locked", "frozen")]
    return SECURITY.format(
        flags="\n".join(flags), enhanced="\t\tsupported: enhanced erase" if enhanced else "", times=times, rate=rate
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (identify("supported"), AtaSecurity(supported=True, enhanced=True, limit=3600)),
        (identify("supported", rate=SPINS), AtaSecurity(supported=True, enhanced=True, rotates=True, limit=3600)),
        (identify("supported", rate=FLASH), AtaSecurity(supported=True, enhanced=True, rotates=False, limit=3600)),
        (identify("supported", enhanced=False), AtaSecurity(supported=True, limit=3600)),
        (identify("supported", "frozen"), AtaSecurity(supported=True, frozen=True, enhanced=True, limit=3600)),
        (
            identify("supported", "enabled", "locked"),
            AtaSecurity(supported=True, enabled=True, locked=True, enhanced=True, limit=3600),
        ),
        (
            identify("supported", times="416min for SECURITY ERASE UNIT. 420min for ENHANCED SECURITY ERASE UNIT."),
            AtaSecurity(supported=True, enhanced=True, limit=2 * 420 * 60),
        ),
        (
            identify("supported", enhanced=False, times="more than 508min for SECURITY ERASE UNIT."),
            AtaSecurity(supported=True, limit=72 * 3600),
        ),
        (
            "/dev/sda:\nSG_IO: bad/missing sense data\n\nATA device, with non-removable media\n",
            None,
        ),
        ("", None),
    ],
)
def test_ata_security(text: str, expected: AtaSecurity | None) -> None:
    assert parse_identify(text) == (expected or AtaSecurity())


def id_ctrl(oacs: int = 0x5E, fna: int = 0, sanicap: int = 0) -> str:
    """Return what nvme-cli prints, shortened to what tells the drive and what it can."""
    return json.dumps(
        {
            "vid": 5197,
            "ssvid": 5197,
            "sn": "S4EXAMPLE0002       ",
            "mn": "EXAMPLE NVME 1.92TB                     ",
            "fr": "GDC5302Q",
            "ver": 66304,
            "oacs": oacs,
            "nn": 32,
            "fna": fna,
            "sanicap": sanicap,
            "psds": [{"max_power": 1060}],
        }
    )


def nvme(neighbours: t.Sequence[str] = (), **values: int) -> Abilities:
    return Abilities(nvme=parse_id_ctrl(id_ctrl(**values), neighbours), discards=True)


def ata(*flags: str, enhanced: bool = True, rate: str = SPINS) -> Abilities:
    return Abilities(ata=parse_identify(identify("supported", *flags, enhanced=enhanced, rate=rate)))


NO_FORMAT = 0x5C

FULL = [
    ("nothing", Abilities(), [("overwrite", "", "clear")]),
    ("virtual disk", Abilities(discards=True), [("blkdiscard", "", "clear"), ("overwrite", "", "clear")]),
    ("enhanced HDD", ata(), [("ata_secure_erase", "enhanced", "purge"), ("overwrite", "", "clear")]),
    ("plain HDD", ata(enhanced=False), [("ata_secure_erase", "normal", "clear"), ("overwrite", "", "clear")]),
    ("drive without a rate", ata(rate=""), [("ata_secure_erase", "enhanced", "clear"), ("overwrite", "", "clear")]),
    ("SATA SSD", ata(rate=FLASH), [("ata_secure_erase", "enhanced", "clear"), ("overwrite", "", "clear")]),
    (
        "NVMe with all",
        nvme(fna=4, sanicap=0b111),
        [
            ("nvme_sanitize", "block erase", "purge"),
            ("nvme_format", "crypto erase", "purge"),
            ("blkdiscard", "", "clear"),
            ("overwrite", "", "clear"),
        ],
    ),
    (
        "NVMe, crypto sanitize only, format without crypto",
        nvme(sanicap=0b001),
        [
            ("nvme_sanitize", "crypto erase", "purge"),
            ("nvme_format", "user data erase", "purge"),
            ("blkdiscard", "", "clear"),
            ("overwrite", "", "clear"),
        ],
    ),
    (
        "NVMe, overwrite sanitize only, no format",
        nvme(oacs=NO_FORMAT, sanicap=0b100),
        [("blkdiscard", "", "clear"), ("overwrite", "", "clear")],
    ),
    (
        "NVMe that does not answer",
        Abilities(nvme=parse_id_ctrl("identify controller: Input/output error")),
        [("overwrite", "", "clear")],
    ),
]


@pytest.mark.parametrize(("abilities", "expected"), [row[1:] for row in FULL], ids=[row[0] for row in FULL])
def test_what_a_full_erase_tries(abilities: Abilities, expected: list[tuple[str, str, str]]) -> None:
    found = choose_techniques("full", "auto", abilities)
    assert [(item.method, item.variant, item.sanitization) for item in found] == expected
    assert not any(item.refusal for item in found)


@pytest.mark.parametrize(
    ("level", "abilities", "expected"),
    [
        ("metadata", nvme(fna=4, sanicap=7), [("metadata", None)]),
        ("metadata", ata(), [("metadata", None)]),
        ("express", ata(), [("metadata", None)]),
        ("express", nvme(fna=4, sanicap=7), [("nvme_format", "purge"), ("metadata", None)]),
        ("express", nvme(oacs=NO_FORMAT), [("metadata", None)]),
    ],
)
def test_what_the_other_levels_try(level: str, abilities: Abilities, expected: list[tuple[str, str | None]]) -> None:
    for method in ("auto", "overwrite"):  # which is for full erases alone
        assert [(item.method, item.sanitization) for item in choose_techniques(level, method, abilities)] == expected


@pytest.mark.parametrize(
    ("method", "abilities", "refusal"),
    [
        ("ata_secure_erase", ata("frozen"), "security is frozen"),
        ("ata_secure_erase", ata(), None),
        ("ata_secure_erase", ata("locked"), None),  # it may be locked with the password of an erase that died
        ("ata_secure_erase", Abilities(), "does not support it"),
        ("nvme_sanitize", nvme(sanicap=2, neighbours=["/dev/nvme0n2"]), "other namespaces .*: /dev/nvme0n2"),
        ("nvme_sanitize", nvme(sanicap=2), None),
        ("nvme_sanitize", nvme(sanicap=0), "does not support it"),
        ("nvme_format", nvme(neighbours=["/dev/nvme0n2"]), None),
        ("nvme_format", nvme(fna=1, neighbours=["/dev/nvme0n2"]), "other namespaces"),
        ("nvme_format", nvme(fna=2, neighbours=["/dev/nvme0n2"]), "other namespaces"),
        ("nvme_format", Abilities(), "does not support it"),
        ("blkdiscard", Abilities(), "does not support it"),
        ("blkdiscard", Abilities(discards=True), None),
        ("overwrite", Abilities(), None),
    ],
)
def test_one_method_and_why_it_is_refused(method: str, abilities: Abilities, refusal: str | None) -> None:
    (technique,) = choose_techniques("full", method, abilities)
    assert technique.method == method
    assert bool(technique.refusal) is bool(refusal)
    assert re.search(refusal or "", technique.refusal or "")


def test_a_refused_method_stays_in_the_plan() -> None:
    found = choose_techniques("full", "auto", ata("frozen"))
    assert [(item.method, bool(item.refusal)) for item in found] == [("ata_secure_erase", True), ("overwrite", False)]


@pytest.mark.parametrize(
    ("log", "status"),
    [
        (bytes.fromhex("ffff0101") + bytes(508), 1),
        (bytes.fromhex("00800200") + bytes(508), 2),
        (bytes.fromhex("ffff0300") + bytes(508), 3),
        (bytes.fromhex("ffff0401") + bytes(508), 4),
        (bytes.fromhex("ffff0000") + bytes(508), 0),
    ],
)
def test_sanitize_status(log: bytes, status: int) -> None:
    assert parse_sanitize_status(log) == status


@pytest.mark.parametrize("multipath", [False, True])
def test_namespaces_of_one_drive(tmp_path: Path, multipath: bool) -> None:
    """The links of sysfs: to the controller, or with the kernel's multipath to the subsystem above it."""
    root = tmp_path / "block"
    for number, names in {0: ("nvme0n1", "nvme0n2"), 1: ("nvme1n1",)}.items():
        owner = tmp_path / "devices" / (f"nvme-subsys{number}" if multipath else f"nvme{number}")
        (owner / f"nvme{number}").mkdir(parents=True)
        for name in names:
            (root / name).mkdir(parents=True)
            (root / name / "device").symlink_to(owner)
    (root / "nvme0c0n1").mkdir()
    assert find_controller("/dev/nvme0n2", root) == "/dev/nvme0"
    assert find_controller("/dev/nvme1n1", root) == "/dev/nvme1"
    assert find_neighbours("/dev/nvme0n1", root) == ["/dev/nvme0n2"]
    assert find_neighbours("/dev/nvme1n1", root) == []


@pytest.mark.parametrize(
    ("device", "expected"),
    [("/dev/nvme0n1", True), ("/dev/nvme0", False), ("/dev/nvme0n1p1", False), ("/dev/sda", False)],
)
def test_which_devices_are_namespaces(device: str, expected: bool) -> None:
    assert is_namespace(device) is expected
