"""Names and folders that ssh, shells, GRUB, iPXE, dnsmasq or nginx read otherwise."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._boot.agent import Connection
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError

REFUSED = [
    *("a'b", 'a"b', "a%h", "a%%b", "a%z", "${HOME}", "${NOPE}", "a\\b", "a b", "a\tb", "a/b", "..", "-oProxyCommand=x"),
    *("a;b", "a|b", "a&b", "a`b`", "$(a)", "a{b}", "a#b", "a,b", "a<b", "a*", "a?", "a!", "a\nb", "a\x7fb", ""),
    *("n" * 300, "ü" * 101),
]
TAKEN = ["node01", "rack7.site-2", "fe80::1", "a_b+c@d=e[1]", "knoten-ü", "n" * 200]

PATHS_REFUSED = ["/a'b", '/a"b', "/a\\b", "/${HOME}/x", "/a\nb"]
PATHS_TAKEN = ["/a b/c", "/100%h/$x", "~/state", "/a;b#c"]


def node(fake_node: t.Any, **changes: t.Any) -> Node:
    return Node.from_params(fake_node.params(NODE_SPEC, **changes))


@pytest.mark.parametrize("name", REFUSED, ids=lambda name: repr(name[:20]))
def test_a_name_that_somebody_reads_otherwise_is_refused(fake_node: t.Any, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="can't be the name of a node: ") as caught:
        node(fake_node, name=name)
    assert len(str(caught.value)) < 300
    assert "letters, digits" in caught.value.hint


@pytest.mark.parametrize("name", TAKEN, ids=lambda name: name[:20])
def test_a_name_that_all_read_alike_is_taken(fake_node: t.Any, name: str) -> None:
    assert node(fake_node, name=name).name == name


@pytest.mark.parametrize("variable", ["bm_state_dir", "bm_ramdisk.ssh_key"])
@pytest.mark.parametrize("path", PATHS_REFUSED, ids=repr)
def test_a_path_that_ssh_can_not_be_given_is_refused(fake_node: t.Any, variable: str, path: str) -> None:
    changes = {"state_dir": path} if variable == "bm_state_dir" else {"ramdisk": {"ssh_key": path}}
    with pytest.raises(InvalidRequestError, match="which ssh reads otherwise") as caught:
        node(fake_node, **changes)
    assert caught.value.message.startswith(variable)
    assert caught.value.node == "node01"


@pytest.mark.parametrize("path", PATHS_TAKEN, ids=repr)
def test_any_other_path_reaches_ssh_as_it_is(fake_node: t.Any, path: str) -> None:
    folder = Path(node(fake_node, state_dir=path).state_dir)
    connection = Connection("127.0.0.1", 22, folder / "key", folder / "known_hosts", pinned=True)
    ssh, *rest = connection.ssh_command("true", control_path=folder / "socket")
    told = subprocess.run([ssh, "-G", *rest], capture_output=True, text=True, check=True).stdout
    seen = dict(line.partition(" ")[::2] for line in told.splitlines())
    # -G tells the identity's name before its tokens are expanded (ssh_config(5), TOKENS), the others' after that.
    seen["identityfile"] = seen["identityfile"].replace("%%", "%")
    names = {"userknownhostsfile": "known_hosts", "identityfile": "key", "controlpath": "socket"}
    assert {key: seen[key] for key in names} == {key: str(folder / name) for key, name in names.items()}
    assert seen["stricthostkeychecking"] == "true"
