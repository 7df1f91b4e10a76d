"""AWX, as far as a job sees it: a template of extensions/awx is launched, ansible-runner runs it in a container.

What it writes into a job's private data folder, and how, is as in AWX 24 (awx/main/tasks/jobs.py, models/credential.py
and utils/safe_yaml.py).
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import typing as t
from pathlib import Path

import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.site import BIN, ROOT

EXTENSION = ROOT / "extensions" / "awx"
PREFIX = "Bare metal"

IN_A_POD = (
    *("unshare", "--user", "--map-user=12345", "--map-group=12345"),
    *("--pid", "--fork", "--mount-proc", "--kill-child"),
)
"""A uid without a name and without rights, and processes that nobody outside is seen by."""

TELLS = """
- name: Tell what the real role would get
  ansible.builtin.copy:
    dest: "{{ tells_to }}"
    mode: "0600"
    content: "{{ dict(names | zip(q('ansible.builtin.vars', *names))) | to_json }}"
  vars:
    names: "{{ q('ansible.builtin.varnames', '^controller_') }}"
"""

Variables = dict[str, t.Any]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class UnsafeDumper(yaml.SafeDumper):
    """Writes extra variables as AWX does: no text of theirs is a template."""


UnsafeDumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


def configure(folder: Path, **settings: t.Any) -> dict[str, t.Any]:
    """Play extensions/awx/configure.yml with a role that tells what it gets; return that."""
    tasks = folder / "roles" / "tells" / "tasks" / "main.yml"
    tasks.parent.mkdir(parents=True)
    tasks.write_text(TELLS)
    told = folder / "told.json"
    secrets = {"baremetal_awx_bmc": {"username": "admin", "password": "secret"}, "baremetal_awx_store_url": "secret"}
    given = {"baremetal_awx_role": "tells", "tells_to": str(told), **secrets, **settings}
    play = [BIN / "ansible-playbook", EXTENSION / "configure.yml", "-e", json.dumps(given)]
    environment = {**os.environ, "ANSIBLE_ROLES_PATH": str(folder / "roles")}
    subprocess.run(play, check=True, capture_output=True, cwd=folder, env=environment)
    return t.cast("dict[str, t.Any]", json.loads(told.read_text()))


def by_name(objects: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Return objects by their names without the prefix that all have."""
    return {item["name"].removeprefix(f"{PREFIX} "): item for item in objects}


class Ended(t.NamedTuple):
    """What came of a job: its status in ansible-runner's words, and what it said."""

    status: str
    text: str


