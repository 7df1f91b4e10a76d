"""What an action can know of its play: its strategy, and whether the nodes were named that the task is about."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible import context
from ansible.inventory.manager import split_host_pattern
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import InvalidRequestError

Options = t.Mapping[str, t.Any]
Template = t.Callable[[t.Any], t.Any]

NAMED = "provision_node_named"
"""The variable with which a play says that its nodes were chosen on purpose."""

WANT_NAMES: t.Mapping[str, t.Collection[t.Any]] = {
    "verb": ("adopt", "clean", "provide", "rebuild", "rescue", "service", "undeploy"),
    "event": ("abort", "hold", "manage", "unhold"),
    "maintenance": (True, False),
    "protect": (True, False),
    "retire": (True, False),
    "remove": (True,),
    "release": (True,),
}
"""What is never done to a whole inventory because -l was forgotten, by option: it loses data, an instance or work."""


def strategy_of(task: t.Any) -> str:
    """Return the strategy of a task's play, by its name."""
    return str(play_of(task).strategy)


def check_named(task: t.Any, options: Options, variables: Options, template: Template) -> None:
    """Refuse what wants its nodes named, where nobody has named this one. It looks at nothing that can be jumped over.

    A node is named by C(-l), by its own name in the play's C(hosts) or in the task's O(name), or by ``NAMED``.

    :raises InvalidRequestError: it was not.
    """
    wanted = {option: options[option] for option, values in WANT_NAMES.items() if options.get(option) in values}
    host, name = variables.get("inventory_hostname"), options.get("name")
    if not wanted or context.CLIARGS.get("subset") or name != host:
        return
    hosts = template(play_of(task).hosts)
    if name in split_host_pattern(hosts) or boolean(template(variables.get(NAMED, False)), strict=False):
        return
    raise InvalidRequestError(
        f"Nobody has named this node: the play is for {', '.join(split_host_pattern(hosts))}, and"
        f" '{' '.join(f'{value if isinstance(value, str) else option}' for option, value in wanted.items())}'"
        " is not done to whatever is in there.",
        node=str(name),
        hint=f"Say which nodes are meant, with -l {name}. All of them are -l baremetal. A play of your own may name"
        f" them in its hosts, or set {NAMED}: true.",
    )


def play_of(task: t.Any) -> t.Any:
    """Return the play that a task is in."""
    block = task._parent
    while not hasattr(block, "_play"):
        block = block._parent
    return block._play
