"""Emulated BMCs of the benches: Redfish services over TLS, in a process of their own, as many as there are nodes."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

from tests.certificate import make_certificate
from tests.redfish import Service

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def serve(folder: Path, number: int) -> t.Iterator[list[dict[str, t.Any]]]:
    """Start BMCs whose machines are off; give bm_bmc of each, with the certificate that they are verified by."""
    command = [sys.executable, "-m", "tests.bench.bmcs", str(folder), str(number)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()  # it ends with that, also where this process was killed


def main() -> None:
    """Serve until standard input ends."""
    certificate = make_certificate(Path(sys.argv[1]))
    services = [Service(certificate=certificate) for dummy in range(int(sys.argv[2]))]
    for service in services:
        threading.Thread(target=service.serve_forever, daemon=True).start()
    account = {"username": "admin", "password": services[0].password, "verify": str(certificate[0])}
    print(json.dumps([{"address": service.url, **account} for service in services]), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
