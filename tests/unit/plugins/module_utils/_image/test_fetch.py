"""Web servers as they are: what is announced must arrive, in time and from the right place; else it is an error."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Image
from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import BareMetalError, ImageError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._image import fetch as controller
from ansible_collections.baremetal.lifecycle.plugins.module_utils._image.image import inspect, verify_whole
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.write.source import SourceOptions, open_source
from tests import web
from tests.certificate import make_certificate

DATA = bytes(range(256)) * 1024
HALF = len(DATA) // 2
ACCOUNT = "Basic " + base64.b64encode(b"me:MAR KER").decode()
Fetch = t.Callable[..., bytes]


@pytest.fixture(params=["controller", "ramdisk"])
def fetch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Fetch all that is at a URL, as the controller does, or as the ramdisk does."""
    if request.param == "controller":
        monkeypatch.setattr(controller, "_SECONDS", 2)
        return lambda url, **trust: controller.fetch(url, limit=1 << 20, node="node01", what="file", **trust)
    return lambda url, **trust: b"".join(
        open_source(url, SourceOptions(timeout=1, retries=2, pause=0.01, **trust)).chunks()
    )


@pytest.fixture
def site() -> t.Iterator[web.Site]:
    with web.serve() as running:
        yield running


def cut(size: int, promised: int = len(DATA)) -> web.Answer:
    def answer(handler: web.Handler) -> None:
        handler.head(Content_Length=promised)
        handler.wfile.write(DATA[:size])

    return answer


def cut_once() -> web.Answer:
    answers = iter([cut(HALF)])
    return lambda handler: next(answers, web.content(DATA))(handler)  # pylint: disable=unnecessary-lambda


def with_headers(*headers: tuple[str, str]) -> web.Answer:
    def answer(handler: web.Handler) -> None:
        handler.send_response(200)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(DATA)

    return answer


def chunked(end: bytes) -> web.Answer:
    def answer(handler: web.Handler) -> None:
        handler.head(Transfer_Encoding="chunked")
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(DATA), DATA) + end)

    return answer


def raw(data: bytes) -> web.Answer:
    def answer(handler: web.Handler) -> None:
        handler.wfile.write(data)

    return answer


def dripping(data: bytes, **headers: object) -> web.Answer:
    def answer(handler: web.Handler) -> None:
        if headers:
            handler.head(**headers)
        handler.drip(data)

    return answer


def reset(handler: web.Handler) -> None:
    handler.head(Content_Length=len(DATA))
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def one_byte(handler: web.Handler) -> None:
    start = int(handler.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
    handler.head(206 if start else 200, Content_Length=len(DATA) - start, **part(start, len(DATA)))
    handler.wfile.write(DATA[start : start + 1])


def part(start: int, size: int) -> dict[str, object]:
    return {"Content_Range": f"bytes {start}-{size - 1}/{size}"} if start else {}


def cut_then(status: int, **headers: object) -> web.Answer:
    def answer(handler: web.Handler) -> None:
        if "Range" not in handler.headers:
            return cut(HALF)(handler)
        handler.head(status, Content_Length=HALF, **headers)
        handler.wfile.write(DATA[HALF:])
        return None

    return answer


ARRIVES: list[tuple[str, web.Answer]] = [
    ("with its length", web.content(DATA)),
    ("in chunks", chunked(b"0\r\n\r\n")),
    ("until the connection ends", with_headers()),
    ("in two parts", cut_once()),
]


@pytest.mark.parametrize(("how", "answer"), ARRIVES, ids=[row[0] for row in ARRIVES])
def test_what_arrives_whole(how: str, answer: web.Answer, fetch: Fetch, site: web.Site) -> None:
    site.answers["/file"] = answer
    assert fetch(f"{site.url}/file?sig=MARKER") == DATA


REFUSED: list[tuple[str, web.Answer, str, bool]] = [
    ("half of it", cut(HALF), "bytes", True),
    ("nothing of it", cut(0), f"ended after 0 of {len(DATA)} bytes", True),
    ("a chunk of less than nothing", raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + DATA),
     "a size", True),
    ("a chunk without an end", chunked(b""), "IncompleteRead", True),
    ("a connection that is reset", reset, "ConnectionResetError", True),
    ("no HTTP", raw(b"SSH-2.0-x\r\n\r\n"), "BadStatusLine", True),
    ("headers without an end", raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200), "HTTPException", True),
    ("a length that is no number", with_headers(("Content-Length", "-5")), "its Content-Length is no number", False),
    ("two lengths", with_headers(("Content-Length", "5"), ("Content-Length", "6")), "its Content-Length is no", False),
    ("no content", lambda handler: handler.head(204), "HTTP 204", False),
    ("no right to it", lambda handler: handler.head(401, Content_Length=0), "HTTP 401", False),
    ("a server out of order", lambda handler: handler.head(503, Content_Length=0), "HTTP 503", True),
    ("another part", cut_then(206, Content_Range=f"bytes 5-9/{len(DATA)}"), "could not be resumed", True),
    ("a part of another file", cut_then(206, Content_Range=f"bytes {HALF}-{len(DATA) - 1}/9"), "not be resumed", True),
    ("a part of another length", cut_then(206, Content_Range=f"bytes {HALF}-9/{len(DATA)}"), "not be resumed", True),
    ("all again", cut_then(200), "could not be resumed", True),
    ("a byte a connection", one_byte, "could not be fetched in", True),
    ("headers that drip", dripping(b"HTTP/1.1 200 OK\r\n" * 99), "comes too slowly", True),
    ("content that drips", dripping(DATA, Content_Length=9999), "comes too slowly", True),
    ("chunks that drip", dripping(b"1\r\nx\r\n" * 999, Transfer_Encoding="chunked"), "comes too slowly", True),
    *((f"a redirect to {url[:5]}", web.redirect(url), "edirect", False)
      for url in ("file:///etc/hostname", "ftp://127.0.0.1:9/x", "data:,x", "gopher://127.0.0.1/")),
    ("a redirect in circles", web.redirect("/file"), "HTTP 302", False),
]  # fmt: skip


