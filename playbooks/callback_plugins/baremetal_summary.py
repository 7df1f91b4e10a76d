"""Ansible loads callbacks that lie beside a playbook; this one is the collection's."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.baremetal.lifecycle.plugins.callback.summary import CallbackModule

__all__ = ["CallbackModule"]
