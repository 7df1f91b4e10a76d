"""What can be waited for, and how one looks at it once: without blocking, since thousands are looked at at once."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import abc
import asyncio
import contextlib
import os
import time
import typing as t

from .._boot.agent import CONNECT_TIMEOUT, Connection, what_ssh_said
from .._drivers.fake import FakeAgent
from .._errors import BareMetalError
from .jobs import KINDS, Job

Result = dict[str, t.Any]

BANNER = b"SSH-2.0-OpenSSH"
"""What an SSH server of ours says first (RFC 4253, section 4.2)."""

SETTLE_SECONDS = 3.0
"""From the end of the ramdisk's network to the end of its power, as far as can be guessed; its BMC is asked then."""

COMMAND_TIMEOUT = CONNECT_TIMEOUT * 4.0
"""Seconds for one command on a node, its login included."""

MAX_CONNECTS, MAX_COMMANDS = 200, 16
"""How many connections are tried, and how many commands run, at the same time: for the limit of open files, and for
the processors."""


class Look(t.NamedTuple):
    """What one look has seen. ``result``: of a job that has ended."""

    done: bool
    seen: str
    result: Result | None = None


class Limits:
    """What all looks share: bounds on what goes on at the same time. Make it inside of the event loop."""

    def __init__(self) -> None:
        self._connects = asyncio.Semaphore(MAX_CONNECTS)
        self._commands = asyncio.Semaphore(MAX_COMMANDS)

    async def read_banner(self, address: str, port: int) -> tuple[bool, str]:
        """Connect over TCP; return whether an SSH server answered, and what was seen."""
        async with self._connects:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    reader, writer = await asyncio.open_connection(address, port)
                    with contextlib.closing(writer):
                        banner = await reader.readline()
            except TimeoutError:
                return False, f"{address} port {port} did not answer within {CONNECT_TIMEOUT} s"
            except (OSError, ValueError) as exc:
                return False, f"{address} port {port}: {_why(exc)}"
        return banner.startswith(BANNER), f"{address} port {port} says {banner[:40].decode(errors='replace').strip()!r}"

    async def run(self, command: list[str]) -> tuple[int, str, str]:
        """Run a command; return its exit code, output and errors. One that hangs is ended: code 255."""
        async with self._commands:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                async with asyncio.timeout(COMMAND_TIMEOUT):
                    output, errors = await process.communicate()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                return 255, "", f"no answer within {COMMAND_TIMEOUT:g} s"
            finally:
                if process.returncode is None:
                    process.kill()
        return process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace")


def _why(exc: Exception) -> str:
    """Return the system's words: those of asyncio ("Connect call failed ...") name no cause."""
    number = getattr(exc, "errno", None)
    return os.strerror(number) if number and number > 0 else getattr(exc, "strerror", None) or str(exc)


class Target(abc.ABC):
    """One thing to wait for."""

    interval: t.ClassVar[float] = 2.0
    """Seconds between two looks, where few are waited for."""

    def __init__(self, wait: Result, limits: Limits) -> None:
        self.wait = wait
        self.limits = limits

    @abc.abstractmethod
    async def look(self) -> Look:
        """Look once. Never raises: what goes wrong is what was seen."""

    async def give_up(self, why: str) -> Result | None:
        """End what goes on there, since nobody waits for it any more; return what is known of it.

        :param why: late, or stopped.
        """
        del why
        return None


class Ramdisk(Target):
    """The ramdisk answers, as the one that was booted."""

    async def look(self) -> Look:
        address = self.wait["agent"]
        if address["kind"] == "fake":
            return await _probe_fake(address)
        connection = Connection.at(address)
        listens, seen = await self.limits.read_banner(connection.address, connection.port)
        if not listens:
            return Look(False, seen)
        code, dummy, errors = await self.limits.run(connection.ssh_command("true"))
        return Look(*what_ssh_said(code, errors))


class PowerOff(Target):
    """The ramdisk is down, as far as can be seen without its BMC; that is asked by who goes on."""

    async def look(self) -> Look:
        address = self.wait["agent"]
        if address["kind"] == "fake":
            return Look(True, "a fake ramdisk is down at once")
        listens, seen = await self.limits.read_banner(address["address"], address["port"])
        if listens:
            return Look(False, f"still up: {seen}")
        await asyncio.sleep(SETTLE_SECONDS)
        return Look(True, seen)


class RunningJob(Target):
    """A job in the ramdisk has its result, or is lost."""

    interval = 3.0

    def __init__(self, wait: Result, limits: Limits) -> None:
        super().__init__(wait, limits)
        self.kind = KINDS[wait["job"]["act"]]
        self.job = Job(wait["job"]["results_file"], wait["job"]["progress_paths"])
        self._silent_since: float | None = None

    async def look(self) -> Look:
        code, output, errors = await self._run(self.job.look_command())
        if code == 255:
            return self._silence(errors)
        self._silent_since = None
        finished = self.job.take(output)
        seen = self.kind.describe(self.job.progress).text if self.job.progress else "no progress yet"
        if finished:
            await self._run(f"rm -f {self.job.results_file}")
            return Look(True, seen, self._with_salvage(self.job.result))
        if self.job.is_lost:
            return Look(True, seen, self._with_salvage({"failed": True, "lost": True}))
        return Look(False, seen)

    async def give_up(self, why: str) -> Result | None:
        command = self.job.kill_command()
        if command:
            await self._run(command)
        return self._with_salvage({"failed": True, why: True})

    def _with_salvage(self, result: Result) -> Result:
        return {**self.kind.salvage(self.job.progress), **result} if result.get("failed") else result

    def _silence(self, errors: str) -> Look:
        now = time.monotonic()
        self._silent_since = now if self._silent_since is None else self._silent_since
        silent, seen = now - self._silent_since, what_ssh_said(255, errors)[1]
        if silent < self.kind.silence_seconds:
            return Look(False, f"no connection for {silent:.0f} s: {seen}")
        return Look(True, seen, self._with_salvage({"failed": True, "silent": self.kind.silence_seconds}))

    async def _run(self, command: str) -> tuple[int, str, str]:
        address = self.wait["agent"]
        if address["kind"] == "fake":
            return await self.limits.run(["sh", "-c", command])
        connection = Connection.at(address)
        own = connection.control_path
        command_line = connection.ssh_command(command, control_path=own if own.exists() else None)
        return await self.limits.run(command_line)


class Pause(Target):
    """Time has passed."""

    interval = 1.0

    async def look(self) -> Look:
        left = self.wait["since"] + self.wait["limit"] - time.time()
        return Look(left <= 0, f"{max(left, 0):.0f} s are left")


class Instance(Target):
    """The deployed system answers on SSH. Its host key is not known here, so nobody logs in."""

    async def look(self) -> Look:
        return Look(*await self.limits.read_banner(self.wait["address"], int(self.wait["port"])))


async def _probe_fake(address: Result) -> Look:
    try:
        return Look(*await asyncio.to_thread(FakeAgent.at(address).probe))
    except BareMetalError as exc:
        return Look(False, exc.message)


TARGETS: dict[str, type[Target]] = {
    "ramdisk": Ramdisk,
    "job": RunningJob,
    "power_off": PowerOff,
    "pause": Pause,
    "instance": Instance,
}
"""Each kind of wait by its name in the store."""
