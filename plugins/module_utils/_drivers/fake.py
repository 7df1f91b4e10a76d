"""The fake driver: a machine that is a JSON file, with faults and delays on request.

It is a product like the others: for a first try on a laptop, for molecule, for tests. The file is the
machine, so separate runs see the same one. ``bm_bmc.address: fake:///path/to/node1.json`` names it; a file
that is not there is a machine that is switched off. The file may be edited between runs::

    {
      "power_state": "power off",
      "boot_device": null,
      "media": null,
      "password": "secret",
      "delays": {"set_power_state": 0.5},
      "faults": [{"operation": "insert_media", "error": "BMCResponseError", "message": "busy", "times": 2}],
      "ramdisk": {"answers": true, "after_probes": 0, "after_seconds": 0},
      "calls": ["set_power_state power on"]
    }

``delays``: seconds that an operation takes. ``faults``: the operation raises the error; ``times`` counts
down, without it the fault stays. ``ramdisk``: whether the deploy ramdisk answers once the machine was
started from anything but its disk. ``calls``: what was changed, in order; a test reads it. ``password``:
another one is refused. ``inventory``: what the BMC knows of the hardware, as ``inventory.py`` has it; what is left out
it does not tell. ``forgets_boot_device``, ``ignores_soft``: true for a BMC that forgets the boot device, and for an
operating system that does not power itself off. ``refuses_persistent``: true for a BMC that takes a boot device for
one start only, ``refuses_disk``: for one that knows no disk. ``loses_power_requests``: how many requests to switch the
machine on or off the BMC takes and does not follow, as some do while it is on its way to the other state. ``console``:
what the machine has said on its console.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import json
import time
import typing as t
from pathlib import Path

from .. import _errors as errors
from .._contract.node import Node
from . import base, interfaces
from .examination import Examination
from .inventory import Inventory, complete

Machine = dict[str, t.Any]

NEW_MACHINE: Machine = {"power_state": base.POWER_OFF, "boot_device": None, "media": None, "calls": []}


class _File:
    """The machine's file, read and written under a lock."""

    def __init__(self, path: str, name: str, password: str | None, counters: base.Counters) -> None:
        self.path = Path(path).expanduser()
        self.name = name
        self._password = password
        self._counters = counters

    @contextlib.contextmanager
    def operation(self, name: str, change: str | None = None, *, asks_bmc: bool = True) -> t.Iterator[Machine]:
        """Open the machine for one operation: count it, delay it, fail it if that is scripted, save it.

        :param change: what to note in ``calls``, for an operation that changes something.
        :param asks_bmc: whether it needs the password; the ramdisk does not.
        :raises BMCResponseError: the file says what can't be understood.
        :raises BMCConnectionError: it can't be read or written.
        """
        try:
            with self._operation(name, change, asks_bmc) as machine:
                yield machine
        except OSError as exc:
            raise errors.BMCConnectionError(
                f"The fake machine {self.path} can't be read and written: {exc}.",
                node=self.name,
                hint="Check bm_bmc.address.",
                retryable=False,
            ) from exc
        except (LookupError, ValueError, TypeError, AttributeError) as exc:
            raise errors.BMCResponseError(
                f"The fake machine {self.path} can't be understood: {type(exc).__name__}: {exc}.",
                node=self.name,
                hint="Correct or remove the file.",
            ) from exc

    @contextlib.contextmanager
    def _operation(self, name: str, change: str | None, asks_bmc: bool) -> t.Iterator[Machine]:
        self._counters.bmc_requests += 1
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            machine = {**NEW_MACHINE, "calls": [], **self._read()}
            time.sleep(machine.get("delays", {}).get(name, 0))
            try:
                if asks_bmc:
                    self._check_password(machine)
                self._raise_fault(machine, name)
                yield machine
                if change:
                    machine["calls"].append(change)
            finally:
                self._write(machine)

    def _read(self) -> Machine:
        if not self.path.exists():
            return {}
        return t.cast("Machine", json.loads(self.path.read_text(encoding="utf-8")))

    def _write(self, machine: Machine) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(machine, indent=2), encoding="utf-8")
        temporary.replace(self.path)

    def _check_password(self, machine: Machine) -> None:
        password = machine.get("password")
        if password is not None and password != self._password:
            raise errors.BMCAuthenticationError(
                "The fake BMC refused the credentials.", node=self.name, hint="Correct bm_bmc.password."
            )

    def _raise_fault(self, machine: Machine, name: str) -> None:
        for fault in machine.get("faults", []):
            if fault["operation"] == name and fault.get("times", 1) > 0:
                if "times" in fault:
                    fault["times"] -= 1
                error = getattr(errors, fault["error"])
                raise error(fault.get("message", f"A fault of '{name}' was scripted."), node=self.name)


class FakePower(base.PowerInterface):
    """Power of a file."""

    def __init__(self, driver: base.Driver, file: _File) -> None:
        super().__init__(driver)
        self._file = file

    def get_power_state(self) -> str:
        with self._file.operation("get_power_state") as machine:
            return str(machine["power_state"])

    def request_power_state(self, state: str, *, soft: bool) -> None:
        with self._file.operation("set_power_state", f"set_power_state {state}{' soft' if soft else ''}") as machine:
            if soft and machine.get("ignores_soft"):
                return
            if machine.get("loses_power_requests", 0) > 0:
                machine["loses_power_requests"] -= 1
                return
            machine["power_state"] = state
            if state == base.POWER_ON:
                override = machine["boot_device"] or {}
                machine["booted_from"] = override.get("device") or base.DISK
                machine["boot_device"] = override if override.get("persistent") else None
                machine["probes"] = 0
                machine["started_at"] = time.time()


