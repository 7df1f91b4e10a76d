"""Ten secrets, planted wherever a site has some: nowhere but where they were given, after success, failure and kill."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml

MARK = "PLANTED"
NODES = ("good", "fails")

CALLBACK = """
import json, os
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "notification", "keeps_all"

    def _keep(self, result, **dummy):
        with open(os.environ["KEPT"], "a") as file:
            file.write(json.dumps(result.result, default=str) + "\\n")

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_unreachable = v2_runner_on_skipped = _keep
"""

PLAIN = {
    "bm_bmc": {
        "address": "fake://{{ folder }}/{{ inventory_hostname }}.json",
        "username": "admin",
        "password": f"{MARK}-bmc",
        "kg_key": "504c414e544544",
    },
    "bm_config_drive": {
        "meta_data": {"admin_pass": f"{MARK}-meta"},
        "user_data": f"#cloud-config\npassword: {MARK}-user\n",
        "network_data": {"links": [], "networks": [], "services": [], "psk": f"{MARK}-network"},
        "vendor_data": {"token": f"{MARK}-vendor"},
    },
    "provision_node_rescue_password": f"{MARK}-rescue",
}
IN_URLS = {
    "bm_image": {
        "url": f"{{{{ url }}}}/disk.img?token={MARK}-image-token",
        "checksum": f"{{{{ url }}}}/SHA256SUMS?token={MARK}-sums-token",
    },
    "url": f"http://imguser:{MARK}-image-password@{{{{ image_host }}}}",
}
STEP = [
    {"ansible.builtin.command": "sleep {{ seconds }}"},
    {"ansible.builtin.fail": {"msg": "on fire"}, "when": "inventory_hostname == 'fails' or seconds | int > 0"},
]


def hits(site: t.Any, *texts: str) -> list[str]:
    """Where a planted secret stands: in which file or text, with what is around it."""
    given = {site.folder / "inventory.yml", site.folder / "kept.py"}
    files = [path for path in site.folder.rglob("*") if path.is_file() and path not in given]
    files = [path for path in files if path.suffix != ".disk"]  # the config drive belongs onto the node's own
    places = {str(path.relative_to(site.folder)): path.read_bytes().decode("latin-1") for path in files}
    places |= {f"text {number}": text for number, text in enumerate(texts)}
    marks = (MARK, "504c414e544544")
    found = [(name, text, text.find(mark)) for name, text in places.items() for mark in marks if mark in text]
    return [f"{name}: {text[max(0, at - 120) : at + 60]!r}" for name, text, at in found]


@contextlib.contextmanager
def watched_processes() -> t.Iterator[set[str]]:
    """Collect the command lines of all processes meanwhile."""
    seen: set[str] = set()
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode("latin-1"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        end.set()
        watcher.join()


@pytest.fixture
def planted(site: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    """A site that keeps all that Ansible writes in its own folder."""
    for name in ("tmp", "local", "remote", "callbacks"):
        (site.folder / name).mkdir()
    (site.folder / "callbacks" / "keeps_all.py").write_text(CALLBACK)
    (site.folder / "step.yml").write_text(yaml.safe_dump(STEP))
    for name, value in {
        "ANSIBLE_LOCAL_TEMP": "local",
        "ANSIBLE_REMOTE_TEMP": "remote",
        "ANSIBLE_ASYNC_DIR": "remote",
        "ANSIBLE_LOG_PATH": "ansible.log",
        "ANSIBLE_CALLBACK_PLUGINS": "callbacks",
        "KEPT": "kept.jsonl",
    }.items():
        monkeypatch.setenv(name, str(site.folder / value))
    host = site.image_url.removeprefix("http://")
    site.variables |= {"folder": str(site.folder), "image_host": host, "seconds": 0}
    site.variables["bm_deploy_steps"] = [{"step": "mine", "priority": 70, "tasks": "{{ folder }}/step.yml"}]
    for node in NODES:
        site.make_disk(node)
    # Ansible's sockets lie there, and the name of a socket has a limit of 108 bytes (unix(7)).
    with tempfile.TemporaryDirectory(prefix="baremetal-lifecycle-") as short:
        (Path(short) / "tmp").symlink_to(site.folder / "tmp")
        monkeypatch.setenv("TMPDIR", f"{short}/tmp")
        yield site


@pytest.mark.parametrize("variables", [PLAIN, IN_URLS], ids=["variables", "urls"])
def test_no_secret_is_found_anywhere(planted: t.Any, variables: dict[str, t.Any]) -> None:
    site = planted
    with watched_processes() as seen:
        ended = site.deploy("-vvv", "--diff", nodes=NODES, **variables)
        states = {node: getattr(site.record(node), "provision_state", None) for node in NODES}
        assert states == {"good": "active", "fails": "deploy failed"}, ended.output[-3000:]
        killed = site.start("deploy.yml", "-vvv", nodes=("fails",), **{**variables, "seconds": 60})
        deadline = time.monotonic() + 60
        while not any(entry["step"] == "deploy.mine" and entry["status"] == "running"
                      for entry in site.record("fails").steps):  # fmt: skip
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.killpg(killed.pid, signal.SIGKILL)
        output, dummy = killed.communicate()
    assert hits(site, ended.output, output, "\n".join(line for line in seen if "inventory.yml" not in line)) == []
