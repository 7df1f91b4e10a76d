"""Jobs of AWX: the shipped templates and credentials, played by ansible-runner in pods that share a store."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest

from tests import awx as controller

MARK = "PLANTED"

OFF = {"power_state": "power off", "boot_device": None, "media": None, "calls": []}

Variables = dict[str, t.Any]


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """What extensions/awx describes, as the roles get it."""
    return controller.configure(tmp_path_factory.mktemp("awx"))


@pytest.fixture
def awx(site: t.Any, configuration: dict[str, t.Any]) -> controller.AWX:
    """Two fake nodes whose machines and disks outlast a pod, and no store."""
    verify = "{{ bmc_verify | default(true) }}"
    variables = {**site.variables, "bm_bmc": {**site.variables["bm_bmc"], "verify": verify}}
    del variables["bm_state_dir"]  # that of a pod's home
    return controller.AWX(site.folder, configuration, variables)


@pytest.fixture
def store(awx: controller.AWX, site: t.Any, postgresql: t.Any) -> str:
    """A PostgreSQL that all pods reach; its password is planted, though this one asks for none."""
    url = str(postgresql.new_database())
    Path(url.partition("host=")[2]).chmod(0o711)
    site.store_url = url
    awx.credentials["store"] = {"url": url.replace("postgres@", f"postgres:{MARK}-store@")}
    return url


def await_that(what: t.Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def hits(folder: Path) -> list[str]:
    """Where a planted secret stands, of all that a job makes, says and sends back; not in what it was given."""
    files = {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".disk"}
    given = {path for path in files if path.parent.name == "env" or path.name == "sent"}
    made = files - given
    assert any(MARK.encode() in path.read_bytes() for path in given)
    assert any(path.name == "stdout" for path in made)
    return [str(path.relative_to(folder)) for path in made if MARK.encode() in path.read_bytes()]


def test_without_a_store_that_lasts_a_job_is_refused_with_cause_and_remedy(awx: controller.AWX) -> None:
    ended = awx.launch("deploy", limit="node01").run()
    assert ended.status == "failed"
    assert "in this container, and end with it" in ended.text
    assert "Set bm_store to a PostgreSQL database" in ended.text


def test_a_job_runs_read_only_and_shows_what_became_of_its_nodes(awx: controller.AWX, site: t.Any, store: str) -> None:
    awx.variables["bm_deploy_interface"] = "noop"
    ended = awx.launch("deploy", limit="node01").run()
    assert ended.status == "successful", ended.text
    assert "NODE STATE TIME REQUESTS POWER-ONS node01 active" in ended.text
    assert site.record("node01").provision_state == "active"


def test_jobs_whose_pods_die_go_on_when_they_are_launched_again(
    awx: controller.AWX, site: t.Any, store: str, images: Path
) -> None:
    """Two at once; one waits for the reservation of the dead run to expire, an operator releases the other's node."""
    awx.credentials["BMC"]["password"] = f"{MARK}-bmc"
    awx.variables["bm_reservation_timeout"] = 10
    nodes = ("node01", "node02")
    for node in nodes:
        site.make_disk(node)
        site.script(node, **OFF, delays={"set_power_state": 2})
    jobs = {node: awx.launch("deploy", limit=node).start() for node in nodes}
    for node, job in jobs.items():
        await_that(lambda node=node: "insert_media" in site.machine(node)["calls"])
        job.kill()
    assert {job.wait().status for job in jobs.values()} == {"error"}
    early = awx.launch("deploy", limit="node02").start().wait()
    assert "is reserved by" in early.text, early.text
    assert awx.launch("release", limit="node02", release_reason="its pod is gone").start().wait().status == "successful"
    again = {"node02": awx.launch("deploy", limit="node02").start()}
    await_that(lambda: bool(site.record("node01").reservation_expired))
    again["node01"] = awx.launch("deploy", limit="node01").start()
    for node, job in again.items():
        ended = job.wait()
        assert ended.status == "successful", ended.text
        assert site.record(node).provision_state == "active"
        assert site.disk(node).read_bytes() == (images / "disk.img").read_bytes()
    assert hits(site.folder) == []


@pytest.mark.parametrize(("password", "status"), [("right", "successful"), (f"{MARK}-wrong", "failed")])
def test_a_credential_opens_a_bmc_and_verifies_it(
    awx: controller.AWX, site: t.Any, store: str, redfish_service: t.Any, password: str, status: str
) -> None:
    """bm_bmc has neither account nor CA: both come from the credential."""
    bmc = redfish_service.bmc(verify=awx.variables["bm_bmc"]["verify"])
    awx.variables["bm_bmc"] = {key: bmc[key] for key in ("address", "system_id", "verify")}
    ca = redfish_service.ca_path.read_text()
    awx.credentials["BMC"] = {"username": "admin", "password": password, "ca": ca}
    ended = awx.launch("enroll", limit="node01").run()
    assert ended.status == status, ended.text
    assert ("refused" in ended.text) is (status == "failed")
    assert hits(site.folder) == []


def test_an_image_can_show_what_changes_instead_of_tasks(awx: controller.AWX, store: str) -> None:
    """ansible-runner's own callback has the output of another one where the image names it: lines, and one table."""
    awx.variables["bm_deploy_interface"] = "noop"
    awx.environment = {"ORIGINAL_STDOUT_CALLBACK": "baremetal.lifecycle.progress"}
    ended = awx.launch("deploy", limit="node01").run()
    assert ended.status == "successful", ended.text
    assert "node01: deploying -> active" in ended.text
    assert "TASK [" not in ended.text
    assert ended.text.count("POWER-ONS") == 1


