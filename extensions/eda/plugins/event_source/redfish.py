"""Events of many Redfish BMCs, for ansible-rulebook: by server-sent events where a BMC has them, else by a listener."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import json
import logging
import re
import secrets
import socket
import ssl
import typing as t
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp import web

DOCUMENTATION = r"""
short_description: Events of Redfish BMCs
description:
  - Subscribes at each BMC, and hands its events on. Where the BMC offers server-sent events, these are heard; else it
    is told the address of a listener here. Its subscription is looked at from time to time, and removed at the end, or
    where ansible-rulebook was killed, at the next start.
  - A BMC that is away is asked again, with pauses up to a minute. One that refuses the credentials is not, since
    accounts lock out. An event is of the kind C(lost), C(found) or C(error) then.
  - What comes to the listener is taken only on the secret path of a BMC, and from that BMC's address.
options:
  bmcs:
    description: BMCs, with C(name), C(address), C(username), C(password), and C(verify), true, false or a CA file.
    type: list
    elements: dict
    required: true
  listener:
    description:
      - For BMCs without server-sent events, C(host) and C(port) to listen at, C(url) under which BMCs reach that, and
        C(certfile) and C(keyfile) for https.
    type: dict
  kinds:
    description: More kinds of events, as C(kind) to a regular expression that MessageIds match.
    type: dict
  check_sender:
    description: Whether an event must come from its BMC's address. V(false) behind NAT.
    type: bool
    default: true
  renew:
    description: Seconds between two looks at whether a subscription is still there.
    type: float
    default: 300
