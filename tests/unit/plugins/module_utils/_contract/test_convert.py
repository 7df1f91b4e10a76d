"""What a survey gives as text is what it stands for, for every variable of the contract; nothing else is touched."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.convert import convert
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.schema import HOST_VARIABLES


def scalars(schema: dict[str, t.Any], path: tuple[str, ...] = ()) -> t.Iterator[tuple[tuple[str, ...], t.Any]]:
    """Yield where a schema wants what is no text, with its type."""
    for name, below in schema.get("properties", {}).items():
        kind = below.get("type") or ("integer" if below.get("enum") == [3, 17] else None)
        if kind in ("boolean", "integer", "number"):
            yield (*path, name), kind
        yield from scalars(below, (*path, name))


SCALARS = list(scalars(HOST_VARIABLES))
ANSWERS = {
    "boolean": {"true": True, "Yes": True, "off": False, " false ": False, "0": False, "perhaps": "perhaps"},
    "integer": {"5": 5, " 17 ": 17, "5.5": "5.5", "many": "many", "1_000": "1_000"},
    "number": {"5": 5.0, "0.5": 0.5, "soon": "soon", "nan": "nan", "inf": "inf", "1_0": "1_0"},
}


def test_the_contract_has_such() -> None:
    assert len(SCALARS) > 15


@pytest.mark.parametrize(("path", "kind"), SCALARS, ids=[".".join(path) for path, dummy in SCALARS])
def test_text_becomes_what_it_stands_for(path: tuple[str, ...], kind: str) -> None:
    for text, expected in ANSWERS[kind].items():
        value: t.Any = text
        for name in reversed(path):
            value = {name: value}
        found = convert(value, HOST_VARIABLES)
        for name in path:
            found = found[name]
        assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("bm_bmc", {"verify": "true"}, {"verify": True}),
        ("bm_bmc", {"verify": "No"}, {"verify": False}),
        ("bm_bmc", {"verify": "/etc/ssl/1"}, {"verify": "/etc/ssl/1"}),
        ("bm_bmc", {"verify": "1"}, {"verify": "1"}),
        ("bm_bmc", {"password": "true", "username": "5"}, {"password": "true", "username": "5"}),
        ("bm_root_device", {"serial": "12", "rotational": "no"}, {"serial": "12", "rotational": "no"}),
        ("bm_deploy_steps", [{"step": "1", "priority": "50"}], [{"step": "1", "priority": 50}]),
        ("bm_bmc", {"unknown": "5"}, {"unknown": "5"}),
        ("bm_traits", '["CUSTOM_A", "CUSTOM_B"]', ["CUSTOM_A", "CUSTOM_B"]),
        ("bm_traits", "CUSTOM_A,CUSTOM_B", "CUSTOM_A,CUSTOM_B"),
        ("bm_deploy_steps", '[{"step": "reboot", "priority": "50"}]', [{"step": "reboot", "priority": 50}]),
        ("bm_erase", ' {"guard": "no"}', {"guard": False}),
        ("bm_erase", '["guard"]', '["guard"]'),
        ("bm_properties", '{"cpus": ', '{"cpus": '),
        ("bm_config_drive", {"user_data": '{"a": 1}'}, {"user_data": '{"a": 1}'}),
        ("bm_traits", ["1", "true"], ["1", "true"]),
        ("bm_traits", None, None),
    ],
)
def test_text_stays_text_where_it_is_meant(name: str, value: t.Any, expected: t.Any) -> None:
    assert convert({name: value}, HOST_VARIABLES) == {name: expected}
