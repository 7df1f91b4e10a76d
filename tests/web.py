"""A web server whose answers are functions, as bad as they like to be; with TLS where a certificate is given."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import typing as t
from pathlib import Path

Answer = t.Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; ``site`` is the server."""

    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        """Answer by what the site has for the path without its query."""
        self.close_connection = True
        self.server.requests.append((self.path, dict(self.headers)))
        answer = self.server.answers.get(self.path.partition("?")[0])
        if answer is None:
            return self.send_error(404)
        with contextlib.suppress(OSError):
            (answer if callable(answer) else content(answer))(self)
        return None

    def log_message(self, *dummy: t.Any) -> None:
        """Say nothing."""

    def head(self, status: int = 200, **headers: object) -> None:
        """Send status and headers, whose names have underscores here."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def drip(self, data: bytes, pause: float = 0.02) -> None:
        """Send a byte at a time, until all is sent or the test is over."""
        for byte in data:
            if self.server.released.wait(pause):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()


class Site(http.server.ThreadingHTTPServer):
    """Answers by ``answers``: path to content, or to a function of the handler; remembers ``requests``."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, bytes | Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *dummy: t.Any) -> None:
        """Say nothing: clients that go away are what is tested."""


@contextlib.contextmanager
def serve(certificate: tuple[Path, Path] | None = None) -> t.Iterator[Site]:
    """Run a site for the time of the block; ``certificate`` and its key, as files."""
    site = Site(certificate)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.released.set()
        site.shutdown()
        site.server_close()


def content(data: bytes) -> Answer:
    """Answer with all of it, or the range that is asked for."""

    def answer(handler: Handler) -> None:
        first, dummy, last = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start, end = int(first), min(len(data), int(last) + 1 if last else len(data))
        if "Range" not in handler.headers:
            handler.head(Content_Length=len(data))
        elif start >= len(data):
            return handler.head(416, Content_Length=0)
        else:
            handler.head(206, Content_Length=end - start, Content_Range=f"bytes {start}-{end - 1}/{len(data)}")
        handler.wfile.write(data[start:end])
        return None

    return answer


def redirect(location: str, status: int = 302) -> Answer:
    """Answer with a redirect."""
    return lambda handler: handler.head(status, Location=location, Content_Length=0)


def behind(authorization: str, data: bytes) -> Answer:
    """Answer with the content where the header Authorization is right, else with 401."""

    def answer(handler: Handler) -> None:
        if handler.headers.get("Authorization") != authorization:
            return handler.head(401, Content_Length=0)
        return content(data)(handler)

    return answer