"""

LOG = logging.getLogger(__name__)

KINDS = {
    "power_off": r"ResourceEvent\..*\.?ResourcePoweredOff$|iLOEvents\..*\.?ServerPoweredOff$",
    "power_on": r"ResourceEvent\..*\.?ResourcePoweredOn$|iLOEvents\..*\.?ServerPoweredOn$",
    "drive_failing": r"StorageDevice\..*\.?DrivePredictiveFailureAsserted$",
    "drive_failed": r"StorageDevice\..*\.?DriveFailure$",
    "drive_missing": r"StorageDevice\..*\.?DriveMissing$",
    "test": r"ResourceEvent\..*\.?TestMessage$",
}
"""What a MessageId means: DMTF's registries ResourceEvent and StorageDevice (DSP2065), HPE's iLOEvents."""
LARGEST = 2**20  # bytes that a BMC may send at once
LONGEST_PAUSE = 60.0


@dataclasses.dataclass
class Bmc:
    """One BMC: how it is reached, what it is known by, and the path that is its own at the listener."""

    name: str
    address: str
    username: str
    password: str = dataclasses.field(repr=False)
    verify: bool | str = True
    path: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def authorization(self) -> str:
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"

    def context(self) -> ssl.SSLContext | bool:
        """Return what aiohttp checks certificates with."""
        if self.verify in (True, False):
            return bool(self.verify)
        return ssl.create_default_context(cafile=str(self.verify))


class RefusedError(Exception):
    """The BMC refuses the credentials: it is not asked again."""


class Source:
    """All BMCs of one rulebook."""

    def __init__(self, queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
        self._queue = queue
        self.bmcs = [Bmc(**each) for each in args["bmcs"]]
        self.listener: dict[str, t.Any] = args.get("listener") or {}
        self._kinds = {kind: re.compile(pattern) for kind, pattern in {**KINDS, **(args.get("kinds") or {})}.items()}
        self._check_sender = bool(args.get("check_sender", True))
        self.renew = float(args.get("renew", 300))

    async def tell(self, bmc: Bmc, **event: t.Any) -> None:
        await self._queue.put({"redfish": {"bmc": bmc.name, **event}})

    async def tell_all(self, bmc: Bmc, body: str) -> None:
        """Hand on what a BMC has sent: an Event resource (DSP0266, 12.1)."""
        try:
            records = json.loads(body)["Events"]
            events = [self._event(record) for record in records]
        except (ValueError, KeyError, TypeError, AttributeError):
            LOG.warning("%s: what was sent is no event", bmc.name)
            return
        for event in events:
            await self.tell(bmc, **event)

    def _event(self, record: dict[str, t.Any]) -> dict[str, t.Any]:
        origin = record.get("OriginOfCondition")
        message_id = str(record.get("MessageId") or "")
        return {
            "kind": next((kind for kind, pattern in self._kinds.items() if pattern.search(message_id)), "other"),
            "message_id": message_id,
            "message": str(record.get("Message") or ""),
            "args": record.get("MessageArgs") or [],
            "severity": str(record.get("MessageSeverity") or record.get("Severity") or ""),
            "origin": origin.get("@odata.id", "") if isinstance(origin, dict) else str(origin or ""),
            "id": str(record.get("EventId") or ""),
            "at": str(record.get("EventTimestamp") or ""),
        }

    async def receive(self, request: web.Request) -> web.Response:
        """Take an event at the listener: from whom it says it is, or from nobody."""
        given = request.match_info["path"]
        bmc = next((each for each in self.bmcs if secrets.compare_digest(each.path, given)), None)
        if bmc is None or (self._check_sender and request.remote not in await _addresses_of(bmc)):
            LOG.warning("An event from %s is of no BMC that is known, and is not taken", request.remote)
            raise web.HTTPNotFound
        await self.tell_all(bmc, (await request.read()).decode(errors="replace"))
        return web.Response(status=204)


async def _addresses_of(bmc: Bmc) -> set[str]:
    with contextlib.suppress(OSError):
        host, loop = urlsplit(bmc.address).hostname, asyncio.get_running_loop()
        return {found[4][0] for found in await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return set()


class Conversation:
    """What is said with one BMC."""

    def __init__(self, source: Source, bmc: Bmc, session: aiohttp.ClientSession) -> None:
        self._source, self._bmc, self._session = source, bmc, session
        self._subscription: str | None = None
        self._last_id = ""

    async def run(self) -> None:
        """Hear the BMC until the source ends, through times when it is away."""
        pause, lost = 1.0, False
        while True:
            try:
                async for dummy in self._hear():
                    if lost:
                        await self._source.tell(self._bmc, kind="found", message="It answers again.")
                    pause, lost = 1.0, False
            except RefusedError as exc:
                await self._source.tell(self._bmc, kind="error", message=str(exc))
                return
            except (KeyError, TypeError) as exc:
                await self._source.tell(self._bmc, kind="error", message=f"Its EventService is odd: no {exc}.")
                return
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError) as exc:
                LOG.warning("%s: %s: %s", self._bmc.name, type(exc).__name__, exc)
                if not lost:
                    await self._source.tell(self._bmc, kind="lost", message=f"{type(exc).__name__}: {exc}")
                lost = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def end(self) -> None:
        if self._subscription:
            with contextlib.suppress(aiohttp.ClientError, OSError, asyncio.TimeoutError, RefusedError):
                await self._ask("DELETE", self._subscription)

    async def _hear(self) -> t.AsyncIterator[None]:
        root = await self._ask("GET", "/redfish/v1/")
        service = await self._ask("GET", root["EventService"]["@odata.id"])
        stream = service.get("ServerSentEventUri")
        if stream:
            async for dummy in self._stream(stream):
                yield
        elif self._source.listener:
            async for dummy in self._subscribed(service["Subscriptions"]["@odata.id"]):
                yield
        else:
            raise RefusedError("It has no server-sent events, and there is no listener: set the option listener.")

    async def _stream(self, uri: str) -> t.AsyncIterator[None]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self._last_id} if self._last_id else {})}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
        url = self._url(uri)
        async with self._session.get(url, headers=headers, timeout=timeout, allow_redirects=False) as answer:
            self._check(answer, "GET", uri)
            yield
            data: list[str] = []
            async for raw in answer.content:
                field, dummy, value = raw.decode(errors="replace").rstrip("\r\n").partition(":")
                if field == "data":
                    data.append(value.removeprefix(" "))
                elif field == "id":
                    self._last_id = value.strip()
                elif not field and data:
                    await self._source.tell_all(self._bmc, "\n".join(data))
                    data = []
        raise aiohttp.ServerDisconnectedError("the stream has ended")

    async def _subscribed(self, collection: str) -> t.AsyncIterator[None]:
        base = f"{self._source.listener['url'].rstrip('/')}/{_sign_of(self._bmc)}/"
        for member in (await self._ask("GET", collection)).get("Members", []):
            found = await self._ask("GET", member["@odata.id"])
            if str(found.get("Destination", "")).startswith(base):  # of a run that was killed
                await self._ask("DELETE", member["@odata.id"])
        wanted = {"Destination": f"{base}{self._bmc.path}", "Protocol": "Redfish", "Context": self._bmc.name}
        self._subscription = (await self._ask("POST", collection, wanted))["@odata.id"]
        while True:
            yield
            await asyncio.sleep(self._source.renew)
            try:
                await self._ask("GET", self._subscription)
            except aiohttp.ClientResponseError as exc:
                if exc.status != 404:
                    raise
                self._subscription = (await self._ask("POST", collection, wanted))["@odata.id"]

    async def _ask(self, method: str, uri: str, body: t.Any = None) -> dict[str, t.Any]:
        async with self._session.request(method, self._url(uri), json=body, allow_redirects=False) as answer:
            self._check(answer, method, uri)
            found = json.loads((await answer.text()).strip() or "{}")
            location = answer.headers.get("Location")
            return {**found, **({"@odata.id": urlsplit(location).path} if method == "POST" and location else {})}

    def _url(self, uri: str) -> str:
        url = urljoin(self._bmc.address, uri)
        if urlsplit(url)[:2] != urlsplit(self._bmc.address)[:2]:
            raise ValueError(f"it names another server, {urlsplit(url).netloc}")
        return url

    def _check(self, answer: aiohttp.ClientResponse, method: str, uri: str) -> None:
        if answer.status == 401:
            raise RefusedError(f"It refuses the credentials of {self._bmc.username}; it is not asked again.")
        if answer.status >= 300:
            said = f"{method} {uri} was refused"
            raise aiohttp.ClientResponseError(answer.request_info, (), status=answer.status, message=said)


def _sign_of(bmc: Bmc) -> str:  # no secret: its subscriptions are known again by it
    return hashlib.sha256(f"baremetal.lifecycle {bmc.name} {bmc.address}".encode()).hexdigest()[:16]


async def _listen(source: Source) -> web.AppRunner:
    listener, context = source.listener, None
    if listener.get("certfile"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(listener["certfile"], listener.get("keyfile"))
    application = web.Application(client_max_size=LARGEST)
    application.router.add_post("/{sign}/{path}", source.receive)
    runner = web.AppRunner(application, access_log=None)  # the path is a secret
    await runner.setup()
    if listener:
        await web.TCPSite(runner, listener["host"], listener["port"], ssl_context=context).start()
    return runner


async def main(queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
    """Hear all BMCs until the rulebook ends; then take back what was left at them."""
    source = Source(queue, args)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback((await _listen(source)).cleanup)
        conversations = []
        for bmc in source.bmcs:
            session = aiohttp.ClientSession(
                headers={"Authorization": bmc.authorization()},
                connector=aiohttp.TCPConnector(ssl=bmc.context()),
                timeout=aiohttp.ClientTimeout(total=60),
                max_line_size=2**16,
            )
            await stack.enter_async_context(session)
            conversations.append(Conversation(source, bmc, session))
        try:
            await asyncio.gather(*(conversation.run() for conversation in conversations))
            await asyncio.Event().wait()  # none is left to hear, and others may be in the rulebook
        finally:
            await asyncio.gather(*(conversation.end() for conversation in conversations))
