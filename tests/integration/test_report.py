"""The report of a run: what is in it, what never is, and that no play fails for its sake."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
import re
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import html5lib
import pytest
import yaml

from tests.site import ROOT, Run, Site

MARK = "PLANTED"
SCRIPT = "<script>alert(1)</script>"
NAMES = ("<b>bold</b>", "a&b\"c'd", "{{ 7*7 }}")
HOSTILE = f"{SCRIPT}\" onclick='alert(2)' ]]> &amp; \x1b[31mred\x00 {{{{ 7*7 }}}}"

STEP = [
    {
        "name": "Tell",
        "ansible.builtin.command": {"argv": ["echo", f"{MARK}-argument"]},
        "environment": {"TOKEN": f"{MARK}-environment"},
    },
    {
        "name": "Keep it to yourself",
        "ansible.builtin.fail": {"msg": f"{MARK}-message"},
        "no_log": True,
        "when": "inventory_hostname == 'quiet'",
    },
    {
        "name": "Say where",
        "ansible.builtin.fail": {"msg": f"http://user:{MARK}-url@192.0.2.1/image?token={MARK}-token is away"},
        "when": "inventory_hostname == 'loud'",
    },
]

BREAKER = """
import os
from ansible.plugins.callback import CallbackBase
from ansible_collections.baremetal.lifecycle.plugins.callback import report
from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.gathered import Gathered

def broken(*dummy, **more):
    raise KeyError("it is broken")

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "notification", "breaker"
    setattr(report if hasattr(report, os.environ["BREAKS"]) else Gathered, os.environ["BREAKS"], broken)
"""


@dataclasses.dataclass
class Report:
    """The report that a run has left: its page, parsed as a browser does it, and its JUnit XML."""

    run: Run
    page: Path
    tree: t.Any
    cases: dict[str, ET.Element]

    @property
    def text(self) -> str:
        """What a reader reads."""
        for skipped in ("style", "script"):
            for element in self.tree.findall(f".//{skipped}"):
                element.text = ""
        return " ".join(" ".join(self.tree.itertext()).split())

    def row(self, node: str) -> str:
        """Return what a reader reads of a node, its details, too."""
        found = [body for body in self.tree.findall(".//tbody[@id]") if body.get("data-name") == node]
        assert len(found) == 1, f"{node} is there {len(found)} times"
        return " ".join(" ".join(found[0].itertext()).split())


def read(run: Run, folder: Path) -> Report:
    """Return the newest report in a folder."""
    page = max(folder.glob("*.html"), key=lambda path: path.stat().st_mtime_ns)
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page.read_text())
    cases = ET.parse(page.with_suffix(".xml")).getroot().findall("./testsuite/testcase")
    return Report(run, page, tree, {case.attrib["name"]: case for case in cases})


@pytest.fixture
def reports(site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for reports, which are switched on."""
    site.variables["bm_deploy_interface"] = "noop"
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "baremetal.lifecycle.report")
    monkeypatch.setenv("BAREMETAL_REPORT_PATH", str(site.folder / "reports"))
    return site.folder / "reports"


def play_mixed(site: Site, folder: Path) -> Report:
    """Return the report of nodes that are deployed, that fail, and whose names and errors are hostile.

    Secrets are planted.
    """
    (site.folder / "step.yml").write_text(yaml.safe_dump(STEP))
    steps = [{"step": "mine", "priority": 70, "tasks": str(site.folder / "step.yml"), "args": {"key": f"{MARK}-args"}}]
    bmc = {"password": f"{MARK}-bmc", "username": "admin"}
    nodes: dict[str, dict[str, t.Any]] = {}
    for name in ("good", "quiet", "loud", "faulty", "silent"):
        site.make_disk(name)
        nodes[name] = {"bm_bmc": {**bmc, "address": f"fake://{site.folder}/{name}.json"}, "bm_deploy_steps": steps}
    nodes["silent"] |= {"bm_console": "keep", "bm_ramdisk": {"timeout": 1}}
    for number, name in enumerate(NAMES):
        nodes[name] = {"bm_bmc": {"address": f"fake://{site.folder}/hostile{number}.json"}}
    fault = {"operation": "set_power_state", "error": "BMCResponseError", "message": HOSTILE}
    site.script("faulty", faults=[fault])
    site.script("silent", ramdisk={"answers": False}, console=f"Booting\n{HOSTILE}\nKernel panic\n")
    url = f"{site.image_url}/disk.img?token={MARK}-image"
    image = {"url": url, "checksum": f"{site.image_url}/SHA256SUMS?token={MARK}-sums"}
    return read(site.deploy(nodes=nodes, bm_image=image, bm_deploy_interface="direct"), folder)


def test_a_run_of_many_kinds(site: Site, reports: Path) -> None:
    mixed = play_mixed(site, reports)
    for check in (has_phases_and_figures, tells_each_failure, keeps_what_is_hostile_text, has_no_secret):
        check(mixed)


def has_phases_and_figures(mixed: Report) -> None:
    said = mixed.row("good")
    phases = ("validate", "prepare", "boot", "wait for ramdisk", "write image", "mine", "config drive, boot entry")
    for phase in (*phases, "tear down", "boot instance", "deploy: available → active"):
        assert phase in said
    counts = {entry.get("name"): entry.get("value") for entry in mixed.cases["good"].iter("property")}
    assert (counts["provision_state"], counts["power_ons"]) == ("active", "2")
    row = re.search(rf"^good +active .* {counts['bmc_requests']} +2$", mixed.run.output, re.MULTILINE)
    assert row, "the table at the end has the same figures"