@pytest.mark.parametrize(("what", "answer", "message", "retryable"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_does_not_is_an_error_that_names_it(
    what: str, answer: web.Answer, message: str, retryable: bool, fetch: Fetch, site: web.Site
) -> None:
    site.answers["/file"] = answer
    with pytest.raises(ImageError) as caught:
        fetch(f"{site.url}/file?sig=MARKER".replace("://", "://me:MARKER@"))
    assert message in caught.value.message
    assert f"{site.url}/file" in caught.value.message
    assert "MARKER" not in str(caught.value.to_result())
    assert (caught.value.retryable, bool(caught.value.hint)) == (retryable, True)


def test_an_account_is_for_the_origin_that_it_was_given_for(fetch: Fetch, site: web.Site) -> None:
    mine = site.url.replace("://", "://me:MAR%20KER@")
    site.answers = {"/file": web.behind(ACCOUNT, DATA), "/moved": web.redirect("/file", 308)}
    assert fetch(f"{mine}/file") == fetch(f"{mine}/moved") == DATA
    with web.serve() as other:
        other.answers["/file"] = DATA
        site.answers["/away"] = web.redirect(f"{other.url}/file")
        assert fetch(f"{mine}/away") == DATA
        assert [headers.get("Authorization") for dummy, headers in other.requests] == [None]


def test_https_is_not_left_by_a_redirect(fetch: Fetch, site: web.Site, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    site.answers["/file"] = DATA
    with web.serve(certificate) as safe:
        safe.answers = {"/file": DATA, "/moved": web.redirect("/file"), "/away": web.redirect(f"{site.url}/file")}
        trust = {"ca_path": str(certificate[0])}
        site.answers["/up"] = web.redirect(f"{safe.url}/file")
        assert fetch(f"{safe.url}/moved", **trust) == fetch(f"{site.url}/up", **trust) == DATA
        with pytest.raises(ImageError, match="redirects from https to http"):
            fetch(f"{safe.url}/away", **trust)
        with pytest.raises(ImageError, match=r"certificate of .* is not trusted"):
            fetch(f"{safe.url}/file")
    assert [path for path, dummy in site.requests] == ["/up"]


def test_a_name_of_any_letters_can_be_fetched(fetch: Fetch, site: web.Site) -> None:
    site.answers["/%C3%A4%20b%2Bc.raw"] = DATA
    assert fetch(f"{site.url}/\u00e4 b%2Bc.raw") == DATA


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http:///x", "data:,x", "gopher://x/"])
def test_other_schemes_are_refused(url: str, fetch: Fetch) -> None:
    with pytest.raises(BareMetalError, match="can't be fetched"):
        fetch(url)


def test_the_look_at_an_image_takes_no_more_than_its_beginning(site: web.Site) -> None:
    site.answers["/image"] = b"\0" * (2 << 20)
    inspect(Image(f"{site.url}/image"), "node01")
    assert site.requests[0][1]["Range"] == f"bytes=0-{512 * 1024 - 1}"
    site.answers["/empty"] = b""
    with pytest.raises(ImageError, match="empty"):
        inspect(Image(f"{site.url}/empty"), "node01")


def test_an_image_that_the_bmc_will_fetch_is_read_whole(site: web.Site) -> None:
    site.answers = {"/image": cut_once(), "/cut": cut(HALF)}
    checksum = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    verify_whole(Image(f"{site.url}/image"), checksum, "node01")
    other = f"sha256:{'0' * 64}"
    for path, wanted, message in (("/cut", checksum, "could not be"), ("/image", other, "has checksum")):
        with pytest.raises(ImageError, match=message):
            verify_whole(Image(site.url + path), wanted, "node01")