IMAGE = '{"url": "URL/other.img", "checksum": "URL/SHA256SUMS"}'
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me"
CLEANS = {"bm_automated_clean": True}

ANSWERS: list[tuple[str, str, Variables, Variables, tuple[str, ...]]] = [
    ("deploy", "available", {}, {"asked_image": IMAGE, "deploy_serial": "1"}, ("other.img",)),
    ("deploy", "available", {}, {"deploy_serial": "50%", "deploy_max_fail_percentage": 5}, ("disk.img",)),
    ("deploy_allocated", "available", {}, {"allocation": "5", "asked_traits": ""}, ("5: node01", "disk.img")),
    ("adopt", "manageable", {}, {"asked_image": IMAGE}, ("other.img",)),
    ("rebuild", "active", {}, {"asked_image": "", "asked_preserve_partitions": "data, home"}, ("disk.img",)),
    ("provide", "manageable", CLEANS, {"asked_automated_clean": ""}, ("erase_devices_metadata",)),
    ("provide", "manageable", {}, {"asked_automated_clean": "true"}, ("erase_devices_metadata",)),
    ("undeploy", "active", CLEANS, {"asked_automated_clean": "no"}, ('"steps": []',)),
    ("clean", "manageable", {}, {}, ("erase_devices",)),
    ("clean", "manageable", {}, {"asked_clean_steps": '[{"step": "power_off"}]'}, ("power_off",)),
    ("service", "active", {"bm_service_steps": [{"step": "reboot"}]}, {"asked_service_steps": ""}, ("reboot",)),
    ("service", "active", {}, {"asked_service_steps": '[{"step": "power_off"}]'}, ("power_off",)),
    ("rescue", "active", {}, {"asked_ssh_keys": f"{KEY}\n{KEY}2\n"}, ("deploy.rescue",)),
    ("inspect", "manageable", {}, {"inspect_node_lldp_timeout": 1.5}, ("start_ramdisk",)),
    ("inspect", "manageable", {}, {"inspect_node_in_band": "false"}, ('"steps": [ + "management.inspect_bmc" + ]',)),
    ("maintenance", "active", {}, {"reason": "5"}, ("changed=1",)),
    ("maintenance", "active", {}, {"maintenance": "false"}, ("changed=0",)),
    ("allocate", "available", {"bm_traits": ["CUSTOM_A"]}, {"allocation": "no", "asked_traits": ""}, ("node01",)),
    ("deallocate", "available", {}, {"allocation": "web", "asked_nodes": "node01, node02"}, ("given back",)),
    ("bmc_doctor", "active", {}, {"bmc_doctor_media_url": ""}, ("boot override",)),
    ("release", "active", {}, {"release_reason": "5"}, ("changed=0",)),
]
"""Template, the node's state, variables of its inventory, answers, what the plan or the output says then."""


@pytest.mark.parametrize(("template", "state", "inventory", "answers", "says"), ANSWERS)
def test_answers_of_surveys_mean_what_they_say_and_none_means_the_inventory(
    awx: controller.AWX, site: t.Any, template: str, state: str, inventory: Variables, answers: Variables, says: t.Any
) -> None:
    site.put("node01", state)
    site.script("node01", **OFF)
    awx.variables |= {"bm_state_dir": str(site.folder / "state"), **inventory}
    given = {
        name: text.replace("URL", site.image_url) if isinstance(text, str) else text for name, text in answers.items()
    }
    ended = awx.launch(template, limit="node01", check=True, **given).run()
    assert ended.status == "successful", ended.text
    assert [text for text in says if text not in ended.text] == [], ended.text


def test_each_survey_is_answered_by_a_test(configuration: dict[str, t.Any]) -> None:
    templates = controller.by_name(configuration["controller_templates"])
    asking = {name for name, template in templates.items() if "survey_spec" in template}
    assert asking - {template for template, *dummy in ANSWERS} == {"protect", "retire"}  # as maintenance


OWN_QUESTIONS = {
    **dict.fromkeys(("bm_secure_boot", "bm_take_running", "bm_protected"), "no"),
    "bm_rebuild": "true",
    "bm_reservation_timeout": "1000.5",
    "bm_boot_mode": "uefi",
    "bm_resource_class": "5",
    "bm_traits": '["CUSTOM_A", "CUSTOM_B"]',
    "bm_capabilities": '{"rack": "r1"}',
    "bm_properties": '{"memory_mb": "5"}',
    "bm_erase": '{"guard": "no"}',
    "bm_root_device": '{"size": ">= 1"}',
    "bm_config_drive": '{"meta_data": {"hostname": "web"}}',
    "bm_deploy_interface": "noop",
    "bm_deploy_steps": '[{"step": "reboot", "interface": "power", "priority": "10"}]',
    "bm_ramdisk": '{"timeout": "5"}',
    "provision_node_write_throttle": "5",
    "deploy_serial": "1",
}
"""Variables that a site may ask for itself, and text that each takes."""


@pytest.mark.parametrize("answered", [True, False])
def test_text_of_a_survey_of_ones_own_is_what_it_says_and_none_is_as_not_set(
    awx: controller.AWX, site: t.Any, answered: bool
) -> None:
    site.put("node01", "available")
    site.script("node01", **OFF)
    awx.variables |= {"bm_state_dir": str(site.folder / "state")}
    others = OWN_QUESTIONS if answered else dict.fromkeys(OWN_QUESTIONS, "")
    ended = awx.launch("deploy", limit="node01", check=True, others=others).run()
    assert ended.status == "successful", ended.text
    assert ('"deploy_interface": "noop"' in ended.text) is answered