def tells_each_failure(mixed: Report) -> None:
    said = mixed.row("silent")
    assert "The ramdisk of node silent did not answer within 1 s" in said
    assert "Its console said" in said
    assert mixed.tree.findall(".//tbody//figure/pre")[0].text.endswith("Kernel panic")
    assert "What to do: Look at the machine's console" in said
    assert "CallBackTimeoutError in the task \u201cGo on with the work\u201d" in said
    failed = {name for name, case in mixed.cases.items() if case.find("failure") is not None}
    assert failed == {"quiet", "loud", "faulty", "silent", *NAMES}
    failure = mixed.cases["silent"].find("failure")
    assert failure is not None
    assert failure.get("type") == "CallBackTimeoutError"
    assert "Kernel panic" in str(failure.text)
    assert f"{len(failed)} of {len(mixed.cases)} nodes have failed" in mixed.text


def keeps_what_is_hostile_text(mixed: Report) -> None:
    assert len(mixed.tree.findall(".//script")) == 1
    assert not [element for element in mixed.tree.iter() for name in element.attrib if name.startswith("on")]
    assert not [link for link in mixed.tree.iter() if {"src", "action", "data"} & set(link.attrib)]
    assert all(link.get("href", "").startswith("#") for link in mixed.tree.iter() if link.get("href"))
    assert SCRIPT in mixed.row("faulty")
    assert "{{ 7*7 }}" in mixed.row("faulty")
    for name in NAMES:
        assert name in mixed.row(name)
        assert name in mixed.cases


def has_no_secret(mixed: Report) -> None:
    assert MARK in mixed.run.output, "Ansible itself shows what the tasks are told"
    for path in (mixed.page, mixed.page.with_suffix(".xml")):
        assert MARK not in path.read_text()
    assert "Keep it to yourself: the output has been hidden" in mixed.row("quiet")
    assert "http://192.0.2.1/image is away" in mixed.row("loud")


def test_a_work_is_compared_with_earlier_ones(site: Site, reports: Path) -> None:
    first = read(site.deploy(), reports)
    assert "The store knows no earlier one that was done." in first.row("node01")
    assert site.play("undeploy.yml", "-l", "node01").code == 0
    again = read(site.deploy(), reports)
    assert "the median of the last 1 is" in again.row("node01")
    nothing = read(site.deploy(), reports)
    assert "nothing to do" in nothing.row("node01")
    assert "node01 is active" in nothing.text
    checked = read(site.play("undeploy.yml", "-l", "node01", "--check"), reports)
    assert "check mode, nothing was touched" in checked.text


AWAY = {
    "a file is in the way": ("sh", "-c", 'echo > "$BAREMETAL_REPORT_PATH"; exec "$@"', "sh"),
    "the disk is full": (
        *("unshare", "--mount", "sh", "-c"),
        'mkdir "$BAREMETAL_REPORT_PATH"; mount -t tmpfs -o size=8k none "$BAREMETAL_REPORT_PATH"; exec "$@"',
        "sh",
    ),
}


@pytest.mark.parametrize("prefix", AWAY.values(), ids=list(AWAY))
def test_a_folder_that_cannot_be_written_costs_the_report_alone(
    site: Site, reports: Path, prefix: tuple[str, ...]
) -> None:
    run = site.deploy(prefix=prefix)
    assert run.code == 0, run.output
    assert run.output.count("[WARNING]: The report of this run is missing") == 1
    assert re.search(r"can't be written: (Not a directory|File exists|No space left on device)", run.text), run.output
    assert "Report: " not in run.output


def test_a_store_that_is_away_costs_the_history_alone(site: Site, reports: Path) -> None:
    play = [
        {
            "hosts": "baremetal",
            "gather_facts": False,
            "roles": ["baremetal.lifecycle.provision_node"],
            "post_tasks": [
                {"ansible.builtin.file": {"path": f"{site.folder}/state/{name}", "state": "absent"}, "run_once": True}
                for name in ("store.db", "store.db-wal", "store.db-shm")
            ]
            + [{"ansible.builtin.copy": {"content": "none", "dest": f"{site.folder}/state/store.db"}}],
        }
    ]
    (site.folder / "mine.yml").write_text(yaml.safe_dump(play))
    run = site.play(os.path.relpath(site.folder / "mine.yml", ROOT / "playbooks"), provision_node_verb="deploy")
    assert run.code == 0, run.output
    assert run.output.count("The report lacks the history of a node: The store") == 1, run.output
    report = read(run, reports)
    assert "The history of a node is missing: The store" in report.text
    assert re.search(r"node01 done: active .* validate \d+\.\d .* prepare \d", report.row("node01"))


@pytest.mark.parametrize("what", ["play", "start", "add", "report_of", "html_of"])
def test_a_defect_in_it_breaks_neither_play_nor_others(
    site: Site, reports: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    callbacks = site.folder / "callbacks"
    callbacks.mkdir()
    (callbacks / "breaker.py").write_text(BREAKER)
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(callbacks))
    monkeypatch.setenv("BREAKS", what)
    run = site.deploy()
    assert run.code == 0, run.output
    assert run.output.count("The report of this run is missing, or a part of it") == 1, run.output
    assert "KeyError: 'it is broken'" in run.text
    assert re.search(r"^node01 +active", run.output, re.MULTILINE), "the table of another callback is there"
