"""The report of an erase: its fields, its summary, and what it must not claim."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.filter.erasure_report import erasure_report

SAMPLED = {"samples": 64, "bytes": 262144, "result": "zeros"}
NOTHING = {"samples": 0, "bytes": 0, "result": None}


def disk(**values: t.Any) -> dict[str, t.Any]:
    return {
        "device": "/dev/sda",
        "by_path": "/dev/disk/by-path/pci-0000:00:17.0-ata-1",
        "serial": "S1",
        "wwn": "0x5000a",
        "vendor": "ATA",
        "model": "EXAMPLE HDD",
        "media_type": "magnetic",
        "size_bytes": 480103981056,
        "level": "full",
        "method": "ata_secure_erase",
        "variant": "enhanced",
        "tool": "hdparm v9.65",
        "sanitization": "purge",
        "attempts": [{"method": "ata_secure_erase", "result": "erased", "error": None}],
        "started_at": "2026-05-01T12:00:00+00:00",
        "finished_at": "2026-05-01T12:02:11+00:00",
        "seconds": 131.2,
        "result": "erased",
        "reason": None,
        "verification": SAMPLED,
        **values,
    }


def untouched(result: str, reason: str) -> dict[str, t.Any]:
    nothing: dict[str, t.Any] = dict.fromkeys(
        ("method", "variant", "tool", "sanitization", "started_at", "finished_at")
    )
    return disk(**nothing, attempts=[], result=result, reason=reason, verification=NOTHING)


WIPED = disk(method="metadata", variant=None, tool="wipefs from util-linux 2.38.1", sanitization=None)
CLEARED = disk(vendor="QEMU", method="overwrite", variant=None, tool="Linux 6.1", sanitization="clear")


def fields(text: str) -> dict[str, str]:
    pairs = (line.strip().partition(":") for line in text.splitlines() if line.startswith("  "))
    return {label: value.strip() for label, dummy, value in pairs}


def test_the_fields_of_a_certificate() -> None:
    text = erasure_report([disk()], "node01", controller="deploy.example.com", operator="Jane Doe, operations")
    blank = "_" * 40
    assert fields(text) == {
        "Node (media source)": "node01",
        "Started from": "deploy.example.com",
        "Operator": "Jane Doe, operations",
        "Manufacturer": "-",
        "Model": "EXAMPLE HDD",
        "Serial number": "S1",
        "World wide name": "0x5000a",
        "Location": "/dev/disk/by-path/pci-0000:00:17.0-ata-1",
        "Media type": "magnetic",
        "Size": "480103981056 bytes",
        "Result": "erased",
        "Sanitization description": "Purge",
        "Method used": "ATA SECURITY ERASE UNIT, enhanced",
        "Tool used": "bm_erase_devices, hdparm v9.65",
        "Verification method": "sampling, 64 blocks, 262144 bytes: zeros",
        "Started": "2026-05-01T12:00:00+00:00",
        "Finished": "2026-05-01T12:02:11+00:00",
        "Performed by, name, title": blank,
        "Verified by, name, title": blank,
        "Date, place, signature": blank,
    }
    assert text.endswith("\nSummary: 1 disk: 1 erased; sanitization: 1 Purge.\n")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (CLEARED, {"Manufacturer": "QEMU", "Sanitization description": "Clear", "Result": "erased"}),
        (
            {**WIPED, "verification": {"samples": 0, "bytes": 0, "result": "no signature"}},
            {
                "Sanitization description": "none",
                "Method used": "signatures and partition tables wiped; the data itself is not erased",
                "Verification method": "search for signatures: none left",
            },
        ),
        (
            untouched("guarded", "in use: sda1 is mounted on /mnt"),
            {"Result": "guarded", "Reason": "in use: sda1 is mounted on /mnt", "Sanitization description": "none"},
        ),
        (untouched("skipped", "it is in skip"), {"Tool used": "-", "Method used": "-", "Verification method": "-"}),
        (
            disk(attempts=[{"method": "nvme_format", "result": "failed", "error": "refused\nResult: erased"}]),
            {"Failed attempt": "nvme_format: refused Result: erased"},
        ),
    ],
)
def test_other_disks(found: dict[str, t.Any], expected: dict[str, str]) -> None:
    assert expected.items() <= fields(erasure_report([found], "node01")).items()


def test_only_erased_disks_can_be_signed_for() -> None:
    assert "signature:" not in erasure_report([untouched("read-only", "the kernel refuses writes")], "node01")


@pytest.mark.parametrize(
    ("evidence", "summary"),
    [
        ([], "Summary: 0 disks: nothing erased."),
        ([disk(), CLEARED, WIPED], "Summary: 3 disks: 3 erased; sanitization: 1 Clear, 1 Purge, 1 none."),
        (
            [disk(), untouched("failed", "x"), untouched("skipped", "y"), untouched("guarded", "z")],
            "Summary: 4 disks: 1 erased, 1 failed, 1 guarded, 1 skipped; sanitization: 1 Purge.",
        ),
    ],
)
def test_summary(evidence: list[dict[str, t.Any]], summary: str) -> None:
    assert erasure_report(evidence, "node01").splitlines()[-1] == summary
