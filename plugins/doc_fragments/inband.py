"""Documentation that the modules which run in the deploy ramdisk share."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes and requirements of the in-band modules."""

    DOCUMENTATION = r"""
requirements:
  - Python 3.9 or newer on the node
  - the deploy ramdisk that the role P(baremetal.lifecycle.build_ramdisk#role) builds
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
notes:
  - Runs on the node, in the deploy ramdisk. It needs nothing but Python's standard library and the ramdisk's tools.
  - A real disk is written only where the file C(/etc/baremetal-lifecycle-ramdisk) exists. Elsewhere only regular files
    and loop devices are accepted, which is how the roles are tested with the P(ansible.builtin.local#connection) connection.
"""
