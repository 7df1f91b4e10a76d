"""What extensions/awx describes, as AWX takes it; and the execution environment, as ansible-builder does."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from tests import awx
from tests.site import BIN, ROOT

ASKS = ("inventory", "limit", "job_type", "diff_mode", "verbosity", "credential", "variables", "forks", "timeout")
TOLD = ("notification_templates_started", "notification_templates_success", "notification_templates_error")

FIELDS: dict[str, str] = {
    "controller_credential_types": "name! description kind! inputs injectors",
    "controller_credentials": "name! description organization credential_type! inputs",
    "controller_execution_environments": "name! description image! organization credential pull",
    "controller_instance_groups": "name! credential is_container_group policy_instance_percentage"
    " policy_instance_minimum policy_instance_list max_concurrent_jobs max_forks pod_spec_override instances",
    "controller_inventories": "name! description organization! variables kind host_filter instance_groups"
    " prevent_instance_group_fallback",
    "controller_inventory_sources": "name! description inventory! organization source source_project source_path"
    " execution_environment overwrite overwrite_vars update_on_launch update_cache_timeout",
    "controller_notifications": "name! description organization! notification_type! notification_configuration"
    " messages",
    "controller_projects": "name! description organization scm_type scm_url scm_branch credential"
    " default_environment scm_update_on_launch update_project wait",
    "controller_templates": "name! description organization job_type inventory project! playbook! credentials"
    " execution_environment instance_groups forks limit extra_vars allow_simultaneous survey_enabled survey_spec"
    f" {' '.join(f'ask_{name}_on_launch' for name in ASKS)} {' '.join(TOLD)}",
    "controller_workflows": "name! description organization! extra_vars inventory limit allow_simultaneous"
    " ask_inventory_on_launch ask_limit_on_launch ask_variables_on_launch survey_enabled survey_spec"
    f" simplified_workflow_nodes notification_templates_approvals {' '.join(TOLD)}",
}
"""What may be said of each, and what must be (!): argument specs of AWX 24's modules (awx_collection/plugins/modules)
and of the roles infra.aap_configuration 3.0 (roles/controller_*/meta/argument_specs.yml), which pass it on."""

NODE = "identifier! unified_job_template lookup_organization approval_node job_type diff_mode limit success_nodes"
INPUT = "id! label! type! help_text secret multiline choices format default ask_at_runtime"
"""AWX, awx/main/fields.py: CredentialTypeInputField."""

QUESTION = "type! variable! required! question_name! question_description default choices min max"
DEFAULTS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("text", "textarea", "multiplechoice"), (str,)),
    "integer": (int,),
    "float": (float, int),
}
"""AWX, awx/api/views: JobTemplateSurveySpec; types of answers in awx/main/constants.py: SURVEY_TYPE_MAPPING."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    networks = [
        {"name": "rack1", "inventory": "inventories/rack1.yml", "group": {"instances": ["hop1.example.com"]}},
        {"name": "rack2", "inventory": "inventories/rack2.yml"},
    ]
    return awx.configure(tmp_path_factory.mktemp("awx"), baremetal_awx_networks=networks)


def assert_fields(item: dict[str, t.Any], fields: str) -> None:
    """Fail unless an object has what it must have, and nothing that is not known."""
    known = fields.split()
    required = {name[:-1] for name in known if name.endswith("!")}
    assert required <= item.keys(), item
    assert item.keys() <= {name.rstrip("!") for name in known}, item


@pytest.mark.parametrize("kind", FIELDS)
def test_awx_knows_each_field(described: dict[str, t.Any], kind: str) -> None:
    assert described[kind]
    for item in described[kind]:
        assert_fields(item, FIELDS[kind])
    names = [item["name"] for item in described[kind]]
    assert len(set(names)) == len(names)


def test_surveys_are_as_awx_takes_them(described: dict[str, t.Any]) -> None:
    asking = [*described["controller_templates"], *described["controller_workflows"]]
    specs = [item["survey_spec"] for item in asking if item.get("survey_enabled")]
    assert all(spec.keys() == {"name", "description", "spec"} and spec["spec"] for spec in specs)
    for question in (question for spec in specs for question in spec["spec"]):
        assert_fields(question, QUESTION)
        kind, default = question["type"], question["default"]
        assert default == "" or isinstance(default, DEFAULTS[kind]), question
        assert default != "" or kind in ("text", "textarea"), "an empty answer must be one that AWX takes"
        assert kind != "multiplechoice" or default in question["choices"]
        assert not question["variable"].startswith("bm_") or question["required"], "it would hide the inventory's value"


