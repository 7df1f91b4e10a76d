"""What an inspection tells is somebody else's word: kept, shown and judged by rules, and never run."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import yaml

NODE = ("-l", "node01")
VENDOR = "inspected.out_of_band.system.vendor"


def write_play(site: t.Any, *tasks: dict[str, t.Any]) -> str:
    """Write a playbook with these tasks for the nodes; return its path."""
    path = site.folder / "play.yml"
    path.write_text(
        yaml.safe_dump([{"name": "Use it", "hosts": "baremetal", "gather_facts": False, "tasks": list(tasks)}])
    )
    return str(path)


def write_rule(site: t.Any, name: str, *tasks: dict[str, t.Any]) -> str:
    """Write a rule; return its path."""
    path = site.folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(list(tasks)))
    return str(path)


def show(site: t.Any, file: str, *, variable: str = VENDOR) -> dict[str, t.Any]:
    """Return a task that writes a variable to a file, as it is."""
    copy = {"content": f"{{{{ {variable} }}}}", "dest": str(site.folder / file), "mode": "0600"}
    return {"name": "Write it down", "ansible.builtin.copy": copy}


def test_a_template_among_the_facts_is_text_to_rules_and_in_host_vars(site: t.Any) -> None:
    ran, host_vars = site.folder / "ran", site.folder / "host_vars"
    lie = f"{{{{ lookup('ansible.builtin.pipe', 'touch {ran}') }}}}"
    site.script(inventory={"system": {"vendor": lie, "product": "!unsafe {% raw %}\nR640: #1"}})
    keep = {"name": "Keep it", "ansible.builtin.set_fact": {"kept": f"{{{{ {VENDOR} }}}}"}}
    rule = write_rule(site, "rule", keep, show(site, "by_rule"), show(site, "by_fact", variable="kept"))
    options = {
        "inspect_node_in_band": False,
        "inspect_node_host_vars_dir": str(host_vars),
        "inspect_node_json_dir": str(site.folder / "facts" / "json"),
        "inspect_node_rules": [rule],
    }
    assert site.play("enroll.yml", *NODE).code == 0
    run = site.play("inspect.yml", *NODE, **options)
    assert run.code == 0, run.output
    assert (site.folder / "facts" / "json" / "node01.json").exists()
    written = (host_vars / "node01" / "inspected.yml").stat()

    run = site.play(write_play(site, show(site, "by_host_vars")), *NODE)
    assert run.code == 0, run.output
    for file in ("by_rule", "by_fact", "by_host_vars"):
        assert (site.folder / file).read_text() == lie
    assert not ran.exists()

    again = site.play("inspect.yml", *NODE, **options)
    assert again.code == 0, again.output
    assert (host_vars / "node01" / "inspected.yml").stat().st_mtime_ns == written.st_mtime_ns, "it is the same"
