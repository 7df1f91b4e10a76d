"""A ramdisk whose host key was pinned is believed by that key alone, whatever others say to ssh: real ssh and sshd."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.agent import (
    Connection,
    KeyPair,
    make_key_pair,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store import owner as owners
from ansible_collections.baremetal.lifecycle.plugins.module_utils._store.store import Store

ANYBODY = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null"

REFUSED = "Host key verification failed"

WAYS: dict[str, dict[str, t.Any]] = {
    "right": {},
    "default": {},
    "checking": {"ansible_host_key_checking": False},
    "ssh-checking": {"ansible_ssh_host_key_checking": False},
    "args": {"ansible_ssh_args": ANYBODY},
    "common": {"ansible_ssh_common_args": ANYBODY},
    "extra": {"ansible_ssh_extra_args": ANYBODY},
    "command": {"ansible_ssh_common_args": "-o KnownHostsCommand=/bin/true -o NoHostAuthenticationForLocalhost=yes"},
    "local": {"ansible_connection": "local"},
    "winrm": {"ansible_connection": "winrm"},
    "become": {"ansible_become": True, "ansible_become_password": "x", "ansible_password": "of the instance"},
}
"""What an inventory may say; node by node. All of them also have the environment against them."""


@dataclasses.dataclass
class Sshd:
    """An SSH server that writes down whom it lets in. What is run is run here: no module harms another place than a
    ramdisk."""

    folder: Path
    port: int
    host: KeyPair

    def admit(self, client: KeyPair, word: str) -> None:
        """Let a key in, to write down a word."""
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(f'command="{self.folder}/let_in {word}" {client.public}\n')

    @property
    def reached(self) -> set[str]:
        """Who was let in."""
        path = self.folder / "reached"
        return set(path.read_text().split()) if path.exists() else set()


@pytest.fixture
def sshd(tmp_path: Path) -> t.Iterator[Sshd]:
    Path("/run/sshd").mkdir(exist_ok=True)
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "let_in").write_text(f'#!/bin/sh\necho $1 >> {folder}/reached\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    (folder / "let_in").chmod(0o700)
    host = make_key_pair()
    (folder / "host_key").write_text(host.private)
    (folder / "host_key").chmod(0o600)
    options = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "PidFile": "none",
        "PermitRootLogin": "yes",
        "StrictModes": "no",
        "UsePAM": "no",
        "MaxStartups": "100",
    }
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 10
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield Sshd(folder, port, host)
    process.terminate()
    process.communicate()


def ramdisk_of(site: t.Any, sshd: Sshd, node: str, host: KeyPair) -> Connection:
    """Return the way to a node's ramdisk, of which ``host`` was pinned; the server lets it in."""
    folder = site.folder / "state" / f"100%h of {node}"  # as a bm_state_dir with such a name would make it
    connection = Connection("127.0.0.1", sshd.port, folder / "ramdisk_key", folder / "known_hosts", True)
    client = make_key_pair()
    connection.write_keys(host, client)
    sshd.admit(client, node)
    return connection


def begin_cleaning(site: t.Any, node: str) -> None:
    """Let the node be in the middle of a cleaning, in a step of the user's, with its ramdisk up."""
    store = Store(f"sqlite:///{site.folder}/state/store.db")
    record = store.ensure_node(node, "redfish")
    assert store.reserve(node, "me", "clean", 60)
    record.provision_state = "cleaning"
    record.driver_internal_info = {"verb": "clean", "ramdisk_up": True, "ramdisk_booted": True, "deployment": node}
    steps = {"start_ramdisk": "done", "mine": "todo", "tear_down_agent": "todo"}
    record.steps = [{"step": f"deploy.{step}", "status": status} for step, status in steps.items()]
    store.save(record, "me")
    dead = owners.current_owner(os.getpid())._replace(started="1")
    assert store.reserve(node, str(dead), "clean", 60, instead_of="me", only_expired=False)
    store.close()


