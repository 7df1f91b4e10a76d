"""The lab's machines of other kinds: their BMCs and firmware do what those of servers do."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".lab"
SECURE_BOOT = "/redfish/v1/Systems/b0a70000-0000-4000-8000-000000000013/SecureBoot"
RESET = "/redfish/v1/Systems/b0a70000-0000-4000-8000-000000000013/Actions/ComputerSystem.Reset"


def lab_py(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "lab" / "lab.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ipmi(number: int, *arguments: str) -> str:
    """Return what ipmitool prints. Without -C it spends ten seconds on a question that ipmi_sim does not answer."""
    command = ["ipmitool", "-I", "lanplus", "-C", "3", "-H", f"198.18.77.{200 + number}"]
    command += ["-U", "admin", "-f", str(STATE / "bmc-password"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def redfish(path: str, method: str, **body: t.Any) -> bytes:
    request = urllib.request.Request(f"https://198.18.77.2:8443{path}", method=method)
    login = b"admin:" + (STATE / "bmc-password").read_bytes()
    request.add_header("Authorization", "Basic " + base64.b64encode(login).decode())
    request.add_header("Content-Type", "application/json")
    data = json.dumps(body).encode() if body else None
    context = ssl.create_default_context(cafile=str(STATE / "tls" / "ca.pem"))
    with urllib.request.urlopen(request, data, context=context, timeout=30) as answer:
        return bytes(answer.read())


def await_console(number: int, *words: str, seconds: float = 60) -> None:
    """Wait until the machine has shown all words since its console was last emptied."""
    path = STATE / f"console-node{number:02}.log"
    deadline = time.monotonic() + seconds
    while True:
        said = path.read_text(errors="replace") if path.exists() else ""
        if all(word in said for word in words):
            path.write_text("")
            return
        assert time.monotonic() < deadline, said[-2000:]
        time.sleep(0.2)


@pytest.fixture(scope="module")
def machines(lab: t.Any) -> None:
    done = lab_py("up", "node13", "node14", "node16")
    assert done.returncode == 0, done.stderr


def test_a_machine_that_does_not_exist_is_said(machines: None) -> None:
    assert "no such machine: node17" in lab_py("up", "node01", "node17").stderr


def test_a_boot_request_over_ipmi_is_for_one_start(machines: None) -> None:
    ipmi(16, "chassis", "bootdev", "cdrom", "options=efiboot")
    assert "Boot Flag Valid" in ipmi(16, "chassis", "bootparam", "get", "5")
    ipmi(16, "power", "on")
    await_console(16, "DVD-ROM", "Shell>")  # the drive is empty, and so is the disk
    assert "Boot Flag Invalid" in ipmi(16, "chassis", "bootparam", "get", "5")
    ipmi(16, "power", "off")
    assert "is off" in ipmi(16, "power", "status")


def test_a_boot_request_for_the_other_firmware_is_not_followed(machines: None) -> None:
    ipmi(14, "chassis", "bootdev", "disk", "options=efiboot")
    ipmi(14, "power", "on")
    await_console(14, "iPXE")
    ipmi(14, "power", "off")
    assert "boot request ignored" in (STATE / "log" / "bmc-node14.log").read_text()


def test_secure_boot_is_switched_over_redfish_and_enforced(machines: None) -> None:
    for enabled, word in ((False, "Shell>"), (True, "Security Violation"), (False, "Shell>")):
        if json.loads(redfish(SECURE_BOOT, "GET"))["SecureBootEnable"] != enabled:
            redfish(SECURE_BOOT, "PATCH", SecureBootEnable=enabled)
        assert json.loads(redfish(SECURE_BOOT, "GET"))["SecureBootEnable"] == enabled
        redfish(RESET, "POST", ResetType="On")
        await_console(13, word)
        redfish(RESET, "POST", ResetType="ForceOff")
