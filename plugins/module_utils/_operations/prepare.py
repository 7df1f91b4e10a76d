"""bm_prepare: take a node from whatever state it is in to the state in which the verb's work is done."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._calls.request import Request, Result
from .._contract.argspec import NODE_SPEC, WORK_SPEC
from .._states.verbs import VERBS
from .._work import plans, preparation, work
from .._work import task as tasks

ARGUMENT_SPEC = {**NODE_SPEC, **WORK_SPEC}


def run(request: Request) -> Result:
    """Take the node the whole way from the state it is in to the verb's, or find that nothing is to be done.

    Returns ``needed``; where it is true also ``in_band_steps`` and ``connection``.

    :raises BareMetalError: see each; a node that was being worked on is in its failed state then.
    """
    verb = VERBS[request.params["verb"]]
    if request.check_mode:
        return plans.predict(request, verb)
    # What is wrong with the request itself is said before the store knows of the node.
    plans.wanted_steps(request, verb)
    with work.hold(request, verb.name) as task:
        if task.record.requested:  # an older one was meant for another run
            request.store.request(request.node.name, None, None)
        needed, described = preparation.begin(request, task, verb)
        request.driver.goes_on = needed
        return tasks.task_result(
            task,
            changed=described or needed,
            needed=needed,
            in_band_steps=preparation.in_band_steps(request, task) if needed else [],
            connection=preparation.connection_of(request, task) if needed else None,
        )