def test_credentials_say_only_what_the_collection_reads(described: dict[str, t.Any]) -> None:
    types = awx.by_name(described["controller_credential_types"])
    for item in types.values():
        assert item["kind"] == "cloud"
        assert item["injectors"].keys() <= {"file", "extra_vars"}, "the environment is shown with a job"
        for field in item["inputs"]["fields"]:
            assert_fields(field, INPUT)
    secret = {field["id"] for item in types.values() for field in item["inputs"]["fields"] if field.get("secret")}
    assert secret == {"password", "url"}


def test_each_object_names_others_that_there_are(described: dict[str, t.Any]) -> None:
    names = {kind: {item["name"] for item in described[kind]} for kind in FIELDS}
    playbooks = {path.name for path in (awx.EXTENSION / "project").glob("*.yml")}
    for template in described["controller_templates"]:
        assert template["playbook"] in playbooks
        assert set(template["credentials"]) <= names["controller_credentials"]
        assert template["project"] in names["controller_projects"]
        assert template["execution_environment"] in names["controller_execution_environments"]
        assert set(template["notification_templates_error"]) <= names["controller_notifications"]
    for inventory in described["controller_inventories"]:
        assert set(inventory["instance_groups"]) <= names["controller_instance_groups"]
    assert len(names["controller_inventories"]) == len(names["controller_instance_groups"]) == 2


def test_nothing_is_erased_before_its_plan_was_approved(described: dict[str, t.Any]) -> None:
    names = {item["name"] for item in described["controller_templates"]}
    workflows = awx.by_name(described["controller_workflows"])
    assert {f"{verb} with approval" for verb in ("clean", "rebuild", "undeploy")} <= workflows.keys()
    for workflow in workflows.values():
        plan, approval, act = workflow["simplified_workflow_nodes"]
        for node in (plan, approval, act):
            assert_fields(node, NODE)
        assert plan["job_type"] == "check"
        assert plan["unified_job_template"] == act["unified_job_template"]
        assert act["unified_job_template"] in names
        assert plan["success_nodes"] == [approval["identifier"]]
        assert approval["success_nodes"] == [act["identifier"]]
        assert isinstance(approval["approval_node"]["timeout"], int)


def test_each_playbook_that_awx_can_play_has_a_template(described: dict[str, t.Any]) -> None:
    """Not those that work on the controller's own files."""
    local = {"boot_media", "boot_server", "build_ramdisk", "metrics"}
    verbs = {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - local
    assert awx.by_name(described["controller_templates"]).keys() == verbs
    for verb in verbs:
        (play,) = yaml.safe_load((awx.EXTENSION / "project" / f"{verb}.yml").read_text())
        assert play["ansible.builtin.import_playbook"] == f"baremetal.lifecycle.{verb}"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it is shipped."""
    folder = tmp_path_factory.mktemp("artifact")
    build = [BIN / "ansible-galaxy", "collection", "build", "--output-path", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("*.tar.gz"))


def test_ansible_builder_takes_the_definition_and_what_the_collection_needs(artifact: Path) -> None:
    folder = artifact.parent
    installed = folder / "installed"
    install = [BIN / "ansible-galaxy", "collection", "install", "--offline", artifact, "-p", installed]
    elsewhere = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed)}  # else it is there already
    subprocess.run(install, check=True, capture_output=True, env=elsewhere)
    shipped = installed / "ansible_collections" / "baremetal" / "lifecycle"
    definition = shipped / "extensions" / "awx" / "execution-environment.yml"
    (folder / definition.name).write_text(definition.read_text())
    create = [BIN / "ansible-builder", "create", "--context", folder / "context"]
    subprocess.run(create, check=True, capture_output=True, cwd=folder)
    assert (folder / "context" / "_build" / "artifacts" / artifact.name).stat().st_size == artifact.stat().st_size
    introspect = [BIN / "ansible-builder", "introspect", "--sanitize", installed]
    told = yaml.safe_load(subprocess.run(introspect, check=True, capture_output=True, text=True).stdout)
    needed = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    python = [line.partition("  #")[0].strip() for line in told["python"]]
    assert set(needed) <= set(python)
    assert [line for line in python if line.startswith("psycopg[binary]")]
    rpm = [line.partition(" ")[0] for line in told["system"] if "platform:rpm" in line]
    assert rpm == ["openssh-clients"]
