"""The playbook metrics: what Prometheus reads of it, and what becomes of it where the store is away."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import typing as t

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.baremetal.lifecycle.plugins.filter.prometheus_text import METRICS
from tests.site import ROOT

DASHBOARD = ROOT / "extensions" / "grafana" / "baremetal.json"


def metrics(site: t.Any, **more: t.Any) -> t.Any:
    variables = {
        "metrics_path": str(site.folder / "baremetal.prom"),
        "bm_state_dir": str(site.folder / "state"),
        **more,
    }
    return site.play("metrics.yml", "-e", json.dumps(variables))


def samples(site: t.Any) -> dict[tuple[str, str], tuple[dict[str, str], float]]:
    text = (site.folder / "baremetal.prom").read_text()
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, sample.labels.pop("node", "")): (sample.labels, sample.value) for sample in found}


def test_prometheus_reads_what_the_store_knows(site: t.Any) -> None:
    assert site.deploy(bm_deploy_interface="noop").code == 0
    site.put('odd "name"\\', "deploy failed", last_error="no disk", resource_class="compute", maintenance=True)
    first = metrics(site)
    assert first.code == 0, first.output
    found = samples(site)
    assert found["baremetal_node_state", "node01"] == ({"state": "active", "class": ""}, 1)
    assert found["baremetal_node_state", 'odd "name"\\'] == ({"state": "deploy failed", "class": "compute"}, 1)
    assert found["baremetal_node_failed", 'odd "name"\\'][1] == 1
    assert found["baremetal_node_failed", "node01"][1] == 0
    assert found["baremetal_node_maintenance", 'odd "name"\\'][1] == 1
    assert found["baremetal_node_work_bmc_requests", "node01"][0] == {"verb": "deploy"}
    record = site.record()
    assert found["baremetal_node_state_changed_timestamp_seconds", "node01"][1] == record.provision_updated_at
    assert metrics(site).changed == 0, "a second time, nothing has changed"


def test_a_store_that_is_away_leaves_what_was_there(site: t.Any) -> None:
    site.put("node01", "active")
    assert metrics(site).code == 0
    before = (site.folder / "baremetal.prom").read_text()
    away = metrics(site, bm_store=f"sqlite:///{site.folder}/nothing/store.db")
    assert away.code == 2
    assert "There is no store" in away.text
    assert (site.folder / "baremetal.prom").read_text() == before


def strange(given: t.Any, known: t.Any, path: str = "") -> list[str]:
    """Return what Grafana's own model does not have of a dashboard."""
    if isinstance(given, dict) and isinstance(known, dict):
        return [each for key in given for each in strange(given[key], known.get(key), f"{path}/{key}")]
    if isinstance(given, list) and isinstance(known, list):
        return [each for pair in zip(given, known, strict=True) for each in strange(*pair, path)]
    return [] if given == known else [path]


def through_grafana(content: dict[str, t.Any]) -> list[str]:
    return strange(content, json.loads(JSONEncoder().encode(Dashboard.from_json(content))))


@pytest.mark.parametrize(("change", "wrong"), [({}, []), ({"titel": "x"}, ["/titel"])])
def test_grafana_s_model_has_all_of_the_dashboard(change: dict[str, str], wrong: list[str]) -> None:
    assert through_grafana({**json.loads(DASHBOARD.read_text()), **change}) == wrong


def test_the_dashboard_asks_for_what_is_written() -> None:
    asked = set(re.findall(r"baremetal_[a-z_]+", DASHBOARD.read_text()))
    assert len(asked) >= 6
    assert asked <= {*METRICS, "baremetal_nodes"}
    documented = (ROOT / "docs" / "metrics.md").read_text()
    assert not [name for name in {*METRICS, "baremetal_nodes"} if f"`{name}" not in documented]
