"""The front of every in-band module: turns a result or a known error into Ansible's answer."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ..._errors import BareMetalError, last_net
from ..._url import shown


class ModuleLike(t.Protocol):
    """What is used of AnsibleModule, so that this package does not import Ansible."""

    params: dict[str, t.Any]

    def exit_json(self, **kwargs: t.Any) -> t.NoReturn:
        """Print the result and end the process."""

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        """Print the failure and end the process."""


def run(module: ModuleLike, function: t.Callable[[], dict[str, t.Any]]) -> t.NoReturn:
    """Call ``function`` and hand its result to Ansible; errors that a user can act on fail the module.

    A result with ``failed`` fails it too: for a failure that has results of its own to show. It needs ``msg``.
    """
    # What Ansible tells of the call at -vvv, and keeps of a job: a URL may have a password or a signature in it.
    params = {key: shown(value) if key == "url" and value else value for key, value in module.params.items()}
    invocation = {"module_args": params}
    try:
        with last_net("The module"):
            result = function()
    except BareMetalError as exc:
        module.fail_json(invocation=invocation, **exc.to_result())
    if result.pop("failed", False):
        module.fail_json(invocation=invocation, **result)
    module.exit_json(invocation=invocation, **result)
