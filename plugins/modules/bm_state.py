#!/usr/bin/python
"""Read the state of a node, change it, or wait for it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bm_state
short_description: Read the state of a node, change it, or wait for it
version_added: 1.0.0
author: baremetal.lifecycle contributors (@baremetal-lifecycle)
description:
  - Reads the node's record; applies an event of the state machine; waits for a state within a limit; sets and clears the flags
    maintenance, protected and retired; removes the record.
  - What is asked for is done in the order flags, event, wait, remove; what is not allowed is refused before any of it.
extends_documentation_fragment:
  - baremetal.lifecycle.node
  - baremetal.lifecycle.node.attributes
options:
  event:
    description:
      - A single act. What is work, such as to deploy or to clean, is begun by M(baremetal.lifecycle.bm_prepare) instead.
      - V(manage) takes a node on which nobody works back to C(manageable).
      - V(fail) of a node that has failed already, or on which nobody works, changes nothing.
      - V(abort) and V(hold) of a node on which another run works are left as a request, which that run follows before its next step.
      - V(unhold) lets a held node go on, when the playbook of its verb is played again.
    type: str
    choices: [abort, fail, hold, manage, unhold]
  last_error:
    description: Why, for O(event=fail).
    type: str
  maintenance:
    description: Set the node aside, or take it back. A node in maintenance gets no work.
    type: bool
  protect:
    description: Set or clear the flag protected, which forbids rebuild, undeploy and delete. Can be set while the node is C(active) or C(rescue).
    type: bool
  retire:
    description: Set or clear the flag retired. The node is not deployed any more; undeployed it becomes C(manageable). Can't be set while it is C(available).
    type: bool
  reason:
    description: Why the flags are set, or the node is released.
    type: str
  remove:
    description:
      - Remove the node's record; its history and its evidence stay.
      - Allowed in C(enroll), C(manageable) and C(adopt failed), and not while it is protected.
    type: bool
    default: false
  release:
    description:
      - Take the node from the run that holds it, with O(reason), for an operator who knows that this run is dead where
        that can't be seen from here. Such a run, if it goes on nevertheless, does nothing more to the machine.
      - The node's state stays what it is, so that the verb's playbook goes on with what was begun.
      - The record's BMC may be another node's from then on, as for a node that got a new name.
    type: bool
    default: false
  wait_for:
    description: Wait until the node is in one of these states.
    type: list
    elements: str
    choices:
      - active
      - adopt failed
      - adopting
      - available
      - clean failed
      - clean hold
      - clean wait
      - cleaning
      - deleting
      - deploy failed
      - deploy hold
      - deploying
      - enroll
      - error
      - inspect failed
      - inspect wait
      - inspecting
      - manageable
      - rescue
      - rescue failed
      - rescue wait
      - rescuing
      - service failed
      - service hold
      - service wait
      - servicing
      - unrescue failed
      - unrescuing
      - verifying
      - wait call-back
  timeout:
    description: Limit for O(wait_for), in seconds.
    type: float
    default: 1800
  read_power:
    description: Ask the BMC for the power state, instead of telling the one that was seen last.
    type: bool
    default: false
  history:
    description: Return the node's history.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Set a node aside
  baremetal.lifecycle.bm_state:
    name: node01
    bmc:
      address: fake:///tmp/node01.json
    maintenance: true
    reason: Fan 3 is being replaced

- name: Wait until somebody has deployed it
  baremetal.lifecycle.bm_state:
    name: node01
    bmc:
      address: fake:///tmp/node01.json
    wait_for: [active]
    timeout: 600
"""

RETURN = r"""
provision_state:
  description: The node's provision state now; null where the store has never seen it.
  returned: always
  type: str
  sample: active
previous_provision_state:
  description: Its state before.
  returned: when the node was held
  type: str
  sample: available
transitions:
  description: Each change of state, in order.
  returned: always
  type: list
  elements: str
  sample: []
power_state:
  description: The power state that was seen last.
  returned: always
  type: str
  sample: power on
last_error:
  description: Why the last work failed.
  returned: always
  type: str
bmc_requests:
  description: Requests that were sent to the BMC.
  returned: always
  type: int
  sample: 12
power_ons:
  description: How often the machine was switched on.
  returned: always
  type: int
  sample: 1
phases:
  description: Seconds that each step took.
  returned: always
  type: dict
  sample: {}
error:
  description: What kind of error; C(type), C(retryable) and C(hint).
  returned: failure
  type: dict
  sample: {"type": "BMCConnectionError", "retryable": true, "hint": "Check bm_bmc.address, the BMC's network and its power."}
requested:
  description: What the run that works on the node was asked; null where nothing was.
  returned: success
  type: str
  sample: abort
known:
  description: Whether the store has seen the node.
  returned: success
  type: bool
record:
  description: The node's record in the store; never a secret in it.
  returned: when known
  type: dict
history:
  description: What happened to the node, oldest first; C(at), C(event), C(from_state), C(to_state), C(seconds), C(owner), C(message).
  returned: with O(history)
  type: list
  elements: dict
power_error:
  description: Why the power state can't be read.
  returned: with O(read_power), where it can't be read
  type: str
"""

from ansible_collections.baremetal.lifecycle.plugins.module_utils._calls.runner import run_module
from ansible_collections.baremetal.lifecycle.plugins.module_utils._operations import state


def main() -> None:
    """Run the operation as a module: where the task is delegated or asynchronous."""
    run_module(state.run, state.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
