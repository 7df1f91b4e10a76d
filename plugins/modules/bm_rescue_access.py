#!/usr/bin/python
# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets an operator log in to the rescue ramdisk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bm_rescue_access
short_description: Let an operator log in to the rescue ramdisk
version_added: 1.0.0
description:
  - Lets SSH keys and a password of root in, beside what is let in already. It is for the life of the ramdisk.
  - Passwords are taken by the SSH server only where O(password) is given.
  - Anywhere but in the deploy ramdisk it refuses to do anything.
author:
  - baremetal.lifecycle contributors (@baremetal-lifecycle)
extends_documentation_fragment:
  - baremetal.lifecycle.inband
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  ssh_keys:
    description:
      - Public keys that may log in as root, in the format of C(authorized_keys).
    type: list
    elements: str
    default: []
  password:
    description:
      - Password of root; without one none is set, and the SSH server goes on to take none.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Let the operator in
  baremetal.lifecycle.bm_rescue_access:
    ssh_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI operator
    password: "{{ rescue_password }}"
"""

RETURN = r"""
changes:
  description: What was not so before, among V(ssh_keys), V(password) and V(ssh_server).
  returned: success
  type: list
  elements: str
  sample: [ssh_keys]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.module import run
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.agent.rescue_access import (
    ensure_rescue_access,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "ssh_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "password": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    run(module, lambda: ensure_rescue_access(**module.params, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