VARIABLES = {
    "bm_bmc": {
        "address": "https://127.0.0.1:1",
        "system_id": "{{ inventory_hostname }}",
        "username": "x",
        "password": "x",
        "timeout": 1,
        "power_timeout": 1,
    },
    "provision_node_verb": "clean",
    "provision_node_steps": [{"step": "mine", "tasks": "{{ folder }}/step.yml"}],
}
PLAY = """
- hosts: baremetal
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        provision_node_result:
          connection: "{{ lookup('file', folder ~ '/' ~ inventory_hostname ~ '.result') | from_json }}"
          root_device:
          goes_on: true
          work: {verb: clean}
          next_step: {name: mine, step: deploy.mine, tasks: "{{ folder }}/step.yml"}
        provision_node_completed_step: "{{ omit if file == 'step' else 'deploy.mine' }}"
    - ansible.builtin.include_role: {name: baremetal.lifecycle.provision_node, tasks_from: "{{ file }}"}
"""
STEP = [
    {"ansible.builtin.command": "touch {{ folder }}/here.{{ inventory_hostname }}", "delegate_to": "localhost"},
    {"ansible.builtin.raw": 'test -n "$SSH_CONNECTION" || touch {{ folder }}/not_in_the_ramdisk'},
]


@pytest.fixture
def ramdisks(site: t.Any, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> t.Any:
    """A site in which all are told to believe any key, and only ``right`` has pinned that of the server."""
    for name, value in {"ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_SSH_ARGS": ANYBODY}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ANSIBLE_FORKS", str(len(WAYS)))
    (site.folder / "state").mkdir()
    other = make_key_pair()
    for node in WAYS:
        connection = ramdisk_of(site, sshd, node, sshd.host if node == "right" else other)
        begin_cleaning(site, node)
        (site.folder / f"{node}.result").write_text(json.dumps(connection.to_result()))
    (site.folder / "step.yml").write_text(yaml.safe_dump(STEP))
    (site.folder / "play.yml").write_text(PLAY)
    site.variables |= {"folder": str(site.folder), "ansible_connection": "ssh", **VARIABLES}
    return site


def arguments(site: t.Any, file: str) -> tuple[str, ...]:
    return str(site.folder / "play.yml"), "-v", "-l", "baremetal", "-e", f"file={file}"


def test_a_users_step_goes_to_the_pinned_key_and_what_it_delegates_to_the_controller(
    ramdisks: t.Any, sshd: Sshd
) -> None:
    ways = {name: own for name, own in WAYS.items() if "ansible_connection" not in own}
    run = ramdisks.play(*arguments(ramdisks, "step"), nodes=ways)
    assert sshd.reached == {"right"}, run.output
    assert sorted(path.name for path in ramdisks.folder.glob("here.*")) == sorted(f"here.{node}" for node in ways)
    assert not (ramdisks.folder / "not_in_the_ramdisk").exists()
    assert run.output.count(REFUSED) >= len(ways) - 1, run.output
    assert "can't be reached" in ramdisks.record("right").last_error, "only its BMC is not there"


def test_a_core_step_goes_to_the_pinned_key(ramdisks: t.Any, sshd: Sshd) -> None:
    process, output = ramdisks.start(*arguments(ramdisks, "go_on"), nodes=WAYS), ""
    watchdog = threading.Timer(60, process.terminate)
    watchdog.start()
    while output.count(REFUSED) < 2 * len(WAYS) and (line := process.stdout.readline()):
        output += line
    watchdog.cancel()
    process.terminate()  # with its workers
    process.communicate()
    assert output.count(REFUSED) >= 2 * len(WAYS), output
    assert sshd.reached == {"right"}, output


@pytest.mark.parametrize(
    ("connection", "given"),
    [
        ("local", {"ansible_connection": "local"}),
        ("winrm", {"ansible_connection": "winrm"}),
        ("ansible.builtin.local", {"ansible_connection": "ansible.builtin.local"}),
        ("local", None),
    ],
    ids=["local", "winrm", "full name", "-c local"],
)
def test_a_users_step_that_would_not_reach_the_ramdisk_is_refused(
    ramdisks: t.Any, connection: str, given: dict[str, str] | None
) -> None:
    del ramdisks.variables["ansible_connection"]
    options = () if given else ("-c", connection)
    steps = [{"step": "mine", "tasks": "{{ folder }}/step.yml"}]
    run = ramdisks.play("clean.yml", "-l", "right", *options, nodes=WAYS, clean_node_steps=steps, **(given or {}))
    assert f"The step 'mine' runs in the ramdisk, over ssh, and the connection of this host is {connection}" in run.text
    assert not list(ramdisks.folder.glob("here.*"))
