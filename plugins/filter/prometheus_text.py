"""Turns what the store knows of nodes into metrics, in Prometheus' text format."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import typing as t

DOCUMENTATION = r"""
name: prometheus_text
short_description: Metrics of nodes, in Prometheus' text format
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Makes metrics of the records that P(baremetal.lifecycle.nodes#lookup) returns; C(docs/metrics.md) lists them.
positional: _input
options:
  _input:
    description: Records, one a node.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Write metrics for node_exporter
  ansible.builtin.copy:
    content: "{{ query('baremetal.lifecycle.nodes') | baremetal.lifecycle.prometheus_text }}"
    dest: /var/lib/prometheus/node-exporter/baremetal.prom
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The text, version 0.0.4 of the format.
  type: str
"""

Record = t.Mapping[str, t.Any]
Sample = tuple[dict[str, t.Any], t.Any]


def _flag(key: str) -> t.Callable[[Record], t.Iterator[Sample]]:
    return lambda record: iter([({}, int(bool(record[key])))])


def _state(record: Record) -> t.Iterator[Sample]:
    yield {"state": record["provision_state"], "class": record["resource_class"] or ""}, 1


def _power(record: Record) -> t.Iterator[Sample]:
    if record["power_state"] in ("power on", "power off"):
        yield {}, int(record["power_state"] == "power on")


def _updated(record: Record) -> t.Iterator[Sample]:
    yield {}, record["provision_updated_at"]


def _held(record: Record) -> t.Iterator[Sample]:
    if record["reserved_by"]:
        yield {"by": record["reserved_by"]}, 1


def _work(key: str) -> t.Callable[[Record], t.Iterator[Sample]]:
    def samples(record: Record) -> t.Iterator[Sample]:
        if record["work"]["verb"] and record["work"][key] is not None:
            yield {"verb": record["work"]["verb"]}, record["work"][key]

    return samples


def _phases(record: Record) -> t.Iterator[Sample]:
    for step, seconds in record["work"]["phases"].items():
        yield {"verb": record["work"]["verb"] or "", "step": step}, seconds


METRICS: dict[str, tuple[str, t.Callable[[Record], t.Iterator[Sample]]]] = {
    "baremetal_node_state": ("1 for the provision state that the node is in", _state),
    "baremetal_node_power_on": ("Whether the machine was on when a run last saw it", _power),
    "baremetal_node_failed": ("Whether the node has a last error", _flag("last_error")),
    "baremetal_node_maintenance": ("Whether the node is set aside", _flag("maintenance")),
    "baremetal_node_protected": ("Whether the node's instance is protected", _flag("protected")),
    "baremetal_node_retired": ("Whether the node is not deployed any more", _flag("retired")),
    "baremetal_node_held": ("1 where a run holds the node, by the controller's name", _held),
    "baremetal_node_state_changed_timestamp_seconds": ("When the state changed last", _updated),
    "baremetal_node_work_seconds": ("How long the last work took", _work("seconds")),
    "baremetal_node_work_step_seconds": ("How long the steps of the last work took", _phases),
    "baremetal_node_work_bmc_requests": ("Requests that the last work sent to the BMC", _work("bmc_requests")),
    "baremetal_node_work_power_ons": ("How often the last work switched the machine on", _work("power_ons")),
}
"""Gauges a node: name, help, and the samples that a record gives."""


def prometheus_text(records: t.Sequence[Record]) -> str:
    """Return the metrics of all nodes; and, of all of them, how many are in which state."""
    states = collections.Counter(record["provision_state"] for record in records)
    lines = _head("baremetal_nodes", "How many nodes are in a provision state")
    lines += [_line("baremetal_nodes", {"state": state}, number) for state, number in sorted(states.items())]
    for name, (text, samples) in METRICS.items():
        found = [
            _line(name, {"node": record["name"], **labels}, value)
            for record in records
            for labels, value in samples(record)
        ]
        lines += [*_head(name, text), *found] if found else []
    return "".join(f"{line}\n" for line in lines)


def _head(name: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}.", f"# TYPE {name} gauge"]


def _line(name: str, labels: t.Mapping[str, t.Any], value: t.Any) -> str:
    told = ",".join(f'{key}="{_escaped(str(text))}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"prometheus_text": prometheus_text}
