"""What differs between the versions of ansible-core that are supported. The only file that knows."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

try:
    from ansible.template import is_trusted_as_template, trust_as_template
except ImportError:  # before 2.19, where what is not marked as unsafe is a template
    from ansible.utils.unsafe_proxy import AnsibleUnsafe, wrap_var

    def is_trusted_as_template(value: object) -> bool:
        """Say whether expressions in a string are evaluated."""
        return not isinstance(value, AnsibleUnsafe)

    def trust_as_template(value: str) -> str:  # type: ignore[misc]
        """Return a string whose expressions are evaluated."""
        return value

    def never_template(value: str) -> str:
        """Return a string whose expressions are not evaluated."""
        return t.cast("str", wrap_var(value))
else:

    def never_template(value: str) -> str:
        """Return a string whose expressions are not evaluated."""
        return value


__all__ = ("Outcome", "is_trusted_as_template", "never_template", "outcome_of", "read_text", "trust_as_template")


class Outcome(t.NamedTuple):
    """What a callback is told of a task."""

    host: t.Any
    task: t.Any
    result: t.Any
    task_name: str


def outcome_of(told: t.Any) -> Outcome:
    """Return what a callback is told of a task: attributes that are public since 2.19."""
    before = "" if hasattr(told, "host") else "_"
    host, task, result = (getattr(told, f"{before}{name}") for name in ("host", "task", "result"))
    return Outcome(host, task, result, str(told.task_name))


def read_text(loader: t.Any, path: str) -> str:
    """Return a file's text, decrypted where it is a vault; what is not UTF-8 as surrogates. Ansible's since 2.18."""
    if hasattr(loader, "get_text_file_contents"):
        return str(loader.get_text_file_contents(path))
    content: bytes = loader._get_file_contents(path)[0]
    return content.decode(errors="surrogateescape")
