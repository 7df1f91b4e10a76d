"""The report as JUnit XML, which CI systems show: a test case a node."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import xml.etree.ElementTree as ET

from ansible_collections.baremetal.lifecycle.plugins.plugin_utils._report.report import (
    NodeReport,
    RunReport,
    moment_of,
    printable,
)


def junit_of(report: RunReport) -> bytes:
    """Return the report as JUnit XML."""
    failures = [node for node in report.nodes if node.failure]
    figures = {
        "name": report.playbook,
        "tests": str(len(report.nodes) + len(report.others)),
        "failures": str(len(failures) + len(report.others)),
        "errors": "0",
        "skipped": "0",
        "time": f"{report.ended - report.began:.3f}",
    }
    root = ET.Element("testsuites", _clean(figures))
    suite = ET.SubElement(
        root, "testsuite", _clean({**figures, "timestamp": moment_of(report.began).replace(" ", "T")})
    )
    for node in report.nodes:
        _add_node(suite, report.playbook, node)
    for name, cause in report.others.items():
        case = ET.SubElement(suite, "testcase", _clean({"classname": report.playbook, "name": name, "time": "0"}))
        ET.SubElement(case, "failure", _clean({"message": cause}))
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _add_node(suite: ET.Element, playbook: str, node: NodeReport) -> None:
    about = {"classname": playbook, "name": node.name, "time": f"{node.seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", _clean(about))
    properties = ET.SubElement(case, "properties")
    for name, value in {
        "provision_state": node.state,
        "outcome": node.outcome,
        "bmc_requests": str(node.requests),
        "power_ons": str(node.power_ons),
    }.items():
        ET.SubElement(properties, "property", _clean({"name": name, "value": value}))
    if node.failure:
        failure = node.failure
        about = {"message": failure.cause, "type": failure.kind}
        lines = [failure.cause, failure.remedy]
        for heading, seen in failure.evidence:
            lines += [f"{heading}:", *(f"  {line}" for line in seen)]
        ET.SubElement(case, "failure", _clean(about)).text = printable("\n".join(filter(None, lines)))


def _clean(attributes: dict[str, str]) -> dict[str, str]:
    return {name: printable(value) for name, value in attributes.items()}
