"""The only place where errors become results: opens store and driver, runs one operation, closes both."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from . import _contract as contract
from . import _owner as owners
from ._drivers.registry import connect
from ._errors import BareMetalError, InvalidRequestError, NodeLockedError
from ._node import Node, Params
from ._request import Request, Result, be_silent, state_of
from ._store import Store

Operation = t.Callable[[Request], Result]


def execute(
    operation: Operation,
    params: Params,
    *,
    owner: str,
    check_mode: bool = False,
    report: t.Callable[[str], None] = be_silent,
) -> Result:
    """Run an operation and return the module's result; ``failed`` and ``error`` are set where it failed."""
    name = params.get("name") or ""
    store: Store | None = None
    result: Result = {
        "changed": False,
        "node": name,
        "bmc_requests": 0,
        "power_ons": 0,
        "transitions": [],
        "phases": {},
    }
    try:
        node = Node.from_params(params)
        store = Store(store_url(params))
        with contextlib.closing(store), connect(node) as driver:
            try:
                result.update(operation(Request(node, params, store, driver, owner, check_mode, report)))
            except BareMetalError:
                result.update(state_of(store.get(node.name)))
                raise
            finally:
                result.update(bmc_requests=driver.counters.bmc_requests, power_ons=driver.counters.power_ons)
    except BareMetalError as exc:
        exc.node = exc.node or name
        result.update(exc.to_result(), failed=True)
    return result


def renew_reservation(params: Params, owner: str) -> None:
    """Prolong the reservation that ``owner`` holds, outside of an operation.

    :param params: options ``name``, ``store``, ``state_dir`` and ``reservation_timeout`` of a node.
    :raises NodeLockedError: it was lost to another run.
    """
    with contextlib.closing(Store(store_url(params))) as store:
        if not store.reserve(params["name"], owner, "deploy", float(params["reservation_timeout"])):
            raise NodeLockedError("The reservation was lost to another run.", node=params["name"], hint="Run again.")


def explain(args: Params, message: str) -> Result:
    """Return the failed result for options that Ansible has refused: in terms of the host variable, if there is one."""
    name = str(args.get("name") or "")
    try:
        contract.check({f"bm_{key}": value for key, value in args.items()}, node=name, only_known=True)
    except BareMetalError as exc:
        return exc.to_result()
    return InvalidRequestError(message, node=name, hint="See ansible-doc of the module.").to_result()


def store_url(params: Params) -> str:
    """Return the SQLAlchemy URL of the state store; by default a file in the state directory."""
    return params.get("store") or f"sqlite:///{os.path.expanduser(params['state_dir'])}/store.db"


def run_module(operation: Operation, argument_spec: dict[str, t.Any]) -> None:
    """Run an operation as an Ansible module; the run that it belongs to is given, or is the parent process."""
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    owner = module.params["owner"] or str(owners.current_owner(os.getppid()))
    result = execute(operation, module.params, owner=owner, check_mode=module.check_mode)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
