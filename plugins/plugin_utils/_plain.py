"""What comes from outside, as values of host variables: what is in it is never a template."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ._versions import never_template, trust_as_template

TEMPLATE_MARKS = ("{{", "{%", "{#", "#jinja2:")
"""Without one of these a string is no template."""


def shown_plainly(value: t.Any, templates: t.Collection[str] = ()) -> t.Any:
    """Mark strings without a template as templates, which mean themselves: else ansible-inventory calls them unsafe.

    Others are none, whatever the version of Ansible, but for those in ``templates``.
    """
    if isinstance(value, dict):
        return {key: shown_plainly(item, templates) for key, item in value.items()}
    if isinstance(value, list):
        return [shown_plainly(item, templates) for item in value]
    if isinstance(value, str) and value not in templates:
        return (never_template if any(mark in value for mark in TEMPLATE_MARKS) else trust_as_template)(value)
    return value
