"""The only place where errors become results: opens store and driver, runs one operation, closes both."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import gc
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._contract import check as contract
from .._contract.node import Node, Params
from .._drivers.redfish import sessions
from .._drivers.registry import connect
from .._errors import BareMetalError, InvalidRequestError, MissingDependencyError, NodeLockedError, StoreError, last_net
from .._store import owner as owners
from .._store.database import parse_url
from .._store.store import Store
from .._store.warm_up import compile_statements
from . import forks, preload
from .default_store import store_url
from .request import Request, Result, be_silent, state_of
from .store_request import StoreRequest

Operation = t.Callable[[Request], Result]
StoreOperation = t.Callable[[StoreRequest], Result]


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
    result: Result = {
        "changed": False,
        "node": name,
        "bmc_requests": 0,
        "power_ons": 0,
        "transitions": [],
        "phases": {},
    }
    with _told_in(result, operation, node=name):
        node = Node.from_params(params)
        preload.announce(preload.DRIVERS.get(node.driver, ""))
        store = Store(store_url(params))
        with contextlib.closing(store), connect(node) as driver:
            driver.recall = lambda: store.learnt(node.machine)
            try:
                result.update(operation(Request(node, params, store, driver, owner, check_mode, report)))
            except BareMetalError:
                result.update(state_of(store.get(node.name)))
                raise
            finally:
                result.update(bmc_requests=driver.counters.bmc_requests, power_ons=driver.counters.power_ons)
                if driver.learnt and not check_mode:
                    with contextlib.suppress(StoreError):  # it is learnt anew then
                        store.keep_learnt(node.machine, driver.learnt)
    return result


def execute_on_store(
    operation: StoreOperation,
    params: Params,
    *,
    owner: str,
    check_mode: bool = False,
    report: t.Callable[[str], None] = be_silent,
    node_of: t.Callable[[str], Node | None] = lambda name: None,
) -> Result:
    """Run an operation that is about no single node, so without a driver; else as ``execute``."""
    result: Result = {"changed": False}
    with _told_in(result, operation), contextlib.closing(Store(store_url(params))) as store:
        result.update(operation(StoreRequest(params, store, owner, check_mode, result, report, node_of)))
    return result


@contextlib.contextmanager
def _told_in(result: Result, operation: t.Callable[..., Result], *, node: str | None = None) -> t.Iterator[None]:
    """Make an error of the block the end of ``result``; tell the parent what the block had to import."""
    try:
        with last_net(f"Operation '{operation.__module__.rpartition('.')[2]}'", node=node):
            yield
    except BareMetalError as exc:
        exc.node = exc.node or node
        result.update(exc.to_result(), failed=True)
    finally:
        preload.tell()


def warm_up() -> None:
    """Prepare what each call needs, once in the process whose forks run them: they end with it. Opens nothing.

    It does nothing where a library is missing: each call says so itself.
    """
    forks.end_with_play()
    preload.listen(_compile_patterns)
    sessions.share()
    with contextlib.suppress(MissingDependencyError):
        owners.current_owner(os.getpid())
        contract.check({"bm_bmc": {"address": "fake:///"}}, node="node")
        compile_statements()
        _compile_patterns()
    # All of this stays: neither the forks nor the end of the run need look through it for garbage.
    gc.freeze()


def _compile_patterns() -> None:
    """Have Python's ``re`` keep the patterns that each call uses: it keeps 512, and an import may have that many."""
    contract.compile_patterns()
    parse_url("sqlite://")


def renew_reservation(params: Params, owner: str) -> None:
    """Prolong the reservation that ``owner`` holds, outside of an operation; what it is for stays.

    :param params: options ``name``, ``store``, ``state_dir`` and ``reservation_timeout`` of a node.
    :raises NodeLockedError: it was lost to another run.
    """
    name = params["name"]
    with contextlib.closing(Store(store_url(params))) as store:
        if not store.renew([name], owner, float(params["reservation_timeout"])):
            raise NodeLockedError("The reservation was lost to another run.", node=name, hint="Run again.")


def explain(args: Params, message: str) -> Result:
    """Return the failed result for options that Ansible has refused: in terms of the host variable, if there is one."""
    name = str(args.get("name") or "")
    try:
        given, names = {f"bm_{key}": value for key, value in args.items()}, args.get("variables") or ()
        contract.check(given, node=name, only_known=True, names=names)
    except BareMetalError as exc:
        return exc.to_result()
    return InvalidRequestError(message, node=name, hint="See ansible-doc of the module.").to_result()


def explain_option(message: str) -> Result:
    """Return the failed result for options that Ansible has refused, of an operation that is about no single node."""
    return InvalidRequestError(message, hint="See ansible-doc of the module.").to_result()


def run_module(
    operation: t.Callable[[t.Any], Result],
    argument_spec: dict[str, t.Any],
    *,
    execute: t.Callable[..., Result] = execute,
) -> None:
    """Run an operation as an Ansible module; the run that it belongs to is given, or is the parent process.

    :param execute: how: ``execute``, or ``execute_on_store``.
    """
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    owner = module.params["owner"] or str(owners.current_owner(os.getppid()))
    result = execute(operation, module.params, owner=owner, check_mode=module.check_mode)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