class FakeManagement(base.ManagementInterface):
    """Boot device of a file."""

    def __init__(self, driver: base.Driver, file: _File) -> None:
        super().__init__(driver)
        self._file = file

    def get_boot_device(self) -> base.BootDevice:
        with self._file.operation("get_boot_device") as machine:
            return base.BootDevice(**(machine["boot_device"] or {"device": None, "persistent": False}))

    def set_boot_device(self, device: str, *, mode: str, persistent: bool = False) -> None:
        wanted = {"device": device, "persistent": persistent, "mode": mode}
        with self._file.operation(
            "set_boot_device", f"set_boot_device {device}{' persistent' if persistent else ''}"
        ) as machine:
            if machine.get("refuses_disk") and device == base.DISK:
                raise self._unsupported("boot from the disk on request", "Leave it to the firmware.")
            if machine.get("refuses_persistent") and persistent:
                raise errors.BMCResponseError("This BMC keeps no boot device.", node=self._node.name)
            machine["boot_device"] = None if machine.get("forgets_boot_device") else wanted
        seen = self.get_boot_device()
        if seen != base.BootDevice(device, persistent, mode):
            raise self._forgotten(base.BootDevice(device, persistent, mode), seen)

    def clear_boot_device(self) -> None:
        if self.get_boot_device().device is None:
            return
        with self._file.operation("clear_boot_device", "clear_boot_device") as machine:
            machine["boot_device"] = None

    def check_http_boot(self) -> None:
        """It can."""

    def set_http_boot(self, url: str) -> None:
        with self._file.operation("set_http_boot", "set_http_boot") as machine:
            machine["boot_device"] = {"device": base.HTTP, "persistent": False, "mode": "uefi"}

    def get_secure_boot(self) -> bool | None:
        with self._file.operation("get_secure_boot") as machine:
            return bool(machine.get("secure_boot", False))

    def set_secure_boot(self, enabled: bool) -> None:
        if self.get_secure_boot() == enabled:
            return
        with self._file.operation("set_secure_boot", f"set_secure_boot {'on' if enabled else 'off'}") as machine:
            machine["secure_boot"] = enabled


class FakeVirtualMedia(interfaces.VirtualMediaInterface):
    """Media of a file."""

    def __init__(self, file: _File) -> None:
        self._file = file

    def get_media(self) -> str | None:
        with self._file.operation("get_media") as machine:
            return t.cast("str | None", machine["media"])

    def insert_media(self, url: str) -> None:
        with self._file.operation("insert_media", "insert_media") as machine:
            machine["media"] = url

    def eject_media(self) -> bool:
        if self.get_media() is None:
            return False
        with self._file.operation("eject_media", "eject_media") as machine:
            machine["media"] = None
        return True


class FakeInspect(interfaces.InspectInterface):
    """Hardware of a file: what is there under ``inventory``."""

    def __init__(self, file: _File) -> None:
        self._file = file

    def get_inventory(self) -> Inventory:
        with self._file.operation("get_inventory") as machine:
            return complete(machine.get("inventory", {}))


class FakeConsoleLog(interfaces.ConsoleLogInterface):
    """Console of a file: what is there under ``console``."""

    def __init__(self, file: _File) -> None:
        self._file = file

    def read_console(self) -> str:
        with self._file.operation("read_console") as machine:
            return str(machine.get("console", ""))


class FakeAgent:
    """The deploy ramdisk of a file: answers where the machine was started from something else than its disk."""

    def __init__(self, file: _File) -> None:
        self._file = file

    @classmethod
    def at(cls, address: dict[str, t.Any]) -> FakeAgent:
        """Return the agent that ``to_address`` has described."""
        return cls(_File(address["path"], address["node"], None, base.Counters()))

    def to_address(self) -> dict[str, t.Any]:
        """Return where it is, as the store keeps it."""
        return {"kind": "fake", "path": str(self._file.path), "node": self._file.name}

    def probe(self) -> tuple[bool, str]:
        """Return whether the ramdisk answers, and what was seen."""
        with self._file.operation("probe", asks_bmc=False) as machine:
            ramdisk = {"answers": True, "after_probes": 0, "after_seconds": 0, **machine.get("ramdisk", {})}
            machine["probes"] = machine.get("probes", 0) + 1
            if machine["power_state"] != base.POWER_ON or machine.get("booted_from") in (None, base.DISK):
                return False, f"the machine is {machine['power_state']}, started from {machine.get('booted_from')}"
            is_early = time.time() - machine.get("started_at", 0) < ramdisk["after_seconds"]
            if is_early or not ramdisk["answers"] or machine["probes"] <= ramdisk["after_probes"]:
                return False, "no answer from the fake ramdisk"
            return True, "the fake ramdisk answers"


class FakeDriver(base.Driver):
    """One machine that is a file."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        file = _File(node.bmc.address.removeprefix("fake://"), node.name, node.bmc.password, self.counters)
        self.power = FakePower(self, file)
        self.management = FakeManagement(self, file)
        self.virtual_media = FakeVirtualMedia(file)
        self.inspect = FakeInspect(file)
        self.console_log = FakeConsoleLog(file)
        self.examine = Examination(self)
        self.agent = FakeAgent(file)

    def close(self) -> None:
        """Nothing is open."""
