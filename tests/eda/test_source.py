"""The event source redfish, at BMCs that stream, that want subscriptions, that come and go."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import runpy
import socket
import typing as t
from pathlib import Path

import aiohttp

from tests.eda.bmc import SUBSCRIPTIONS, EventBmc

ROOT = Path(__file__).resolve().parents[2]
MAIN = runpy.run_path(str(ROOT / "extensions" / "eda" / "plugins" / "event_source" / "redfish.py"))["main"]
FAILING = "StorageDevice.1.2.DrivePredictiveFailureAsserted"


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def listener() -> dict[str, t.Any]:
    port = free_port()
    return {"host": "127.0.0.1", "port": port, "url": f"http://127.0.0.1:{port}"}


async def until(true: t.Callable[[], t.Any]) -> None:
    async with asyncio.timeout(90):
        while not true():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def heard(bmc: EventBmc, *, password: str = "right", **args: t.Any) -> t.AsyncIterator[t.Any]:
    """Run the source at one BMC; give what waits for its next event."""
    queue: asyncio.Queue[t.Any] = asyncio.Queue()
    one = {"name": "node01", "address": bmc.url, "username": "events", "password": password}
    running = asyncio.create_task(MAIN(queue, {"bmcs": [one], **args}))

    async def following() -> dict[str, t.Any]:
        async with asyncio.timeout(90):
            return t.cast("dict[str, t.Any]", (await queue.get())["redfish"])

    try:
        yield following
        assert not running.done(), "a source that ends takes its rulebook with it"
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def test_a_stream_is_heard_and_heard_again_where_it_was_cut() -> None:
    async def play() -> None:
        async with EventBmc(streams=True) as bmc, heard(bmc) as following:
            await until(bmc.listeners)
            await bmc.tell(FAILING, origin="/redfish/v1/Systems/1/Storage/1/Drives/3")
            told = await following()
            assert (told["bmc"], told["kind"], told["severity"]) == ("node01", "drive_failing", "Critical")
            assert (told["origin"], told["args"]) == ("/redfish/v1/Systems/1/Storage/1/Drives/3", ["Bay 3"])
            bmc.cut()
            assert (await following())["kind"] == "lost"
            assert (await following())["kind"] == "found"
            await bmc.tell("iLOEvents.2.1.ServerPoweredOff")
            assert (await following())["kind"] == "power_off"

    asyncio.run(play())


def test_a_subscription_is_renewed_and_taken_back() -> None:
    async def play() -> None:
        async with EventBmc(streams=False) as bmc:
            await hear(bmc)
            assert bmc.subscriptions == {}

    async def hear(bmc: EventBmc) -> None:
        async with heard(bmc, listener=listener(), renew=0.1) as following:
            await until(lambda: bmc.subscriptions)
            assert await bmc.tell("ResourceEvent.1.3.ResourcePoweredOff") == [204]
            assert (await following())["kind"] == "power_off"
            bmc.subscriptions.clear()  # as a BMC does that was reset
            await until(lambda: bmc.subscriptions)
            assert await bmc.tell("Vendor.1.0.Odd") == [204]
            assert (await following())["kind"] == "other"

    asyncio.run(play())


def test_what_a_killed_run_has_left_is_removed_and_nothing_of_others() -> None:
    async def play() -> None:
        here = listener()
        async with EventBmc(streams=False) as bmc:
            async with heard(bmc, listener=here):
                await until(lambda: bmc.subscriptions)
                (ours,) = bmc.subscriptions.values()
            other = "http://127.0.0.1:9/somebody/else"
            bmc.subscriptions = {f"{SUBSCRIPTIONS}/90": ours, f"{SUBSCRIPTIONS}/91": other}
            async with heard(bmc, listener=here):
                await until(lambda: len(bmc.subscriptions) == 2 and f"{SUBSCRIPTIONS}/90" not in bmc.subscriptions)
            assert list(bmc.subscriptions.values()) == [other]

    asyncio.run(play())


def test_an_event_of_nobody_is_not_taken() -> None:
    async def play() -> None:
        here = listener()
        async with EventBmc(streams=False) as bmc, heard(bmc, listener=here) as following:
            await until(lambda: bmc.subscriptions)
            (right,) = bmc.subscriptions.values()
            async with aiohttp.ClientSession() as session:
                for path, body, status in (
                    ("/a/guess", "{}", 404),
                    (right.removeprefix(here["url"]) + "x", "{}", 404),
                    (right.removeprefix(here["url"]), "no json", 204),
                    (right.removeprefix(here["url"]), '{"Events": [1]}', 204),
                    (right.removeprefix(here["url"]), " " * 2**21, 413),
                ):
                    async with session.post(here["url"] + path, data=body) as answer:
                        assert answer.status == status, path
            await bmc.tell(FAILING)
            assert (await following())["kind"] == "drive_failing", "and nothing before it"

    asyncio.run(play())


def test_credentials_that_are_refused_are_sent_once() -> None:
    async def play() -> None:
        async with EventBmc(streams=True) as bmc, heard(bmc, password="wrong") as following:
            told = await following()
            assert told["kind"] == "error"
            assert "refuses the credentials of events" in told["message"]
            assert "wrong" not in told["message"]
            await asyncio.sleep(2)
            assert len(bmc.requests) == 1

    asyncio.run(play())


def test_a_bmc_without_a_stream_needs_a_listener() -> None:
    async def play() -> None:
        async with EventBmc(streams=False) as bmc, heard(bmc) as following:
            assert "set the option listener" in (await following())["message"]

    asyncio.run(play())


def test_an_odd_bmc_is_told_and_takes_nobody_with_it() -> None:
    async def play() -> None:
        async with EventBmc(streams=False) as bmc:
            bmc.url += "/odd"
            async with heard(bmc) as following:
                assert (await following())["kind"] in ("lost", "error")

    asyncio.run(play())