class Job:
    """A job with its private data; ``start`` and ``wait``, or ``run``."""

    def __init__(self, folder: Path, playbook: str, environment: dict[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.worker = folder / "worker"
        self.home = folder / "home"
        self._playbook = playbook
        self._environment = environment
        for path in (self.data / "env", self.data / "inventory", self.home):
            path.mkdir(parents=True)
        shutil.copytree(EXTENSION / "project", self.data / "project")

    def _runner(self, command: str, *arguments: t.Any, stdin: Path | None = None, stdout: Path, pod: bool) -> t.Any:
        words = [*(IN_A_POD if pod else ()), BIN / "ansible-runner", command, *arguments]
        environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "LANG": "C.UTF-8", **self._environment}
        with (stdin or Path(os.devnull)).open("rb") as read, stdout.open("wb") as write:
            return subprocess.Popen(
                [str(word) for word in words],
                stdin=read,
                stdout=write,
                stderr=subprocess.STDOUT,
                env={"HOME": str(self.home), **environment},
                start_new_session=True,
            )

    def start(self) -> Job:
        """Send the job to a worker, in a pod of its own: transmit, worker."""
        sent = self.folder / "sent"
        assert self._runner("transmit", self.data, "-p", self._playbook, "-i", "1", stdout=sent, pod=False).wait() == 0
        work = ("worker", "--private-data-dir", self.worker)
        self.process = self._runner(*work, stdin=sent, stdout=self.folder / "back", pod=True)
        return self

    def kill(self) -> None:
        """End the pod, as the kernel or Kubernetes would; of its files nothing is left."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=60)
        shutil.rmtree(self.home)

    def wait(self) -> Ended:
        """Wait for the worker, and take in what it has sent: process."""
        self.process.wait(timeout=240)
        said = self.folder / "said"
        self._runner("process", self.data, "-i", "1", stdin=self.folder / "back", stdout=said, pod=False).wait()
        return self._ended()

    def run(self) -> Ended:
        """Run the job in one piece, with a project and a home that can't be written.

        Ansible itself begins nothing without a folder of its own.
        """
        self._environment = {**self._environment, "ANSIBLE_HOME": str(self.folder / "ansible")}
        for path in (self.data / "project", self.home):
            path.chmod(0o555)
        arguments = (self.data, "-p", self._playbook, "-i", "1")
        self._runner("run", *arguments, stdout=self.folder / "said", pod=True).wait(timeout=240)
        return self._ended()

    def _ended(self) -> Ended:
        status = self.data / "artifacts" / "1" / "status"
        said = self.folder / "said"
        text = _COLOUR.sub("", said.read_text())
        return Ended(status.read_text() if status.exists() else "error", " ".join(text.split()))


class AWX:
    """Templates and credentials, an inventory, and the jobs that were launched.

    :param configuration: of ``configure``.
    :param variables: of the inventory's group of nodes.
    :param credentials: inputs, by the name of their type.
    """

    def __init__(self, folder: Path, configuration: dict[str, t.Any], variables: Variables) -> None:
        self.folder = folder
        self.templates = by_name(configuration["controller_templates"])
        self.types = by_name(configuration["controller_credential_types"])
        self.variables = variables
        self.credentials: dict[str, dict[str, str]] = {"BMC": {"username": "admin", "password": "right"}}
        self.environment: dict[str, str] = {}
        self.jobs: list[Job] = []

    def launch(
        self, template: str, *, limit: str = "", check: bool = False, others: Variables | None = None, **answers: t.Any
    ) -> Job:
        """Make a job of a template: what its survey asks gets an answer or the default, and nothing else is taken.

        :param others: answers to questions that a site has added to the survey.
        """
        found = self.templates[template]
        asked = {question["variable"]: question for question in found.get("survey_spec", {}).get("spec", [])}
        assert answers.keys() <= asked.keys(), "AWX takes no variable that nobody asks for"
        extra = (
            {name: question["default"] for name, question in asked.items() if "default" in question}
            | answers
            | (others or {})
        )
        job = Job(self.folder / f"job{len(self.jobs)}", found["playbook"], self.environment)
        self.jobs.append(job)
        number, env = len(self.jobs), job.data / "env"
        meta = {"awx_job_id": number, "awx_job_launch_type": "manual", "awx_user_name": "operator"}
        (env / "extravars").write_text(yaml.dump({**meta, **extra}, Dumper=UnsafeDumper))
        (env / "envvars").write_text(json.dumps(self._environment_of(job, number)))
        words = ["-u root", *(["--check --diff"] if check else []), *([f"-l {limit}"] if limit else [])]
        words += [f"-e @{path}" for path in self._inject(env)]
        (env / "cmdline").write_text(" ".join(words))
        self._write_inventory(job.data / "inventory" / "hosts")
        return job

    def _environment_of(self, job: Job, number: int) -> dict[str, str]:
        paths = f"{job.worker}/requirements_collections:~/.ansible/collections:{ROOT / '.collections'}"
        return {
            "JOB_ID": str(number),
            "INVENTORY_ID": "1",
            "PROJECT_REVISION": "0" * 40,
            "AWX_HOST": "https://awx.example.com",
            "AWX_PRIVATE_DATA_DIR": f"/tmp/awx_{number}",
            "MAX_EVENT_RES": "700000",
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_COLLECTIONS_PATH": paths,
        }

    def _inject(self, env: Path) -> t.Iterator[Path]:
        """Write what the credentials inject; give the files of extra variables."""
        engine = ImmutableSandboxedEnvironment()
        for name, inputs in self.credentials.items():
            injectors = self.types[name]["injectors"]
            files = {}
            for label, text in injectors.get("file", {}).items():
                path = env / f"{name}.{label}"
                path.write_text(engine.from_string(text).render(inputs))
                files[label.partition(".")[2]] = str(path)
            known = {**inputs, "tower": {"filename": files}}
            extra = {key: engine.from_string(text).render(known) for key, text in injectors["extra_vars"].items()}
            path = env / f"{name}.vars"
            path.write_text(yaml.dump(extra, Dumper=UnsafeDumper))
            yield path

    def _write_inventory(self, path: Path) -> None:
        hosts = {f"node{n:02}": {"remote_tower_id": n, "remote_tower_enabled": "true"} for n in (1, 2)}
        nodes = {"hosts": list(hosts), "vars": self.variables}
        told = json.dumps({"baremetal": nodes, "_meta": {"hostvars": hosts}})
        path.write_text(f"#! /usr/bin/env python3\nprint({told!r})\n")
        path.chmod(0o700)
