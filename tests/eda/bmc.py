"""A BMC that tells what happens: EventService with server-sent events or subscriptions, as DSP0266 12 has it."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
import json
import typing as t

import aiohttp
from aiohttp import web

SERVICE = "/redfish/v1/EventService"
SUBSCRIPTIONS = f"{SERVICE}/Subscriptions"


def event(message_id: str, origin: str = "/redfish/v1/Systems/1") -> dict[str, t.Any]:
    """Return an Event resource with one record."""
    record = {
        "EventId": "7",
        "MessageId": message_id,
        "Message": "told",
        "MessageSeverity": "Critical",
        "MessageArgs": ["Bay 3"],
        "OriginOfCondition": {"@odata.id": origin},
    }
    return {"@odata.type": "#Event.v1_7_0.Event", "Id": "7", "Name": "Event", "Events": [record]}


class EventBmc:
    """One BMC on loopback. ``requests``: each as "METHOD path"; ``subscriptions``: destinations by path."""

    def __init__(self, *, streams: bool, password: str = "right") -> None:
        self._streams, self._password = streams, password
        self._heard: list[web.StreamResponse] = []
        self._number = 0
        self.requests: list[str] = []
        self.subscriptions: dict[str, str] = {}

    async def __aenter__(self) -> EventBmc:
        """Begin to answer, at ``url``."""
        application = web.Application(middlewares=[self._check])
        application.router.add_get("/redfish/v1/", self._root)
        application.router.add_get(SERVICE, self._service)
        application.router.add_get(f"{SERVICE}/SSE", self._stream)
        application.router.add_get(SUBSCRIPTIONS, self._list)
        application.router.add_post(SUBSCRIPTIONS, self._subscribe)
        application.router.add_get(f"{SUBSCRIPTIONS}/{{number}}", self._show)
        application.router.add_delete(f"{SUBSCRIPTIONS}/{{number}}", self._remove)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *dummy: object) -> None:
        """End; who is listening is cut off."""
        self.cut()
        await self._runner.cleanup()

    def cut(self) -> None:
        """Cut off who listens to the stream."""
        for stream in self._heard:
            if stream._req and stream._req.transport:
                stream._req.transport.abort()
        self._heard = []

    async def tell(self, message_id: str, **more: t.Any) -> list[int]:
        """Tell all who want to know; return how listeners have answered."""
        body = json.dumps(event(message_id, **more))
        for stream in self._heard:
            await stream.write(f"id: {self._number}\ndata: {body}\n\n".encode())
        answers = []
        async with aiohttp.ClientSession() as session:
            for destination in self.subscriptions.values():
                async with session.post(destination, data=body) as answer:
                    answers.append(answer.status)
        return answers

    def listeners(self) -> int:
        """Say how many hear the stream."""
        return len(self._heard)

    @web.middleware
    async def _check(self, request: web.Request, handler: t.Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        wanted = base64.b64encode(f"events:{self._password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {wanted}":
            return web.Response(status=401)
        return t.cast("web.StreamResponse", await handler(request))

    async def _root(self, dummy: web.Request) -> web.Response:
        return web.json_response({"EventService": {"@odata.id": SERVICE}})

    async def _service(self, dummy: web.Request) -> web.Response:
        stream = {"ServerSentEventUri": f"{SERVICE}/SSE"} if self._streams else {}
        return web.json_response({"Subscriptions": {"@odata.id": SUBSCRIPTIONS}, **stream})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b": stream keepalive\n\n")
        self._heard.append(stream)
        await asyncio.Event().wait()
        return stream

    async def _list(self, dummy: web.Request) -> web.Response:
        return web.json_response({"Members": [{"@odata.id": path} for path in self.subscriptions]})

    async def _subscribe(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        self._number += 1
        path = f"{SUBSCRIPTIONS}/{self._number}"
        self.subscriptions[path] = wanted["Destination"]
        return web.Response(status=201, headers={"Location": path})

    async def _show(self, request: web.Request) -> web.Response:
        destination = self.subscriptions.get(request.path)
        return web.json_response({"Destination": destination}) if destination else web.Response(status=404)

    async def _remove(self, request: web.Request) -> web.Response:
        return web.Response(status=204 if self.subscriptions.pop(request.path, None) else 404)
